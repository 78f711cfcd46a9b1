"""Circuit graph -> the parts that roles can bind to, and which part is connected with which.

A path follows weights; the residual stream from a write to a later read of the same channel; and, through a head, a
query or key to what the head writes, as its pattern decides how much of its values is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from circuitlang.circuit.graph import ANSWER, WEIGHTS, CircuitGraph
from circuitlang.language.program.hypothesis import Role
from circuitlang.site import HEAD_PORTS, READS, WRITES, Node, Place, Site

STREAM = frozenset({*READS, *WRITES})
"""Reads and writes of the residual stream: what a direct connection may pass."""


@dataclass(frozen=True)
class Part:
    """What one role can be: a node, a head (its kept query, key and value channels) or a residual channel.

    `leaves`: the nodes by which it acts on others; of a head, what its values write.
    """

    name: str
    nodes: tuple[Node, ...]
    leaves: frozenset[Node]

    @property
    def is_head(self) -> bool:
        return ".head[" in self.name

    @property
    def ports(self) -> tuple[str | None, ...]:
        """Where arrows can end: at a head's query, key or value; at anything else there is one place."""
        return tuple(HEAD_PORTS) if self.is_head else (None,)

    def enters(self, port: str | None) -> frozenset[Node]:
        """The nodes by which others act on it: all, or those of a head's query, key or value."""
        return frozenset(n for n in self.nodes if port is None or n.site.place is HEAD_PORTS[port])


@dataclass(frozen=True)
class Anatomy:
    """The parts of a circuit and its paths."""

    graph: CircuitGraph
    _reached: dict[tuple[frozenset[Node], bool], frozenset[Node | str]] = field(default_factory=dict)

    @cached_property
    def _heads(self) -> Mapping[tuple[int, int], tuple[Node, ...]]:
        heads: dict[tuple[int, int], list[Node]] = defaultdict(list)
        for found in self.graph.nodes:
            if found.head is not None:
                heads[found.node.site.layer, found.head].append(found.node)
        return {place: tuple(nodes) for place, nodes in heads.items()}

    @cached_property
    def _next(self) -> Mapping[Node, frozenset[Node | str]]:
        """Node -> what it acts on at once."""
        after: dict[Node, set[Node | str]] = defaultdict(set)
        for edge in self.graph.edges:
            if not isinstance(edge.source, Node):
                continue
            if edge.kind in (*WEIGHTS, "residual") and isinstance(edge.target, Node):
                after[edge.source].add(edge.target)
            elif edge.kind in ("residual", "unembedding"):
                after[edge.source].add(ANSWER)
        for nodes in self._heads.values():
            written = {n for value in nodes if value.site.place is Place.V for n in after[value]}
            for node in nodes:
                if node.site.place is not Place.V:
                    after[node] |= written
        return {node: frozenset(reached) for node, reached in after.items()}

    def parts(self, role: Role) -> list[Part]:
        """What the role can bind to by its kind and layers alone, in order of computation."""
        inside = range(role.layers[0], role.layers[1] + 1) if role.layers else None
        nodes = [n.node for n in self.graph.nodes if inside is None or n.node.site.layer in inside]
        if role.kind == "head":
            return [
                self._head(layer, head)
                for layer, head in sorted(self._heads)
                if inside is None or layer in inside
            ]
        if role.kind == "channel":
            kept = [node for node in nodes if node.site.place in STREAM]
            return [
                _whole(f"channel[{index}]", tuple(node for node in kept if node.index == index))
                for index in sorted({node.index for node in kept})
            ]
        place = Place(role.kind)
        return [_whole(str(node), (node,)) for node in nodes if node.site.place is place]

    def _head(self, layer: int, head: int) -> Part:
        nodes = self._heads[layer, head]
        written = {n for node in nodes for n in self._next.get(node, ()) if isinstance(n, Node)}
        return Part(f"{layer}.head[{head}]", nodes, frozenset(written))

    def connected(self, source: Part, target: Part | str, port: str | None, direct: bool) -> bool:
        """Whether a path leads from one part to another, or to `ANSWER`; `direct`: past no neuron and no head."""
        reached = self.reached(source.leaves, direct)
        return target in reached if isinstance(target, str) else bool(reached & target.enters(port))

    def reached(self, leaves: frozenset[Node], direct: bool) -> frozenset[Node | str]:
        """What the nodes act on, themselves left out unless a path comes back to one of them."""
        key = leaves, direct
        if key not in self._reached:
            found: set[Node | str] = set()
            waiting: list[Node] = list(leaves)
            # a head is left by what it writes: for a direct path those writes are the first step, not a stop
            found |= {node for node in leaves if node.site.place in STREAM}
            while waiting:
                for reached in self._next.get(waiting.pop(), ()):
                    if reached not in found:
                        found.add(reached)
                        if isinstance(reached, Node) and (not direct or reached.site.place in STREAM):
                            waiting.append(reached)
            self._reached[key] = frozenset(found)
        return self._reached[key]


def _whole(name: str, nodes: tuple[Node, ...]) -> Part:
    return Part(name, nodes, frozenset(nodes))


def sites(parts: Iterable[Part]) -> frozenset[Site]:
    """The sites that have nodes of the parts."""
    return frozenset(node.site for part in parts for node in part.nodes)
