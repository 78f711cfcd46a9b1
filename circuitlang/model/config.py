"""Config: the sizes of one transformer, each with its meaning and unit; what a checkpoint records."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from circuitlang.site import OF_HEADS, PRUNED_PLACES, Node, Place, Site


@dataclass(frozen=True)
class Config:
    """Sizes of a pre-norm decoder (Gao et al. 2025, A.1).

    `activations`: the fraction of each site that AbsTopK keeps, per token; 1.0 switches it off.
    `sink`: one learnable logit per head for a slot with key 0 and value 0. `bigram`: a dense table added to the logits.

    The fields behind `bigram` are left out of a checkpoint where they have these defaults:
    epsilon         in every norm's mean square
    norm            rms; layer (the mean is taken off, too, and a bias added)
    nonlinearity    of the neurons: gelu (exact), gelu_tanh, relu
    positions       none; added to the embeddings; concatenated, as channels that every sub-layer reads beside the
                    residual stream and none writes: they are the last `position_width` units of attn_in and mlp_in
    activations_at  the places where AbsTopK is applied
    shift           a constant per token is added to the logits
    smear           so many tokens before a token have, by a learnable number per channel, a share of its embedding
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
    epsilon: float = 1e-6
    norm: str = "rms"
    nonlinearity: str = "gelu"
    positions: str = "none"
    position_width: int = 0
    activations_at: tuple[Place, ...] = PRUNED_PLACES
    shift: bool = False
    smear: int = 0  # tokens

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "context", "hidden", "vocabulary"):
            if type(getattr(self, name)) is not int:
                raise ValueError(f"{name} must be a whole number, not {getattr(self, name)!r}")
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("sink", "bigram", "shift"):
            if type(getattr(self, name)) is not bool:
                raise ValueError(f"{name} must be true or false, not {getattr(self, name)!r}")
        if type(self.position_width) is not int:
            raise ValueError(f"position_width must be a whole number, not {self.position_width!r}")
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}")
        if not 0 < self.activations <= 1:
            raise ValueError(f"activations must lie in (0, 1], not {self.activations}")
        if not 0 < self.epsilon < 1:
            raise ValueError(f"epsilon must lie in (0, 1), not {self.epsilon}")
        for name, known in _WORDS.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        if not 0 <= self.smear < self.context:
            raise ValueError(f"a smear over {self.smear} tokens for a context of {self.context}")
        if (self.position_width > 0) != (self.positions == "concatenated"):
            raise ValueError(f"a position width of {self.position_width} for positions {self.positions}")
        if any(place not in PRUNED_PLACES for place in self.activations_at):
            raise ValueError(f"AbsTopK is not applied at {', '.join(self.activations_at)}")

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    def within_head(self, node: Node) -> tuple[int, int] | tuple[None, None]:
        """Which head a unit of q, k or v belongs to, and its channel there; of any other place neither."""
        return divmod(node.index, self.head_width) if node.site.place in OF_HEADS else (None, None)

    def sites(self) -> tuple[Site, ...]:
        """Every site that a circuit may be pruned at, in order of computation."""
        return tuple(Site(layer, place) for layer in range(self.layers) for place in PRUNED_PLACES)

    def size(self, site: Site) -> int:
        """Number of units of a site."""
        return getattr(self, site.place.size)

    @property
    def read_width(self) -> int:
        """Number of channels that a sub-layer reads."""
        return self.width + self.position_width

    def kept(self, place: Place) -> float:
        """The fraction that AbsTopK keeps at a place."""
        return self.activations if place in self.activations_at else 1.0

    @property
    def total_nodes(self) -> int:
        """Number of nodes that pruning chooses among."""
        return sum(self.size(site) for site in self.sites())

    def to_json(self) -> dict[str, Any]:
        """Without the fields behind `bigram` where they have their defaults: so the file of a model that needs none of
        them does not depend on which there are."""
        defaults = {f.name: f.default for f in fields(self)[_OWN:]}  # pyright: ignore[reportArgumentType]
        return {k: v for k, v in asdict(self).items() if k not in defaults or v != defaults[k]}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Config:
        """Raises TypeError or ValueError where a field is unknown, missing or out of range."""
        if "activations_at" in data:
            data = {**data, "activations_at": tuple(map(Place, data["activations_at"]))}
        return Config(**data)


_OWN = 9  # fields that are always written
_WORDS = {
    "norm": ("rms", "layer"),
    "nonlinearity": ("gelu", "gelu_tanh", "relu"),
    "positions": ("none", "added", "concatenated"),
}
