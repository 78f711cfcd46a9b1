"""The model that a training starts from, if its sizes are those of the recipe."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from circuitlang.model.checkpoint import load
from circuitlang.model.config import Config
from circuitlang.model.sparsity import sparse_parameters
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.tokenizer import Tokenizer
from circuitlang.source import CommandError


@dataclass(frozen=True)
class Start:
    """`weights`, `embeddings`: the largest share of nonzeros in a tensor of that group, where annealing begins.
    `fact`: what the card of the new model says of it."""

    model: Transformer
    tokenizer: Tokenizer
    digest: str
    weights: float
    embeddings: float
    fact: dict[str, Any]


def start_from(folder: Path, name: str, wanted: Config) -> Start:
    """The model in `folder`, which the recipe calls `name`. CommandError where it cannot be read, or has other sizes
    than the recipe; the share of active units may differ."""
    found = load(folder, name)
    sizes = [field.name for field in fields(Config) if field.name != "activations"]
    apart = [
        f"{size} is {getattr(found.model.config, size)} there and {getattr(wanted, size)} here"
        for size in sizes
        if getattr(found.model.config, size) != getattr(wanted, size)
    ]
    if apart:
        raise CommandError(f"a training cannot start from {name}: {'; '.join(apart)}")
    share = {"weights": 0.0, "embeddings": 0.0}
    for _, tensor, group, _ in sparse_parameters(found.model):
        share[group] = max(share[group], int(tensor.count_nonzero()) / tensor.numel())
    fact = {
        "model": name,
        "digest": found.digest,
        "tokens": found.card.get("tokens"),
        "recipe": found.card.get("recipe"),
        "start": found.card.get("start"),
    }
    return Start(
        found.model,
        found.tokenizer,
        found.digest,
        share["weights"],
        share["embeddings"],
        {key: value for key, value in fact.items() if value is not None},
    )
