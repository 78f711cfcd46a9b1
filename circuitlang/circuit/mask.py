"""Which nodes are kept: masks, and the small model that computes what a masked one does."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from circuitlang.model.config import Config
from circuitlang.model.transformer import Edit, Known, Transformer
from circuitlang.site import Node, Site, Sublayer, places_of


@dataclass(frozen=True)
class Mask:
    """An edit that replaces every unit outside the circuit by its stand-in.

    keep: site -> (unit), 1 keeps a unit, 0 replaces it; strictly between only while pruning learns the mask.
    mean: site -> (unit), in that activation's own units. Sites without an entry are left alone.
    """

    keep: Mapping[Site, Tensor]
    mean: Mapping[Site, Tensor]

    def __call__(self, site: Site, x: Tensor) -> Tensor:
        """lerp(mean, x, keep) is exact at 0 and 1, so that the full mask is the model, bit for bit."""
        keep = self.keep.get(site)
        if keep is None:
            return x
        return torch.lerp(self.mean[site].expand_as(x), x, keep.expand_as(x))

    def nodes(self) -> tuple[Node, ...]:
        """The kept nodes, in order of computation."""
        return tuple(
            Node(site, int(index))
            for site in sorted(self.keep)
            for index in self.keep[site].nonzero().flatten()
        )

    def complement(self) -> Mask:
        """Keeps what this mask replaces: the model without the circuit."""
        return Mask({site: 1 - keep for site, keep in self.keep.items()}, self.mean)


def keeping(nodes: Iterable[Node], config: Config, mean: Mapping[Site, Tensor]) -> Mask:
    """The mask that keeps the given nodes only. Raises ValueError for a node that the model does not have."""
    device = next(iter(mean.values())).device
    units: dict[Site, list[int]] = {site: [] for site in config.sites()}
    for node in nodes:
        if node.site not in units or not 0 <= node.index < config.size(node.site):
            raise ValueError(f"the model has no node {node}")
        units[node.site].append(node.index)
    keep = {site: torch.zeros(config.size(site), device=device) for site in units}
    for site, indices in units.items():
        keep[site][indices] = 1.0
    return Mask(keep, mean)


# Exact, not an approximation: where no node of a site is kept, the edit replaces the whole site by its stand-in anyway,
# so what led to it need not be computed; of a sub-layer that writes nothing of the circuit, nothing at all. The forward
# pass is the model's own.


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
