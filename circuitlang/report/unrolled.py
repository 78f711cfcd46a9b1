"""CircuitGraph on one prompt -> at which tokens each node acts, and which of its edges lead from where to where.

Followed from the answer back to the tokens. What is written at a token was read at that token; only attention moves
anything between tokens, and only forward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from circuitlang.circuit.graph import CircuitGraph, GraphEdge
from circuitlang.site import Node, Place

MOVED = 0.25  # a token acts on a later one through a head if at least this share of what the head moves is from it


@dataclass(frozen=True)
class Seen:
    """A circuit on one prompt. `tokens`: the text of each, the one in front included; `values`: of a node, at every
    token; `attention`: of a layer's head, from every token the share that goes to each up to itself; `probabilities`:
    of tokens behind the prompt, by their text; `answer`: what should come there, where that is known."""

    prompt: str
    tokens: tuple[str, ...]
    values: Mapping[Node, Sequence[float]] = field(default_factory=dict)
    attention: Mapping[tuple[int, int], Sequence[Sequence[float]]] = field(default_factory=dict)
    probabilities: Mapping[str, float] = field(default_factory=dict)
    answer: str | None = None


def unrolled(
    graph: CircuitGraph, seen: Seen
) -> tuple[Mapping[Node, Sequence[int]], Sequence[tuple[GraphEdge, int, int]]]:
    """Of a graph of `led_on`: node -> the positions where it acts, in order, at least one; and every edge with the
    positions of its two ends. A node acts where something reads it that acts; one that nothing reads acts where its
    value is farthest from its mean. Edges of tokens that do not stand there are left out. Without values, so without a
    prompt, all act at the end, and read any token."""
    end = len(seen.tokens) - 1
    found = {one.node: one for one in graph.nodes}
    leading: dict[Node, list[GraphEdge]] = {node: [] for node in found}
    for edge in graph.edges:
        if isinstance(edge.source, Node):
            leading[edge.source].append(edge)
    from_where = {
        head: _origins(graph, head, seen) for head in {(n.node.site.layer, n.head) for n in graph.nodes}
    }
    at: dict[Node, list[int]] = {}
    joined: list[tuple[GraphEdge, int, int]] = []
    # Of equal places none reads another, but a query its key's, where nothing else is left of the head.
    order = sorted(found, key=lambda n: (n.site.layer, n.site.place.stage, n.site.place is not Place.K, n))
    for node in reversed(order):
        head = from_where[node.site.layer, found[node].head]
        links = [
            (edge, first, last)
            for edge in leading[node]
            for last in (at[edge.target] if isinstance(edge.target, Node) else (end,))
            for first in (head[last] if _moves(edge) else (last,))
        ]
        at[node] = sorted({first for _, first, _ in links}) or [_farthest(node, found[node].mean, seen)]
        joined += links
    for edge in graph.edges:
        if isinstance(edge.source, Node):
            continue
        for last in at[edge.target] if isinstance(edge.target, Node) else (end,):
            columns = (last,) if seen.values else range(end)
            joined += [(edge, first, last) for first in columns if seen.tokens[first] == edge.source]
    return at, joined


def _moves(edge: GraphEdge) -> bool:
    """Whether it leads from one token to another: a key, or a value, to what its head writes."""
    return isinstance(edge.source, Node) and edge.source.site.place in (Place.K, Place.V)


def _origins(graph: CircuitGraph, head: tuple[int, int | None], seen: Seen) -> Sequence[Sequence[int]]:
    """Position -> those at or before it whose tokens the head acts from there: by its attention times how far its kept
    values are from their means there; without any, by its attention."""
    size = len(seen.tokens)
    values = [
        (seen.values[one.node], one.mean)
        for one in graph.nodes
        if (one.node.site.layer, one.head) == head
        and one.node.site.place is Place.V
        and one.node in seen.values
    ]
    weight = [sum(abs(own[i] - mean) for own, mean in values) if values else 1.0 for i in range(size)]
    layer, number = head
    pattern = seen.attention.get((layer, -1 if number is None else number))
    return [
        [last] if pattern is None else _largest([pattern[last][i] * weight[i] for i in range(last + 1)])
        for last in range(size)
    ]


def _largest(moved: Sequence[float]) -> list[int]:
    """The places of the largest one and of those with a share of `MOVED`."""
    most, total = max(moved), sum(moved)
    return [i for i, one in enumerate(moved) if one == most or one >= MOVED * total > 0] if most > 0 else [0]


def _farthest(node: Node, mean: float, seen: Seen) -> int:
    """The last position without values."""
    own = seen.values.get(node)
    if own is None:
        return len(seen.tokens) - 1
    return max(range(len(own)), key=lambda i: abs(own[i] - mean))
