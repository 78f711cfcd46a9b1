"""Config: the sizes of one transformer, each with its meaning and unit; what a checkpoint records."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from circuitlang.record import record
from circuitlang.site import PRUNED_PLACES, Place, Site


@record
class Config:
    """Sizes of a pre-norm decoder (Gao et al. 2025, A.1).

    `activations`: the fraction of each site that AbsTopK keeps, per token; 1.0 switches it off.
    `sink`: one learnable logit per head for a slot with key 0 and value 0. `bigram`: a dense table added to the logits.
    """

    layers: int
    width: int  # residual channels
    heads: int
    context: int  # tokens
    hidden: int  # neurons per layer
    vocabulary: int  # tokens
    activations: float = 1.0
    sink: bool = False
    bigram: bool = False

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "context", "hidden", "vocabulary"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}")
        if not 0 < self.activations <= 1:
            raise ValueError(f"activations must lie in (0, 1], not {self.activations}")

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    def sites(self) -> tuple[Site, ...]:
        """Every site that a circuit may be pruned at, in order of computation."""
        return tuple(Site(layer, place) for layer in range(self.layers) for place in PRUNED_PLACES)

    def size(self, site: Site) -> int:
        """Number of units of a site."""
        return self.hidden if site.place is Place.NEURON else self.width

    @property
    def total_nodes(self) -> int:
        """Number of nodes that pruning chooses among."""
        return sum(self.size(site) for site in self.sites())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Config:
        """Raises TypeError or ValueError where a field is unknown, missing or out of range."""
        return Config(**data)
