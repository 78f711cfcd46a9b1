"""Model + mask to the small model that computes the same: sites of which the circuit keeps nothing are constants.

Exact, not an approximation: where no node of a site is kept, the edit replaces the whole site by its stand-in anyway,
so what led to it need not be computed; of a sub-layer that writes nothing of the circuit, nothing at all. The forward
pass is the model's own.
"""

from __future__ import annotations

import copy
from typing import get_args

import torch
from torch import Tensor, nn

from circuitlang.circuit.mask import Mask
from circuitlang.model.transformer import Edit, Known, Transformer
from circuitlang.site import Site, Sublayer, places_of


class Constant(nn.Module):
    """A sub-layer whose output is the same at every position: (width)."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value, persistent=False)

    def forward(
        self, residual: Tensor, _edit: Edit, _known: Known | None = None, _beside: Tensor | None = None
    ) -> Tensor:
        value = self.get_buffer("value")
        return value.expand_as(residual)


def compact(model: Transformer, mask: Mask) -> Transformer:
    """A model that shares the weights of `model` and equals it under `mask`; it must be run with that mask or one that
    keeps less."""
    small = copy.copy(model)
    small._modules = dict(model._modules)
    for layers in get_args(Sublayer):
        places = places_of(layers)
        old: nn.ModuleList = getattr(model, layers)
        new: list[nn.Module] = []
        for layer, module in enumerate(old):
            sites = {place: Site(layer, place) for place in places}
            fixed = {
                p: mask.mean[s] for p, s in sites.items() if s in mask.keep and not bool(mask.keep[s].any())
            }
            if places[-1] in fixed:
                module = Constant(fixed[places[-1]])
            elif fixed:
                module = copy.copy(module)
                module.fixed = fixed  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
            new.append(module)
        small._modules[layers] = nn.ModuleList(new)
    return small


@torch.no_grad()
def active_sublayers(model: Transformer) -> int:
    """How many sub-layers a compacted model still computes."""
    return sum(not isinstance(m, Constant) for m in (*model.attention, *model.mlp))
