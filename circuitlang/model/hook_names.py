"""What the places of a model are called: by us, in Gao et al.'s code, in TransformerLens; one place for every name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from circuitlang.site import PRUNED_PLACES, Node, Place, Site, parse_node
from circuitlang.source.diagnostic import CommandError

Between = Literal["resid_in", "pattern", "y", "resid_mid"]
_AUTHORS: dict[Between, str | None] = {
    "resid_in": "resid_in",
    "pattern": None,
    "y": "attn.y",
    "resid_mid": "resid_mid",
}
_LENS: dict[Between, str] = {
    "resid_in": "hook_resid_pre",
    "pattern": "attn.hook_pattern",
    "y": "attn.hook_z",
    "resid_mid": "hook_resid_mid",
}


@dataclass(frozen=True)
class Passage:
    """What lies between sites, and follows from them: the residual stream into a layer (`resid_in`) and behind its
    attention (`resid_mid`), the attention's `pattern`, and the values that the pattern mixed (`y`)."""

    layer: int
    what: Between

    def __str__(self) -> str:
        return f"{self.layer}.{self.what}"


Spot = Site | Passage | Node
"""What can be recorded: a site, what lies between sites, or one unit of a site."""


@dataclass(frozen=True)
class Names:
    """One place and its names; None where that code has none."""

    spot: Site | Passage
    authors: str | None
    transformer_lens: str | None


def names(layers: int) -> Iterator[Names]:
    """Every site of a model and what lies between them, in order of computation."""
    for layer in range(layers):
        yield _between(layer, "resid_in")
        for place in PRUNED_PLACES:
            if place is Place.ATTN_OUT:
                yield _between(layer, "pattern")
                yield _between(layer, "y")
            site = Site(layer, place)
            yield Names(site, site.authors_name, f"blocks.{layer}.{place.transformer_lens}")
            if place is Place.ATTN_OUT:
                yield _between(layer, "resid_mid")
    final = Site(layers, Place.FINAL)
    yield Names(final, final.authors_name, f"blocks.{layers - 1}.{Place.FINAL.transformer_lens}")


def _between(layer: int, what: Between) -> Names:
    theirs = _AUTHORS[what]
    return Names(
        Passage(layer, what),
        None if theirs is None else f"{layer}.{theirs}",
        f"blocks.{layer}.{_LENS[what]}",
    )


def find_spot(name: str, layers: int) -> Spot:
    """The place of that name, in any of the spellings; `1.neuron[37]` is one unit of a site. What TransformerLens calls
    the stream behind a layer is the stream into the next one. CommandError with the nearest names for any other."""
    known: dict[str, Site | Passage] = {}
    for row in names(layers):
        for spelling in (str(row.spot), row.authors, row.transformer_lens):
            if spelling is not None:
                known[spelling] = row.spot
    known["hook_embed"] = Passage(0, "resid_in")
    for layer in range(1, layers):
        known[f"blocks.{layer - 1}.hook_resid_post"] = Passage(layer, "resid_in")
    if name in known:
        return known[name]
    site, bracket, _ = name.partition("[")
    if bracket and isinstance(known.get(site), Site):
        try:
            return parse_node(name)
        except ValueError:
            raise CommandError(
                f"`{name}` is no unit of a site; a unit is spelt as in `1.neuron[37]`"
            ) from None
    near = get_close_matches(name, known, n=1)
    advice = f"did you mean `{near[0]}`? " if near else ""
    raise CommandError(
        f"there is no site `{name}` in a model of {layers} layers; {advice}`circuitlang show names SPEC` lists them"
    )
