"""The checkpoint of a run that goes on: weights, moments and the facts of the loop, in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from circuitlang.model.spread import gathered, laid_out
from circuitlang.model.transformer import Transformer
from circuitlang.source import CommandError
from circuitlang.storage import write_whole

MOMENTS = ("exp_avg", "exp_avg_sq")


def write_state(
    path: Path,
    model: Transformer,
    optimizer: torch.optim.AdamW,
    key: str,
    facts: dict[str, Any],
    writes: bool = True,
) -> None:
    """`key`: what a run must be to continue this one. Where tensors are in pieces, all processes must call it, and the
    one that `writes` puts them together."""
    tensors: dict[str, Tensor] = {}

    def take(name: str, tensor: Tensor) -> None:
        whole = gathered(tensor)
        if writes:
            tensors[name] = whole

    for name, tensor in model.state_dict().items():
        take(f"model.{name}", tensor)
    for name, parameter in model.named_parameters():
        for moment in MOMENTS:
            take(f"{moment}.{name}", optimizer.state[parameter][moment])
    if writes:
        write_whole(path, to_bytes(tensors, {"key": key, "facts": json.dumps(facts)}))


def read_state(
    path: Path, model: Transformer, optimizer: torch.optim.AdamW, key: str
) -> dict[str, Any] | None:
    """Puts a checkpoint's weights and moments in their places; its facts, or None where there is no checkpoint.

    Raises CommandError for one of another run, or a damaged one.
    """
    if not path.exists():
        return None
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
        facts = json.loads(metadata["facts"])
        count = float(facts["step"])
        weights = {name: laid_out(tensors[f"model.{name}"], t) for name, t in model.state_dict().items()}
        model.load_state_dict(weights)
        for name, parameter in model.named_parameters():
            optimizer.state[parameter] = {
                "step": torch.tensor(count, device=parameter.device),  # where the fused kernel wants it
                **{moment: laid_out(tensors[f"{moment}.{name}"], parameter) for moment in MOMENTS},
            }
        return {name: facts[name] for name in ("step", "seconds", "curve", "recent")}
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CommandError(f"the checkpoint {path} is damaged: {error}") from error
