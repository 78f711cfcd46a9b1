"""Site and Node: the address of every value a circuit may keep; spelled the same in text, masks and diagrams."""

from __future__ import annotations

import re
from enum import StrEnum

from circuitlang.record import record


class Place(StrEnum):
    """The kinds of site of one layer, in order of computation (Gao et al. 2025, Fig. 12), and the last residual."""

    ATTN_IN = "attn_in"  # what attention reads: after the RMSNorm and AbsTopK
    Q = "q"
    K = "k"
    V = "v"
    ATTN_OUT = "attn_out"  # what attention writes to the residual stream
    MLP_IN = "mlp_in"
    NEURON = "neuron"  # after the GELU
    MLP_OUT = "mlp_out"
    FINAL = "final"  # the residual stream before the final norm; can be recorded and edited, is never pruned


PRUNED_PLACES = tuple(place for place in Place if place is not Place.FINAL)
READS = (Place.ATTN_IN, Place.MLP_IN)
WRITES = (Place.ATTN_OUT, Place.MLP_OUT)
"""The places that read and write the residual stream."""
OF_HEADS = (Place.Q, Place.K, Place.V)
"""The places whose units are shared out among the heads, as many in a row to each."""
_ORDER = {place: order for order, place in enumerate(Place)}
_AUTHORS = {
    Place.ATTN_IN: "attn.act_in",
    Place.Q: "attn.q",
    Place.K: "attn.k",
    Place.V: "attn.v",
    Place.ATTN_OUT: "attn.resid_delta",
    Place.MLP_IN: "mlp.act_in",
    Place.NEURON: "mlp.post_act",
    Place.MLP_OUT: "mlp.resid_delta",
}


@record
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
        return self.layer, _ORDER[self.place]

    @property
    def authors_name(self) -> str:
        """The name in Gao et al.'s code, as `0.attn.act_in`."""
        return "final_resid" if self.place is Place.FINAL else f"{self.layer}.{_AUTHORS[self.place]}"


@record
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
