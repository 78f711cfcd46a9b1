"""An intervention that a package adds: a function from the values of nodes to other values, called like any other."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import torch
from torch import Tensor

from circuitlang.prompts.encode import Batch
from circuitlang.site import Site
from circuitlang.source.diagnostic import Unmeasurable


class PluginFailed(Unmeasurable):
    """A package's function is not there, raised, or gave something else than values of the same shape."""


@dataclass(frozen=True, slots=True)
class Plugged:
    """`name`: the word of the language; `function`: what carries it out, as "module:function"."""

    name: str
    function: str


@dataclass(frozen=True)
class Scene:
    """Where a package's function is called.

    batch   the prompts: their tokens, their marks, which row is which case
    site    the layer and place
    units   which units of the site the values are of
    mean    (unit) or (prompt, position, unit): what they become when ablated
    value   the number behind the target, None where the word takes none
    to      the number of the case that `to=` names, None where it is left out
    """

    batch: Batch
    site: Site
    units: tuple[int, ...]
    mean: Tensor
    value: float | None = None
    to: int | None = None


def changed(by: Plugged, values: Tensor, scene: Scene) -> Tensor:
    """(prompt, position, unit) values -> what the package makes of them, the same shape. Raises PluginFailed."""
    module, _, function = by.function.partition(":")
    try:
        found = getattr(import_module(module), function)(values.clone(), scene)
    except Exception as error:  # whatever a package raises is its own mistake, and no number
        why = f"{type(error).__name__}: {error}"
        raise PluginFailed(f"the plug-in `{by.function}` does not work: {why}") from error
    if not isinstance(found, Tensor) or found.shape != values.shape:
        given = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        wanted = tuple(values.shape)
        raise PluginFailed(f"the plug-in `{by.function}` gave {given}, not values of shape {wanted}")
    return torch.as_tensor(found, dtype=values.dtype, device=values.device)
