"""Mask: what a circuit keeps, and the value that stands in for the rest; an edit of the forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from circuitlang.model.config import Config
from circuitlang.site import Node, Site


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
