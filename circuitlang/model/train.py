"""The one training loop: a recipe and a token stream to a weight-sparse model (Gao et al. 2025, sections 2.1, A.2)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from circuitlang.model.config import Config
from circuitlang.model.data import TokenData
from circuitlang.model.sparsity import nonzero_fraction, project
from circuitlang.model.transformer import Transformer
from circuitlang.program.recipe import Recipe
from circuitlang.source import CommandError
from circuitlang.storage import write_whole

RMS_FLOOR = 1e-5
"""Added to the gradients' root mean square before dividing by it, as the authors' script does."""
SAVE_SECONDS = 120.0
"""Time between two checkpoints of a run."""
CURVE_STEPS = 50
"""A point of the training curve is the mean over so many steps."""
EVALUATION_ROWS = 64


@dataclass(frozen=True, slots=True)
class Progress:
    """What the caller is told after every step. `loss`: nats per token of the last step."""

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
    )


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Linear warm-up, from its end linear decay to 0, times 1/sqrt(L0) relative to the final L0 (the paper's
    "sharkfin", Fig. 11)."""
    training, target = recipe.training, recipe.sparsity.weights
    nonzero = nonzero_fraction(target, progress, training.anneal, training.warmup)
    warm = training.warmup
    ramp = progress / warm if progress < warm else (1 - progress) / max(1 - warm, 1e-9)
    return training.learning_rate * ramp * math.sqrt(target / nonzero)


def precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it fast (a GPU, a CPU with AMX), otherwise float32."""
    if device.type == "cuda":
        return torch.bfloat16
    amx = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return torch.bfloat16 if device.type == "cpu" and amx is not None and amx() else torch.float32


def next_token_loss(model: Transformer, tokens: Tensor, dtype: torch.dtype) -> Tensor:
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
) -> Run:
    """Trains to the end, or continues the run whose checkpoint lies at `state`, with the same result bit for bit.

    `stop_after`: stop (with a checkpoint) after so many steps of the whole run. Raises CommandError where the loss is
    no longer a number; the last good checkpoint stays.
    """
    training = recipe.training
    model = Transformer(config_of(recipe))
    model.initialise(torch.Generator().manual_seed(training.seed))
    model.to(device).train()
    optimizer = _optimizer(model, recipe)
    loop = _Loop(recipe, data, model, optimizer, precision(device), device)
    key = _key(recipe, data)
    loop.restore(state, key)
    steps = training.tokens // (training.batch * recipe.architecture.context)
    if not steps:
        raise CommandError(f"{training.tokens} tokens are not enough for one batch of model {recipe.name}")
    started, first = monotonic(), loop.step
    saved = started
    try:
        while loop.step < min(steps, steps if stop_after is None else stop_after):
            loss = loop.advance(steps)
            now = monotonic()
            rate = (
                (loop.step - first) * training.batch * recipe.architecture.context / max(now - started, 1e-9)
            )
            nonzero = nonzero_fraction(
                recipe.sparsity.weights, loop.step / steps, training.anneal, training.warmup
            )
            report(Progress(loop.step, steps, loss, nonzero, rate))
            if now - saved > SAVE_SECONDS:
                loop.save(state, key, now - started)
                saved = now
    finally:
        if loop.sound and loop.step > first:
            loop.save(state, key, monotonic() - started)
    return Run(model.eval(), loop.curve, loop.seconds)


def _optimizer(model: Transformer, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW (0.9, 0.95); decay for matrices only, not for the bigram table (paper A.1, A.2)."""
    decayed = [p for name, p in model.named_parameters() if p.ndim == 2 and name != "bigram"]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or name == "bigram"]
    groups = [
        {"params": decayed, "weight_decay": recipe.training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), eps=recipe.training.epsilon, fused=True)


def _key(recipe: Recipe, data: TokenData) -> str:
    """Two runs with equal keys do the same steps."""
    return f"{data.digest} {recipe.text}"


@dataclass
class _Loop:
    recipe: Recipe
    data: TokenData
    model: Transformer
    optimizer: torch.optim.AdamW
    dtype: torch.dtype
    device: torch.device

    def __post_init__(self) -> None:
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
        recipe, training, sparsity = self.recipe, self.recipe.training, self.recipe.sparsity
        length = recipe.architecture.context + 1
        tokens = self.data.batch(training.seed, self.step, training.batch, length).to(self.device)
        loss = next_token_loss(self.model, tokens, self.dtype)
        value = float(loss.detach())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        rms = _normalise(self.model)
        self.sound = False
        if not (math.isfinite(value) and math.isfinite(rms)):
            raise CommandError(
                f"the loss is {value}, its gradient's size {rms} at step {self.step}; the last good checkpoint is "
                "kept. A smaller learning_rate usually helps."
            )
        progress = (self.step + 1) / steps
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, progress)
        self.optimizer.step()
        share = [
            nonzero_fraction(f, progress, training.anneal, training.warmup)
            for f in (sparsity.weights, sparsity.embeddings)
        ]
        if min(share) < 1:
            project(self.model, share[0], share[1], sparsity.floor)
        self.step += 1
        self.recent.append(value)
        if self.step % CURVE_STEPS == 0:
            point = {"step": self.step, "loss": sum(self.recent) / len(self.recent), "nonzero": share[0]}
            if self.step % (CURVE_STEPS * 10) == 0 or self.step == steps:
                point |= validation_loss(self.model, self.data, self.device)
            self.curve.append(point)
            self.recent = []
        self.sound = True
        return value

    def save(self, path: Path, key: str, elapsed: float) -> None:
        self.seconds = self.before + elapsed
        tensors = {f"model.{n}": t.detach().cpu().contiguous() for n, t in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            for moment in ("exp_avg", "exp_avg_sq"):
                tensors[f"{moment}.{name}"] = (
                    self.optimizer.state[parameter][moment].detach().cpu().contiguous()
                )
        facts = {"step": self.step, "seconds": self.seconds, "curve": self.curve, "recent": self.recent}
        write_whole(path, to_bytes(tensors, {"key": key, "facts": json.dumps(facts)}))

    def restore(self, path: Path, key: str) -> None:
        """Continues where `save` stopped. Raises CommandError for a checkpoint of another recipe or corpus."""
        if not path.exists():
            return
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise CommandError(f"cannot read the checkpoint {path}: {error}") from error
        if metadata.get("key") != key:
            raise CommandError(
                f"{path} is the checkpoint of another recipe, corpus or circuitlang; "
                "remove it or choose another --out"
            )
        try:
            self._take(tensors, json.loads(metadata["facts"]))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CommandError(f"the checkpoint {path} is damaged: {error}") from error

    def _take(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        self.step, self.before, self.curve = facts["step"], facts["seconds"], facts["curve"]
        self.seconds, self.recent = self.before, facts["recent"]
        self.model.load_state_dict({n: tensors[f"model.{n}"] for n in self.model.state_dict()})
        for name, parameter in self.model.named_parameters():
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(self.step), device=self.device),  # where the fused kernel wants it
                "exp_avg": tensors[f"exp_avg.{name}"].to(self.device),
                "exp_avg_sq": tensors[f"exp_avg_sq.{name}"].to(self.device),
            }


def _normalise(model: nn.Module) -> float:
    """Divides every gradient by the root mean square over all of them: always, not only when it is large. Returns
    what it was."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    count = sum(p.numel() for p in model.parameters())
    norms = torch.stack(torch._foreach_norm(gradients))  # pyright: ignore
    rms = norms.norm() / math.sqrt(count)
    torch._foreach_div_(gradients, rms + RMS_FLOOR)  # pyright: ignore
    return float(rms)
