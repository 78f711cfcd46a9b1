"""Whether a hypothesis fits a planted circuit, from the weights that were written: a second way to the answer, which
shares no code with circuitlang/circuit/match.py and tries every assignment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import networkx

from benchmarks.planted.circuits import Planted
from circuitlang.language.program.hypothesis import ANSWER, Arrow, Circuit, Role
from circuitlang.site import Node, Place

_STREAM = {Place.ATTN_IN, Place.ATTN_OUT, Place.MLP_IN, Place.MLP_OUT}
_PORTS = {"query": Place.Q, "key": Place.K, "value": Place.V}
_COMPUTED = list(Place)


@dataclass(frozen=True)
class Wiring:
    """The nodes that a circuit keeps, and the weights between them. `said`: channels that the unembedding reads;
    `head_width`: channels of one head."""

    nodes: frozenset[Node]
    edges: frozenset[tuple[Node, Node]]
    said: frozenset[int]
    head_width: int

    @staticmethod
    def of(planted: Planted, nodes: Iterable[Node], without: tuple[Node, Node] | None = None) -> Wiring:
        """Of some nodes of a planted model. `without`: a weight that is taken away."""
        model, kept = planted.checkpoint.model, frozenset(nodes)
        edges = {e for e in planted.edges if e[0] in kept and e[1] in kept and e != without}
        said = {int(i) for i in (model.unembed != 0).any(0).nonzero().flatten()}
        return Wiring(kept, frozenset(edges), frozenset(said), model.config.head_width)

    @cached_property
    def graph(self) -> networkx.DiGraph:
        """Written weights, the residual stream, and in every head from what it asks and offers to what it writes."""
        graph = networkx.DiGraph(self.edges)
        graph.add_nodes_from([*self.nodes, ANSWER])
        for write in self.nodes:
            if write.site.place in (Place.ATTN_OUT, Place.MLP_OUT):
                graph.add_edges_from(
                    (write, read)
                    for read in self.nodes
                    if read.site.place in (Place.ATTN_IN, Place.MLP_IN)
                    and read.index == write.index
                    and _when(read) > _when(write)
                )
                if write.index in self.said:
                    graph.add_edge(write, ANSWER)
        for head in self.heads.values():
            written = {end for node in head if node.site.place is Place.V for end in graph.successors(node)}
            graph.add_edges_from(
                (node, end) for node in head if node.site.place is not Place.V for end in written
            )
        return graph

    @cached_property
    def heads(self) -> dict[tuple[int, int], frozenset[Node]]:
        places = {
            (n.site.layer, n.index // self.head_width) for n in self.nodes if n.site.place in _PORTS.values()
        }
        return {
            (layer, head): frozenset(
                n
                for n in self.nodes
                if n.site.place in _PORTS.values()
                and (n.site.layer, n.index // self.head_width) == (layer, head)
            )
            for layer, head in places
        }

    def fits(self, circuit: Circuit) -> bool:
        """Whether some assignment of parts to roles meets every arrow."""
        names = [role.name for role in circuit.roles]
        for parts in product(*(self.parts(role) for role in circuit.roles)):
            if len(frozenset().union(*parts)) == sum(map(len, parts)):
                bound = dict(zip(names, parts, strict=True))
                if all(self.has(arrow, bound) != arrow.never for arrow in circuit.arrows):
                    return True
        return False

    def parts(self, role: Role) -> list[frozenset[Node]]:
        """What could play a role, by kind and layer."""
        low, high = role.layers or (0, len(_COMPUTED) * len(self.nodes))
        if role.kind == "head":
            return [nodes for (layer, _), nodes in self.heads.items() if low <= layer <= high]
        return [
            frozenset({n}) for n in self.nodes if n.site.place == role.kind and low <= n.site.layer <= high
        ]

    def has(self, arrow: Arrow, bound: dict[str, frozenset[Node]]) -> bool:
        """Whether there is such a path."""
        source = bound[arrow.source.role]
        if any(n.site.place in _PORTS.values() for n in source) and (
            len(source) > 1 or source in self.heads.values()
        ):
            source = frozenset(
                end for node in source for end in self.graph.successors(node) if isinstance(end, Node)
            )
        targets: set[Node | str] = {ANSWER}
        if arrow.target.role != ANSWER:
            place = _PORTS.get(arrow.target.part or "")
            targets = {n for n in bound[arrow.target.role] if place is None or n.site.place is place}
        graph = self.graph
        if arrow.direct:
            inner = {n for n in self.nodes if n.site.place in _STREAM} | source | targets
            graph = graph.subgraph(inner)
        return any(
            (a != b and b in graph and networkx.has_path(graph, a, b))
            or (a == b and a not in bound[arrow.source.role])
            for a in source
            for b in targets
        )


def _when(node: Node) -> tuple[int, int]:
    return node.site.layer, _COMPUTED.index(node.site.place)
