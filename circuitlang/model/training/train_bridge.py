"""The training of a bridge: the loop of train.py over two models, with the loss of Gao et al. 2025, A.3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from circuitlang.language.program.bridge import Bridge as Recipe
from circuitlang.language.program.bridge import BridgeLoss
from circuitlang.language.program.recipe import Architecture, Sparsity, Training
from circuitlang.language.program.recipe import Recipe as ModelRecipe
from circuitlang.model.bridge_maps import Bridge, Joined, divergence, measured_over, sites_of, streams
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.training.data import TokenData
from circuitlang.model.training.machine import Machine
from circuitlang.model.training.processes import ALONE
from circuitlang.model.training.sparsity import largest_shares, project
from circuitlang.model.training.train import (
    EVALUATION_ROWS,
    Loop,
    Progress,
    adamw,
    drive,
    precision,
    steps_of,
)
from circuitlang.model.transformer import Transformer
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.cache import key_of

EPSILON = 1e-8
"""Of AdamW. Maps are no sparse weights: the 0.1 of those would leave encoders of small gradients where they began."""


@dataclass(frozen=True)
class Trained:
    """A finished training. `sparse`: the sparse model that was trained with the bridge, or stayed as it was."""

    bridge: Bridge
    sparse: Transformer
    curve: list[dict[str, Any]]
    seconds: float


def data_recipe(recipe: Recipe, sparse: Checkpoint) -> ModelRecipe:
    """What the loop and the text's preparation ask of a model's recipe, for a bridge; with no weights made sparse and
    none decayed. Its text names all that decides the training's steps, but for the models."""
    config, training = sparse.model.config, recipe.training
    return ModelRecipe(
        recipe.name,
        recipe.doc,
        Architecture(config.layers, config.width, config.heads, config.context, vocabulary=config.vocabulary),
        Sparsity(),
        Training(
            training.corpus,
            training.tokens,
            training.batch,
            training.learning_rate,
            training.seed,
            0.0,
            training.warmup,
            0.0,
            EPSILON,
        ),
        key_of(
            training.corpus.text,
            repr(replace(training, corpus=None)),
            repr(recipe.coupling),
            repr(recipe.loss),
        ),  # type: ignore[arg-type]
    )


def untrained(recipe: Recipe, joined: Joined, reference: Tensor) -> Bridge:
    """The bridge as it is before the first step, a pure function of the recipe, the models and the reference text."""
    config = joined.sparse.config
    sites = sites_of(config.layers, recipe.coupling.sites)
    bridge = Bridge(joined.dense.config.width, config.width, sites, recipe.coupling.activations)
    bridge.initialise(torch.Generator().manual_seed(recipe.training.seed))
    bridge.to(reference.device).measure(joined, reference)
    return bridge


def train_bridge(
    recipe: Recipe,
    dense: Checkpoint,
    sparse: Checkpoint,
    data: TokenData,
    reference: Tensor,
    state: Path,
    report: Callable[[Progress], None],
    stop_after: int | None = None,
    machine: Machine = Machine(),  # noqa: B008
    shuffled: bool = False,
) -> Trained:
    """Trains to the end, or continues the run whose checkpoint lies at `state`, with the same result bit for bit.

    reference: (row, position) text that streams are measured on before the first step. `shuffled`: the control: the
    sparse model reads another row of the batch than the dense one, and is itself not trained. Raises CommandError as
    `train` does.
    """
    loop = BridgeLoop(recipe, dense, sparse, data, reference, machine, shuffled)
    steps = steps_of(loop.recipe)
    if not steps:
        raise CommandError(
            f"{recipe.training.tokens} tokens are not enough for one batch of bridge {recipe.name}"
        )
    dtype = precision(loop.device, machine.precision)
    unusual = f" {dtype}" if dtype != precision(loop.device) else ""
    key = f"{data.digest} {loop.recipe.text} {dense.digest} {sparse.digest} {shuffled}{unusual}"
    drive(loop, steps, state, key, report, stop_after)
    joint = sparse.model
    if loop.joint is not None:
        joint = loop.joint.requires_grad_(False).eval()
        loop.bridge.measure(loop.joined, reference, units=False)
    return Trained(loop.bridge.requires_grad_(False).eval(), joint, loop.curve, loop.seconds)


class BridgeLoop(Loop):
    """A run's state and one step of it. `model` has all that is trained: the bridge and, in a joint run, the sparse
    model, which keeps its share of nonzero weights."""

    def __init__(
        self,
        recipe: Recipe,
        dense: Checkpoint,
        sparse: Checkpoint,
        data: TokenData,
        reference: Tensor,
        machine: Machine,
        shuffled: bool,
    ) -> None:
        self.coefficients = recipe.loss
        self.joint = None
        if not any((recipe.loss.encoder, recipe.loss.decoder, recipe.loss.to_sparse, recipe.loss.to_dense)):
            raise CommandError(
                f"bridge {recipe.name} has no loss: encoder, decoder, to_sparse, to_dense are 0"
            )
        if shuffled and recipe.training.batch < 2:
            raise CommandError("the control reads another row of the batch, so a batch needs 2 rows")
        self.bridge = untrained(recipe, Joined(dense.model, sparse.model), reference)
        trained: dict[str, nn.Module] = {"bridge": self.bridge}
        if recipe.training.joint and not shuffled:
            self.joint = Transformer(sparse.model.config).to(dense.model.embed.device)
            self.joint.load_state_dict(sparse.model.state_dict())
            trained["sparse"] = self.joint
        self.kept = largest_shares(sparse.model)
        self.joined = Joined(dense.model, self.joint if self.joint is not None else sparse.model)
        self.shuffled = shuffled
        self.begin(data_recipe(recipe, sparse), data, dense.model.embed.device, machine, ALONE)
        self.initial = (1.0, 1.0)
        self.model = self.forward = nn.ModuleDict(trained).train()
        self.in_pieces = False
        self.optimizer = adamw(self.model, self.recipe)

    def gradients(self, tokens: Tensor) -> float:
        """(row, position): the whole batch of a step, to the gradients of its loss. Returns the loss."""
        tokens = tokens.to(self.device)
        others = tokens.roll(1, 0) if self.shuffled else tokens
        self.optimizer.zero_grad(set_to_none=False)
        value = torch.zeros((), device=self.device)
        rows = self.rows or len(tokens)
        for part, other in zip(tokens.split(rows), others.split(rows), strict=True):
            other = other if self.shuffled else part
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                value += bridge_loss(
                    self.bridge, self.joined, self.coefficients, part, other, len(part) / len(tokens)
                )
        for parameter in self.model.parameters():  # where a coefficient is 0
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        return float(value)

    def sparsify(self, progress: float) -> float:
        """A sparse model that is trained keeps as many nonzeros as it came with. Returns their share in a matrix."""
        if self.joint is not None and min(self.kept) < 1:
            project(self.joint, *self.kept, 0)
        return self.kept[0]

    def shares(self, progress: float) -> tuple[float, float]:
        return self.kept

    @torch.no_grad()
    def validation(self) -> dict[str, float]:
        """The worst site of each, on text kept out of training."""
        length = self.recipe.architecture.context + 1
        ids = self.data.streams[0].validation
        rows = min(EVALUATION_ROWS // 4, len(ids) // length)
        text = torch.from_numpy(ids[: rows * length].astype("int64")).view(rows, length).to(self.device)
        found = measured_over(self.bridge, self.joined, text)
        names = ("encoder_error", "decoder_error", "to_sparse", "to_dense")
        return {name: max(float(each[name].mean()) for each in found.values()) for name in names}


def bridge_loss(
    bridge: Bridge, joined: Joined, weigh: BridgeLoss, tokens: Tensor, others: Tensor, share: float = 1.0
) -> Tensor:
    """The loss of some rows, (row, position) ids, whose gradients it adds to the parameters'; times `share`.

    For every site the encoder's and the decoder's squared error over the stream's variance (of the reference text, no
    gradient), and the divergence from the dense model of what goes on in the other model; each tail is back-propagated
    by itself and once. What reaches a sparse model that is trained waits at its streams, and goes on from there once,
    with its own loss. others: what the sparse model reads, whose tails are then compared with the dense model there
    (only the control's differ from `tokens`).
    """
    x, read = tokens[:, :-1], others[:, :-1]
    learns = next(joined.sparse.parameters()).requires_grad
    with torch.no_grad():
        truth, dense = streams(joined.dense, x)
        truth_read = truth if others is tokens else joined.dense(read)
    with torch.set_grad_enabled(learns):
        logits, sparse = streams(joined.sparse, read)
    waiting = [h.detach().requires_grad_(learns) for h in sparse]
    total = torch.zeros((), device=tokens.device)

    def add(value: Tensor, weight: float) -> Tensor:
        nonlocal total
        total = total + weight * value.detach()
        return weight * value

    for place, number in enumerate(bridge.sites):
        h = waiting[number]
        if weigh.encoder or weigh.to_sparse:
            encoded = bridge.encode(number, dense[number])
            error = _mean_square(encoded, sparse[number].detach()) / bridge.sparse_variance[place]
            loss = add(error, weigh.encoder * share)
            if weigh.to_sparse:
                other = joined.sparse(read, entry=(number, encoded))
                loss = loss + add(
                    divergence(truth_read.float(), other.float()).mean(), weigh.to_sparse * share
                )
            loss.backward()
        if weigh.decoder or weigh.to_dense:
            decoded = bridge.decode(number, h)
            error = _mean_square(decoded, dense[number]) / bridge.dense_variance[place]
            loss = add(error, weigh.decoder * share)
            if weigh.to_dense:
                other = joined.dense(x, entry=(number, decoded))
                loss = loss + add(divergence(truth.float(), other.float()).mean(), weigh.to_dense * share)
            loss.backward()
    if learns:
        own = F.cross_entropy(logits.float().flatten(0, 1), others[:, 1:].flatten())
        ends = [(h, at.grad) for h, at in zip(sparse, waiting, strict=True) if at.grad is not None]
        tensors = [add(own, weigh.pretraining * share), *(h for h, _ in ends)]
        torch.autograd.backward(tensors, [None, *(gradient for _, gradient in ends)])
    return total


def _mean_square(x: Tensor, truth: Tensor) -> Tensor:
    """Squared distance of each token's vector, mean over tokens."""
    return (x - truth).square().sum(-1).mean()
