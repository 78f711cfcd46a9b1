"""The checkpoint of a run that goes on: weights, moments and the facts of the loop, in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from circuitlang.model.training.spread import gathered, laid_out
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import replace_whole

MOMENTS = ("exp_avg", "exp_avg_sq")


def write_state(
    path: Path,
    model: nn.Module,
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
        replace_whole(path, lambda temporary: _fill(temporary, tensors, key, facts))


def _fill(temporary: Path, tensors: dict[str, Tensor], key: str, facts: dict[str, Any]) -> None:
    """From the tensors' own memory: bytes of all of them would take as much again."""
    try:
        save_file(tensors, temporary, {"key": key, "facts": json.dumps(facts)})
    except SafetensorError as error:  # its name for what the system says
        raise OSError(str(error)) from error


def read_state(path: Path, model: nn.Module, optimizer: torch.optim.AdamW, key: str) -> dict[str, Any] | None:
    """Puts a checkpoint's weights and moments in their places; its facts, or None where there is no checkpoint.

    Raises CommandError for one of another run, or a damaged one.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                raise CommandError(
                    f"{path} is the checkpoint of another recipe, corpus, precision or circuitlang; remove it to start "
                    "afresh, or give the block another name: the working files of a run lie by it, whatever --out says"
                )
            facts = json.loads(metadata["facts"])
            found = {name: facts[name] for name in ("step", "seconds", "curve", "recent")}
            for name, tensor in model.state_dict().items():
                tensor.copy_(_one(file, f"model.{name}", tensor))
            for name, parameter in model.named_parameters():
                optimizer.state[parameter] = {
                    # where the fused kernel wants it
                    "step": torch.tensor(float(found["step"]), device=parameter.device),
                    **{moment: _one(file, f"{moment}.{name}", parameter) for moment in MOMENTS},
                }
            return found
    except (SafetensorError, OSError) as error:
        raise CommandError(f"cannot read the checkpoint {path}: {error}") from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CommandError(f"the checkpoint {path} is damaged: {error}") from error


def _one(file: Any, name: str, like: Tensor) -> Tensor:
    """A tensor of the file, laid out as the one whose place it takes: one at a time is in memory as a whole."""
    whole = file.get_tensor(name)
    if whole.shape != like.shape:
        raise ValueError(f"{name} is {tuple(whole.shape)}, not {tuple(like.shape)}")
    return laid_out(whole, like)
