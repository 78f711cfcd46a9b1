"""Corpus, Recipe: a checked pretraining text, and a checked `model` block trained on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from circuitlang.language.program.task import Draw, Rule
from circuitlang.site import PRUNED_PLACES, Place

STDLIB, PACKAGE = "stdlib:", "package:"
_PACKAGE = re.compile(
    rf"{PACKAGE}(?P<name>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)==(?P<version>[A-Za-z0-9.+!_-]+)/.+",
    re.DOTALL,
)


@dataclass(frozen=True)
class Document:
    """One document is one expansion of the rule `name`. `weight`: share of the corpus' text, relative to the
    others."""

    name: str
    weight: float


@dataclass(frozen=True)
class Files:
    """Real files: `stdlib:**/*.py` (Python's own library), `package:NAME==VERSION/**/*.py` (an installed package, of
    this version only) or a glob relative to the project. Each file is a document."""

    pattern: str
    weight: float

    @property
    def library(self) -> bool:
        return self.pattern.startswith(STDLIB)

    @property
    def package(self) -> tuple[str, str] | None:
        """Name and version."""
        found = _PACKAGE.fullmatch(self.pattern)
        return (found["name"], found["version"]) if found else None

    @property
    def prefix(self) -> str:
        """Where the files are from, as the pattern says it: empty for the project's."""
        if self.package:
            return f"{PACKAGE}{'=='.join(self.package)}/"
        return STDLIB if self.library else ""

    @property
    def glob(self) -> str:
        return self.pattern.removeprefix(self.prefix)

    @property
    def leads_out(self) -> bool:
        """Whether it may name files elsewhere, which another machine does not have."""
        path = PurePosixPath(self.glob)
        outside = (
            path.is_absolute() or PureWindowsPath(self.glob).drive or "\\" in self.glob or "\0" in self.glob
        )
        return bool(not self.glob or outside or ".." in path.parts)


@dataclass(frozen=True)
class Corpus:
    """`draws` are made once per document, so that a program can speak of the same names throughout. `text` is
    the canonical text of the block."""

    name: str
    rules: Mapping[str, Rule]
    documents: tuple[Document, ...]
    files: tuple[Files, ...]
    text: str
    draws: tuple[Draw, ...] = ()


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
