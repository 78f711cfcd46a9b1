"""The one training loop: a recipe and a token stream to a weight-sparse model (Gao et al. 2025, sections 2.1, A.2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from circuitlang.language.program.recipe import Recipe
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.config import Config
from circuitlang.model.training.data import TokenData
from circuitlang.model.training.machine import Machine
from circuitlang.model.training.processes import ALONE, Processes, asked_to_end
from circuitlang.model.training.sparsity import DENSE, largest_shares, nonzero_fraction, project
from circuitlang.model.training.spread import gathered, local, spread, synchronised
from circuitlang.model.training.state import read_state, write_state
from circuitlang.model.transformer import Transformer
from circuitlang.source.diagnostic import CommandError

RMS_FLOOR = 1e-5
"""Added to the gradients' root mean square before dividing by it, as the authors' script does."""
SAVE_SECONDS = 120.0
"""Time between two checkpoints of a run."""
CURVE_STEPS = 50
"""A point of the training curve is the mean over so many steps."""
EVALUATION_ROWS = 64


@dataclass(frozen=True, slots=True)
class Progress:
    """What the caller is told after every step, in the first process. `loss`: nats per token of the last step."""

    step: int
    steps: int
    loss: float
    nonzero: float
    tokens_per_second: float


@dataclass(frozen=True)
class Run:
    """A finished training. `curve`: points with step, loss, nonzero, and at times the validation losses."""

    model: Transformer
    curve: list[dict[str, Any]]
    seconds: float


def config_of(recipe: Recipe) -> Config:
    shape = recipe.architecture
    return Config(
        layers=shape.layers,
        width=shape.width,
        heads=shape.heads,
        context=shape.context,
        hidden=shape.mlp * shape.width,
        vocabulary=shape.vocabulary,
        activations=recipe.sparsity.activations,
        sink=shape.sink,
        bigram=shape.bigram,
        activations_at=recipe.sparsity.activations_at,
        smear=shape.smear,
    )


def learning_rate(recipe: Recipe, progress: float, initial: float = 1.0) -> float:
    """Linear warm-up, from its end linear decay to 0, times 1/sqrt(L0) relative to the final L0 (the paper's
    "sharkfin", Fig. 11). `initial`: the share of nonzero weights that the run begins with."""
    training, target = recipe.training, recipe.sparsity.weights
    nonzero = nonzero_fraction(target, progress, training.anneal, training.warmup, initial)
    warm = training.warmup
    ramp = progress / warm if progress < warm else (1 - progress) / max(1 - warm, 1e-9)
    return training.learning_rate * ramp * math.sqrt(target / nonzero)


def precision(device: torch.device, wanted: str = "auto") -> torch.dtype:
    """What is wanted; auto: bfloat16 where the device multiplies it fast (a GPU, a CPU with AMX), otherwise float32."""
    if wanted != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[wanted]
    if device.type == "cuda":
        return torch.bfloat16
    amx = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return torch.bfloat16 if device.type == "cpu" and amx is not None and amx() else torch.float32


def next_token_loss(model: nn.Module, tokens: Tensor, dtype: torch.dtype) -> Tensor:
    """Mean cross-entropy in nats per token. tokens: (row, position)."""
    with torch.autocast(tokens.device.type, dtype, enabled=dtype != torch.float32):
        logits = model(tokens[:, :-1])
    return F.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())


@torch.no_grad()
def validation_loss(
    model: Transformer, data: TokenData, device: torch.device, most: int = EVALUATION_ROWS
) -> dict[str, float]:
    """Nats per token on kept-out text, each stream apart, in float32: on up to `most` rows of the context's length."""
    losses = {}
    length = model.config.context + 1
    for stream in data.streams:
        rows = min(most, len(stream.validation) // length)
        tokens = torch.from_numpy(stream.validation[: rows * length].astype("int64")).view(rows, length)
        parts = [next_token_loss(model, part.to(device), torch.float32) for part in tokens.split(16)]
        losses[stream.name] = float(torch.stack(parts).mean())
    return losses


def train(
    recipe: Recipe,
    data: TokenData,
    state: Path,
    device: torch.device,
    report: Callable[[Progress], None],
    stop_after: int | None = None,
    machine: Machine = Machine(),  # noqa: B008
    processes: Processes = ALONE,
    start: Checkpoint | None = None,
) -> Run:
    """Trains to the end, or continues the run whose checkpoint lies at `state`, with the same result bit for bit.

    `stop_after`: stop (with a checkpoint) after so many steps of the whole run. `start`: whose weights it begins with;
    None: they are drawn. Several processes share the rows of each batch; then, and with fewer rows at a time, results
    are the same but for rounding. Raises CommandError where the loss is no longer a number; the last good checkpoint
    stays. SIGTERM ends the run after the step it comes in, as KeyboardInterrupt, with a checkpoint.
    """
    steps = steps_of(recipe)
    if not steps:
        raise CommandError(
            f"{recipe.training.tokens} tokens are not enough for one batch of model {recipe.name}"
        )
    loop = Loop(recipe, data, device, machine, processes, start)
    drive(loop, steps, state, _key(recipe, data, device, machine, start), report, stop_after)
    return Run(loop.whole().eval(), loop.curve, loop.seconds)


def drive(
    loop: Loop,
    steps: int,
    state: Path,
    key: str,
    report: Callable[[Progress], None],
    stop_after: int | None = None,
) -> None:
    """All steps of a loop, with its checkpoints at `state`; as `train` says."""
    loop.restore(state, key)
    processes, tokens = loop.processes, loop.recipe.training.batch * loop.recipe.architecture.context
    started, first = monotonic(), loop.step
    saved, kept = started, first
    ended = False

    def save(now: float) -> None:
        nonlocal saved, kept
        loop.save(state, key, now - started)
        saved, kept = now, loop.step

    try:
        with asked_to_end() as asked:
            while loop.step < min(steps, steps if stop_after is None else stop_after):
                loss = loop.advance(steps)
                now = monotonic()
                done = (loop.step - first) * tokens
                if processes.first:
                    nonzero = loop.shares(loop.step / steps)[0]
                    report(Progress(loop.step, steps, loss, nonzero, done / max(now - started, 1e-9)))
                if processes.agree(now - saved > SAVE_SECONDS or asked()):
                    save(now)
                    if processes.agree(asked()):
                        raise KeyboardInterrupt("SIGTERM")
        ended = True
    finally:
        # Where weights are in pieces, saving takes all processes, and after an interruption the others may not come.
        if loop.sound and loop.step > kept and (ended or not loop.in_pieces):
            save(monotonic())


def steps_of(recipe: Recipe) -> int:
    return recipe.training.tokens // (recipe.training.batch * recipe.architecture.context)


def adamw(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW (0.9, 0.95); decay for matrices only, but for those that are always dense (paper A.1, A.2)."""
    decayed = [p for name, p in model.named_parameters() if p.ndim == 2 and name not in DENSE]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or name in DENSE]
    groups = [
        {"params": decayed, "weight_decay": recipe.training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), eps=recipe.training.epsilon, fused=True)


def _key(
    recipe: Recipe, data: TokenData, device: torch.device, machine: Machine, start: Checkpoint | None
) -> str:
    """Two runs with equal keys do the same steps, but for rounding. A precision that is not the device's usual one is
    part of it."""
    dtype = precision(device, machine.precision)
    unusual = f" {str(dtype).removeprefix('torch.')}" if dtype != precision(device) else ""
    begun = f" {start.digest}" if start else ""
    return f"{data.digest} {recipe.text}{unusual}{begun}"


class Loop:
    """The state of a run, and one step of it. cost.py takes throw-away steps with a loop of its own."""

    def __init__(
        self,
        recipe: Recipe,
        data: TokenData,
        device: torch.device,
        machine: Machine,
        processes: Processes,
        start: Checkpoint | None = None,
    ) -> None:
        self.begin(recipe, data, device, machine, processes)
        model = Transformer(config_of(recipe))
        if start is None:
            model.initialise(torch.Generator().manual_seed(recipe.training.seed))
        else:
            model.load_state_dict(start.model.state_dict())
        self.initial = (1.0, 1.0) if start is None else largest_shares(start.model)
        self.model, self.forward = spread(model.train(), device, machine, processes)
        self.in_pieces = processes.count > 1 and machine.sharded
        self.optimizer = adamw(self.model, recipe)

    def begin(
        self, recipe: Recipe, data: TokenData, device: torch.device, machine: Machine, processes: Processes
    ) -> None:
        """What a run has whatever is trained in it."""
        self.recipe, self.data, self.device, self.processes = recipe, data, device, processes
        self.rows = machine.rows
        self.dtype = precision(device, machine.precision)
        self.step = 0
        self.seconds = 0.0
        self.before = 0.0  # seconds of the run's earlier pieces
        self.sound = True  # False within a step and after divergence: neither is ever saved
        self.recent: list[float] = []
        self.curve: list[dict[str, Any]] = []

    def advance(self, steps: int) -> float:
        """One optimizer step, then the projection to the nonzeros of the moment. Returns the step's loss.

        An interruption in the middle leaves `sound` False, so that half a step is not taken for a whole one.
        """
        training, length = self.recipe.training, self.recipe.architecture.context + 1
        value = self.gradients(self.data.batch(training.seed, self.step, training.batch, length))
        rms = self.normalise()
        self.sound = False
        if not (math.isfinite(value) and math.isfinite(rms)):
            raise CommandError(
                f"the loss is {value}, its gradient's size {rms} at step {self.step}; the last good checkpoint is "
                "kept. A smaller learning_rate usually helps."
            )
        progress = (self.step + 1) / steps
        self.update(progress)
        nonzero = self.sparsify(progress)
        self.step += 1
        self.recent.append(value)
        if self.step % CURVE_STEPS == 0:
            point = {"step": self.step, "loss": sum(self.recent) / len(self.recent), "nonzero": nonzero}
            if self.step % (CURVE_STEPS * 10) == 0 or self.step == steps:
                point |= self.validation()
            self.curve.append(point)
            self.recent = []
        self.sound = True
        return value

    def validation(self) -> dict[str, float]:
        """What a point of the curve has at times: nats per token on text kept out of training."""
        return validation_loss(self.model, self.data, self.device)

    def gradients(self, tokens: Tensor) -> float:
        """(row, position): the whole batch of a step, to the gradients of its mean loss. Returns that."""
        tokens = self.processes.share(tokens).to(self.device)
        parts = tokens.split(self.rows or len(tokens))
        self.optimizer.zero_grad(set_to_none=True)
        value = torch.zeros((), device=self.device)
        for number, part in enumerate(parts, 1):
            with synchronised(self.forward, number == len(parts)):
                loss = next_token_loss(self.forward, part, self.dtype) * (len(part) / len(tokens))
                loss.backward()
            value += loss.detach()
        return float(self.processes.total(value / self.processes.count))

    def normalise(self) -> float:
        """What the size of the gradients was; then it is 1."""
        return _normalise(self.model, self.processes)

    def update(self, progress: float) -> None:
        """The optimizer's step, at the learning rate of the moment."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, progress, self.initial[0])
        self.optimizer.step()

    def sparsify(self, progress: float) -> float:
        """The projection to the nonzeros of the moment. Returns their share in a block matrix."""
        weights, embeddings = self.shares(progress)
        if min(weights, embeddings) < 1:
            project(self.model, weights, embeddings, self.recipe.sparsity.floor, self.processes)
        return weights

    def shares(self, progress: float) -> tuple[float, float]:
        """Of nonzeros at the moment, in the block matrices and in the embeddings."""
        training, sparsity = self.recipe.training, self.recipe.sparsity
        weights, embeddings = (
            nonzero_fraction(target, progress, training.anneal, training.warmup, initial)
            for target, initial in zip((sparsity.weights, sparsity.embeddings), self.initial, strict=True)
        )
        return weights, embeddings

    def save(self, path: Path, key: str, elapsed: float) -> None:
        """Written by the first process; where weights are in pieces, all must call it."""
        self.seconds = self.before + elapsed
        facts = {"step": self.step, "seconds": self.seconds, "curve": self.curve, "recent": self.recent}
        if self.in_pieces or self.processes.first:
            write_state(path, self.model, self.optimizer, key, facts, self.processes.first)

    def restore(self, path: Path, key: str) -> None:
        """Continues where `save` stopped. Raises CommandError for a checkpoint of another recipe or corpus."""
        facts = read_state(path, self.model, self.optimizer, key)
        if facts is not None:
            self.step, self.before, self.curve = facts["step"], facts["seconds"], facts["curve"]
            self.seconds, self.recent = self.before, facts["recent"]

    def whole(self) -> Transformer:
        """The model in one piece; where it was in pieces, a copy, in the machine's memory but for the first process."""
        if not self.in_pieces:
            return self.model
        whole = Transformer(self.model.config)
        whole.load_state_dict({name: gathered(t) for name, t in self.model.state_dict().items()})
        return whole.to(self.device) if self.processes.first else whole


def _normalise(model: nn.Module, processes: Processes = ALONE) -> float:
    """Divides every gradient by the root mean square over all of them: always, not only when it is large. Returns
    what it was."""
    whole = [p.grad for p in model.parameters() if p.grad is not None]
    gradients = [local(gradient) for gradient in whole]
    count = sum(p.numel() for p in model.parameters())
    norm = torch.stack(torch._foreach_norm(gradients)).norm()  # pyright: ignore
    if gradients[0] is not whole[0]:  # pieces
        norm = processes.total(norm.square()).sqrt()
    rms = norm / math.sqrt(count)
    torch._foreach_div_(gradients, rms + RMS_FLOOR)  # pyright: ignore
    return float(rms)
