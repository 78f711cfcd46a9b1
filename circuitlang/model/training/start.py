"""The model that a training starts from, if its sizes are those of the recipe."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from circuitlang.model.checkpoint import Checkpoint, load
from circuitlang.model.config import Config
from circuitlang.source.diagnostic import CommandError


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
