"""Site and Node: the address of every value a circuit may keep; spelled the same in text, masks and diagrams."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

Sublayer = Literal["attention", "mlp"]
Size = Literal["width", "hidden", "read_width"]
Port = Literal["query", "key", "value"]


class Place(StrEnum):
    """The kinds of site of one layer, in order of computation (Gao et al. 2025, Fig. 12), and the last residual.

    The one table of places: whatever else is known of them follows from it. The columns:

    stage        when it is computed, within its layer; of equal stages none reads another. None: outside all layers
    sublayer     what it is part of
    size         which of a model's sizes (model/config.py) is its number of units
    stream       whether it `reads` the residual stream or `writes` to it
    matrix       the place that it is computed from by a matrix, and the matrix's name in its sub-layer
    port         for what a head uses it
    authors      its name in Gao et al.'s code, and `setting` the one in their configurations
    transformer_lens  its name there; `ln1` and `ln2` stand there before the norm's gain, here after AbsTopK
    meaning      what one unit is
    """

    order: int
    size: Size
    stream: Literal["reads", "writes"] | None
    matrix: tuple[str, str] | None
    port: Port | None
    authors: str
    setting: str | None
    transformer_lens: str
    meaning: str
    _stage: int | None
    _sublayer: Sublayer | None

    # fmt: off
    ATTN_IN = ("attn_in", 0, "attention", "read_width", "reads", None, None,
               "attn.act_in", "attn_in", "ln1.hook_normalized", "a channel that attention reads")
    Q = ("q", 1, "attention", "width", None, ("attn_in", "query"), "query",
         "attn.q", "attn_q", "attn.hook_q", "a query channel of a head")
    K = ("k", 1, "attention", "width", None, ("attn_in", "key"), "key",
         "attn.k", "attn_k", "attn.hook_k", "a key channel of a head")
    V = ("v", 1, "attention", "width", None, ("attn_in", "value"), "value",
         "attn.v", "attn_v", "attn.hook_v", "a value channel of a head")
    ATTN_OUT = ("attn_out", 2, "attention", "width", "writes", ("v", "out"), None,
                "attn.resid_delta", "attn_out", "hook_attn_out", "a channel that attention writes")
    MLP_IN = ("mlp_in", 3, "mlp", "read_width", "reads", None, None,
              "mlp.act_in", "mlp_in", "ln2.hook_normalized", "a channel that an MLP reads")
    NEURON = ("neuron", 4, "mlp", "hidden", None, ("mlp_in", "up"), None,  # after the GELU
              "mlp.post_act", "mlp_neuron", "mlp.hook_post", "a hidden unit of an MLP")
    MLP_OUT = ("mlp_out", 5, "mlp", "width", "writes", ("neuron", "down"), None,
               "mlp.resid_delta", "mlp_out", "hook_mlp_out", "a channel that an MLP writes")
    FINAL = ("final", None, None, "width", None, None, None,  # can be recorded and edited, is never pruned
             "final_resid", None, "hook_resid_post", "a channel of the residual stream before the final norm")
    # fmt: on

    def __new__(
        cls,
        name: str,
        stage: int | None,
        sublayer: Sublayer | None,
        size: Size,
        stream: Literal["reads", "writes"] | None,
        matrix: tuple[str, str] | None,
        port: Port | None,
        authors: str,
        setting: str | None,
        transformer_lens: str,
        meaning: str,
    ) -> Self:
        self = str.__new__(cls, name)
        self._value_ = name
        self.order = len(cls.__members__)
        self._stage, self._sublayer, self.size, self.stream = stage, sublayer, size, stream
        self.matrix, self.port = matrix, port
        self.authors, self.setting, self.transformer_lens = authors, setting, transformer_lens
        self.meaning = meaning
        return self

    @property
    def stage(self) -> int:
        """When it is computed, within its layer. Raises ValueError for a place outside all layers."""
        if self._stage is None:
            raise ValueError(f"the place `{self}` lies in no layer, and so in no stage of one")
        return self._stage

    @property
    def sublayer(self) -> Sublayer:
        """What it is part of. Raises ValueError for a place outside all layers."""
        if self._sublayer is None:
            raise ValueError(f"the place `{self}` lies in no layer, and so in no part of one")
        return self._sublayer


PRUNED_PLACES = tuple(place for place in Place if place is not Place.FINAL)
STAGES = 1 + max(place.stage for place in PRUNED_PLACES)
"""How many steps a layer's computation has."""
READS = tuple(place for place in Place if place.stream == "reads")
WRITES = tuple(place for place in Place if place.stream == "writes")
"""The places that read and write the residual stream."""
INNER = tuple(place for place in PRUNED_PLACES if place.stream is None)
"""Those that do neither."""
OF_HEADS = tuple(place for place in Place if place.port is not None)
"""The places whose units are shared out among the heads, as many in a row to each."""
HEAD_PORTS = {place.port: place for place in OF_HEADS}
"""For what a head uses its units -> where they are."""
MATRICES = {
    (Place(source), place): f"{place.sublayer}.{{}}.{name}.weight"
    for place in PRUNED_PLACES
    if place.matrix is not None
    for source, name in [place.matrix]
}
"""Source and target -> the matrix between them, (target, source); a layer's number is left open."""


def places_of(sublayer: Sublayer) -> tuple[Place, ...]:
    """In order of computation."""
    return tuple(place for place in PRUNED_PLACES if place.sublayer == sublayer)


@dataclass(frozen=True)
class Site:
    """One place of one layer: a vector per token. `layer` counts from 0 (for `final`: the number of layers)."""

    layer: int
    place: Place

    def __str__(self) -> str:
        return "final" if self.place is Place.FINAL else f"{self.layer}.{self.place}"

    def __lt__(self, other: Site) -> bool:
        return self.order < other.order

    @property
    def order(self) -> tuple[int, int]:
        """Sorts sites by order of computation."""
        return self.layer, self.place.order

    @property
    def authors_name(self) -> str:
        """The name in Gao et al.'s code, as `0.attn.act_in`."""
        return self.place.authors if self.place is Place.FINAL else f"{self.layer}.{self.place.authors}"


@dataclass(frozen=True)
class Node:
    """One element of a site's vector: what a circuit keeps or leaves out."""

    site: Site
    index: int

    def __str__(self) -> str:
        return f"{self.site}[{self.index}]"

    def __lt__(self, other: Node) -> bool:
        return (self.site.order, self.index) < (other.site.order, other.index)


def parse_node(text: str) -> Node:
    """The inverse of `str(node)`. Raises ValueError for anything else."""
    match = re.fullmatch(r"(\d+)\.([a-z_]+)\[(\d+)\]", text)
    node = Node(Site(int(match[1]), Place(match[2])), int(match[3])) if match else None
    if node is None or str(node) != text:  # leading zeros, digits of other scripts, `final`
        raise ValueError(f"not a node: {text!r} (expected as in '1.neuron[37]')")
    return node
