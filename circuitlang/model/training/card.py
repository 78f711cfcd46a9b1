"""A training to its card, which says what a reader must know before trusting the model; and its first weights."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from circuitlang.language.program.recipe import Recipe
from circuitlang.model.checkpoint import Checkpoint, load
from circuitlang.model.config import Config
from circuitlang.model.training.data import TokenData
from circuitlang.model.training.machine import Machine
from circuitlang.model.training.sparsity import count_nonzeros
from circuitlang.model.training.train import Run, precision, validation_loss
from circuitlang.source.diagnostic import CommandError

REFERENCE_ROWS = 128
"""Rows of held-out text, of the context's length, that go with the model: means are taken over them."""
CURVE_POINTS = 120


def reference_text(recipe: Recipe, data: TokenData) -> Tensor:
    """(row, position) ids of text kept out of training, each stream by its share."""
    length = recipe.architecture.context
    rows = []
    for stream in data.streams:
        count = max(1, min(round(REFERENCE_ROWS * stream.share), len(stream.validation) // length))
        rows.append(np.asarray(stream.validation[: count * length], np.int64).reshape(count, length))
    return torch.from_numpy(np.concatenate(rows))


def make_card(
    recipe: Recipe,
    data: TokenData,
    run: Run,
    device: torch.device,
    competence: Mapping[str, Any],
    machine: Machine = Machine(),  # noqa: B008
    processes: int = 1,
    start: Checkpoint | None = None,
) -> dict[str, Any]:
    """Everything that the training knows of itself. Losses in nats per token; curve: every so many steps."""
    nonzeros = count_nonzeros(run.model)
    total = {key: sum(counts[i] for counts in nonzeros.values()) for i, key in enumerate(("nonzero", "all"))}
    spread = {"processes": processes, "sharded": machine.sharded} if processes > 1 else {}
    stride = max(1, len(run.curve) // CURVE_POINTS)
    steps = recipe.training.tokens // (recipe.training.batch * recipe.architecture.context)
    return {
        "name": recipe.name,
        "doc": recipe.doc,
        "recipe": recipe.text,
        "data": data.digest,
        "tokens": steps * recipe.training.batch * recipe.architecture.context,
        "steps": steps,
        **({"start": fact_of(start)} if start else {}),
        "hours": round(run.seconds / 3600, 2),
        "machine": {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
            "threads": torch.get_num_threads(),
            "precision": str(precision(device, machine.precision)).removeprefix("torch."),
            "torch": torch.__version__,
            "python": platform.python_version(),
            **({"compiled": True} if machine.compiled else {}),
            **spread,
        },
        "validation_loss": {k: round(v, 4) for k, v in validation_loss(run.model, data, device).items()},
        "parameters": total,
        "nonzeros": {name: list(counts) for name, counts in nonzeros.items()},
        "competence": dict(competence),
        "curve": run.curve[::stride],
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def start_from(folder: Path, name: str, wanted: Config) -> Checkpoint:
    """The model in `folder`, which the recipe calls `name`. CommandError where it cannot be read, or has other sizes
    than the recipe; the share of active units, and where it is counted, may differ."""
    found = load(folder, name)
    sizes = [field.name for field in fields(Config) if field.name not in ("activations", "activations_at")]
    apart = [
        f"{size} is {getattr(found.model.config, size)} there and {getattr(wanted, size)} here"
        for size in sizes
        if getattr(found.model.config, size) != getattr(wanted, size)
    ]
    if apart:
        raise CommandError(f"a training cannot start from {name}: {'; '.join(apart)}")
    return found


def fact_of(start: Checkpoint) -> dict[str, Any]:
    """What the card of a model says of the one that it started from; of its card, what there is."""
    known = {key: start.card[key] for key in ("tokens", "recipe", "start") if key in start.card}
    return {"model": start.name, "digest": start.digest, **known}
