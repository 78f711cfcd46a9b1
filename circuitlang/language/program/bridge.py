"""Bridge: a checked block that ties a sparse model to a dense one, with its training and its claims."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from circuitlang.language.program.recipe import Corpus, Recipe
from circuitlang.language.program.spec import Claim, Spec, VerdictSettings
from circuitlang.source.diagnostic import Span


@dataclass(frozen=True)
class Coupling:
    """Where the two models meet, and how (Gao et al. 2025, A.3): at each site an encoder, linear with AbsTopK, from
    the dense model's residual stream to the sparse one's, and a linear decoder back.

    `sites`: before every attention and every MLP and at the end (sublayers), or before every attention and at the
    end (layers). `activations`: the share of the sparse channels that the encoder's AbsTopK keeps, per token.
    """

    sites: Literal["sublayers", "layers"] = "sublayers"
    activations: float = 0.25


@dataclass(frozen=True)
class BridgeTraining:
    """`tokens` in all; `batch` in sequences of the models' context; `warmup` is a share of the run. `joint`: the sparse
    model is trained, too, from what it is on, and the new one lies beside the bridge; else it stays as it is."""

    corpus: Corpus
    tokens: int
    batch: int = 64
    learning_rate: float = 0.003
    seed: int = 0
    warmup: float = 0.01
    joint: bool = False


@dataclass(frozen=True)
class BridgeLoss:
    """Coefficients of the loss: the sparse model's own, in nats; the two normalised squared errors, summed over sites;
    the two divergences from the dense model, in nats, summed over sites, where the computation changes models."""

    pretraining: float = 1.0
    encoder: float = 1.0
    decoder: float = 1.0
    to_sparse: float = 1.0
    to_dense: float = 1.0


@dataclass(frozen=True)
class Bridge:
    """`dense` and `sparse` name models as a spec's `model` does; the recipes are those of model blocks. `spec`: whose
    task and roles the claims may speak of; its model is the sparse one. `text`: canonical text of the block."""

    name: str
    doc: str | None
    dense: str
    sparse: str
    coupling: Coupling
    training: BridgeTraining
    loss: BridgeLoss
    verdict: VerdictSettings
    claims: tuple[Claim, ...]
    text: str
    span: Span = field(compare=False, repr=False)
    spec: Spec | None = None
    dense_recipe: Recipe | None = None
    sparse_recipe: Recipe | None = None
