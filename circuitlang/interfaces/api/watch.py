"""Watch: the edit of one forward pass that notes what lies at any place and lets functions change it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from torch import Tensor

from circuitlang.model.hook_names import Passage, Spot
from circuitlang.model.transformer import Attention, Transformer
from circuitlang.site import OF_HEADS, Node, Place, Site
from circuitlang.source.diagnostic import CommandError

Change = Callable[[Tensor], object]
"""The value of a place -> what stands there instead, of the same shape."""


class Watch:
    """Called by the forward pass at every site. `seen`: what was there after all changes, of the places wanted.

    The residual stream between two sites is the sum that the forward pass makes too, in its order; a change of it is
    made by what is written just before: that gets what is missing. Patterns and mixed values are computed from the
    queries, keys and values by the model's own functions.
    """

    def __init__(
        self, model: Transformer, tokens: Tensor, wanted: Iterable[Spot], changes: Mapping[Spot, Change]
    ) -> None:
        self._model = model
        self._wanted = frozenset(wanted)
        self._changes = changes
        self._units: dict[Site, list[tuple[Node, Change]]] = {}
        for spot, change in changes.items():
            if isinstance(spot, Node):
                self._units.setdefault(spot.site, []).append((spot, change))
            elif isinstance(spot, Passage):
                _require_changeable(spot)
        self._of_head: dict[Place, Tensor] = {}
        self.seen: dict[Spot, Tensor] = {}
        self._stream = model.start(tokens)
        self._note(Passage(0, "resid_in"), self._stream)

    def __call__(self, site: Site, x: Tensor) -> Tensor:
        x = self._changed(site, x)
        for node, change in self._units.get(site, ()):
            x = x.clone()
            x[..., node.index] = _apply(change, x[..., node.index], str(node))
        if site.place in OF_HEADS:
            self._of_head[site.place] = x
        elif site.place is Place.ATTN_OUT:
            self._inside(site.layer)
            x = self._written(x, Passage(site.layer, "resid_mid"))
        elif site.place is Place.MLP_OUT and site.layer + 1 < self._model.config.layers:
            x = self._written(x, Passage(site.layer + 1, "resid_in"))
        self._note(site, x)
        for spot in self._wanted:
            if isinstance(spot, Node) and spot.site == site:
                self.seen[spot] = x[..., spot.index]
        return x

    def _note(self, spot: Spot, x: Tensor) -> None:
        if spot in self._wanted:
            self.seen[spot] = x

    def _changed(self, spot: Spot, x: Tensor) -> Tensor:
        change = self._changes.get(spot)
        return x if change is None else _apply(change, x, str(spot))

    def _written(self, x: Tensor, behind: Passage) -> Tensor:
        """What is written, so that the stream behind it becomes what is asked for."""
        stream = self._stream + x
        if behind in self._changes:
            x = x + (self._changed(behind, stream) - stream)
            stream = self._stream + x
        self._stream = stream
        self._note(behind, stream)
        return x

    def _inside(self, layer: int) -> None:
        attention = cast(Attention, self._model.attention[layer])
        q, k, v = (self._of_head.pop(place) for place in OF_HEADS)
        if (pattern := Passage(layer, "pattern")) in self._wanted:
            self.seen[pattern] = attention.pattern(q, k)
        if (mixed := Passage(layer, "y")) in self._wanted:
            self.seen[mixed] = attention.mix(q, k, v)


def require_units(spots: Sequence[Spot], model: Transformer) -> None:
    """CommandError for a unit that its site does not have."""
    for spot in spots:
        if isinstance(spot, Node) and spot.index >= model.config.size(spot.site):
            raise CommandError(f"there is no unit `{spot}`; {spot.site} has {model.config.size(spot.site)}")


def _require_changeable(spot: Passage) -> None:
    if spot.what in ("pattern", "y"):
        raise CommandError(
            f"`{spot}` follows from queries, keys and values, and can be recorded but not changed; change "
            f"`{spot.layer}.q`, `{spot.layer}.k`, `{spot.layer}.v`, or `{spot.layer}.attn_out`, which it makes"
        )
    if spot.what == "resid_in" and spot.layer == 0:
        raise CommandError(
            "`0.resid_in` is the tokens' embedding, and can be recorded but not changed; change the tokens, or "
            "`0.attn_in`, which is read from it"
        )


def _apply(change: Change, x: Tensor, name: str) -> Tensor:
    """What the function makes of a copy: it may write into what it is given."""
    new = change(x.clone())
    if not isinstance(new, Tensor):
        raise CommandError(
            f"the intervention on `{name}` gave {type(new).__name__}, not the values to go on with"
        )
    if new.shape != x.shape:
        raise CommandError(
            f"the intervention on `{name}` gave values of shape {tuple(new.shape)}, not {tuple(x.shape)}"
        )
    return new.to(x.dtype)
