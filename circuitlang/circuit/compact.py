"""Model + mask to the small model that computes the same: sub-layers that write nothing of the circuit are constants.

Exact, not an approximation: where no kept node is written, the edit replaces the sub-layer's whole output by its
stand-in anyway, so nothing before it in that sub-layer can matter. The forward pass is the model's own.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from circuitlang.circuit.mask import Mask
from circuitlang.model.transformer import Edit, Transformer
from circuitlang.site import Place, Site


class Constant(nn.Module):
    """A sub-layer whose output is the same at every position: (width)."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value, persistent=False)

    def forward(self, residual: Tensor, _edit: Edit) -> Tensor:
        value = self.get_buffer("value")
        return value.expand_as(residual)


def compact(model: Transformer, mask: Mask) -> Transformer:
    """A model that shares the weights of `model` and equals it under `mask`; it must be run with that mask or one that
    keeps less."""
    small = copy.copy(model)
    small._modules = dict(model._modules)
    for place, layers in ((Place.ATTN_OUT, "attention"), (Place.MLP_OUT, "mlp")):
        old: nn.ModuleList = getattr(model, layers)
        new: list[nn.Module] = []
        for layer, module in enumerate(old):
            site = Site(layer, place)
            keep = mask.keep.get(site)
            idle = keep is not None and not bool(keep.any())
            new.append(Constant(mask.mean[site]) if idle else module)
        small._modules[layers] = nn.ModuleList(new)
    return small


@torch.no_grad()
def active_sublayers(model: Transformer) -> int:
    """How many sub-layers a compacted model still computes."""
    return sum(not isinstance(m, Constant) for m in (*model.attention, *model.mlp))
