"""Recipe: a checked `model` block: the sizes, the sparsity and the training of one model."""

from __future__ import annotations

from dataclasses import dataclass

from circuitlang.language.program.corpus import Corpus
from circuitlang.site import PRUNED_PLACES, Place


@dataclass(frozen=True)
class Architecture:
    """Sizes as Gao et al. 2025 A.1. `heads` x `head_width` need not be `width`; `mlp` is hidden units per
    channel. `smear`: as in the model's Config."""

    layers: int
    width: int
    heads: int
    context: int = 256  # tokens
    mlp: int = 4
    vocabulary: int = 2048  # tokens
    sink: bool = False
    bigram: bool = False
    smear: int = 0  # tokens


@dataclass(frozen=True)
class Sparsity:
    """Fractions of nonzero entries. `weights`: block matrices; `embeddings`: token embedding, unembedding and
    biases; `activations`: what AbsTopK keeps, in the places `activations_at`; `floor`: nonzeros per neuron and
    attention channel that are never taken away."""

    weights: float = 1.0
    embeddings: float = 1.0
    activations: float = 1.0
    activations_at: tuple[Place, ...] = PRUNED_PLACES
    floor: int = 4


@dataclass(frozen=True)
class Training:
    """`tokens` in all; `batch` in sequences of `context` tokens; `anneal`, `warmup`: shares of the run
    (A.2). `start`: the model whose weights it begins with, as a spec names one; None: drawn weights."""

    corpus: Corpus
    tokens: int
    batch: int = 64
    learning_rate: float = 0.0128
    seed: int = 0
    anneal: float = 0.5
    warmup: float = 0.01
    weight_decay: float = 0.1
    epsilon: float = 0.1
    validation: int = (
        200_000  # tokens kept out of training for the validation loss, of rules and of files each
    )
    start: str | None = None


@dataclass(frozen=True)
class Recipe:
    """`text` is the canonical text of the block and of its corpus."""

    name: str
    doc: str | None
    architecture: Architecture
    sparsity: Sparsity
    training: Training
    text: str
