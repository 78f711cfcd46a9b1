"""CircuitGraph -> where its nodes stand on the page: tokens below, the answer on top, a row per site.

The same graph gives the same places. Rows are ordered by barycentres (Sugiyama et al. 1981); the q, k and v of a layer
share a row, grouped by head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from circuitlang.circuit.graph import CircuitGraph, GraphNode
from circuitlang.site import Node, Place

CELL, HEIGHT = 48, 26  # a node's box
GAP, LINE = 7, 60  # between boxes of a row; from a row to the next
MARGIN, BUS = 78, 26  # for the rows' names, on the left; for the line to the answer, on the right
PER_LINE, PER_NARROW_LINE = 16, 7  # nodes; on a phone
SWEEPS = 6

Group = list[GraphNode]


def layout(graph: CircuitGraph, per_line: int = PER_LINE) -> dict[str, Any]:
    """In pixels, y downward. `nodes`: name -> middle; `rows`: name, y; `layers`: number, top, bottom; `heads`: layer,
    head, x, y, width, height; `answer`: its middle."""
    rows = [(order, _grouped(nodes)) for order, nodes in sorted(_by_row(graph).items())]
    ordered = _ordered([groups for _, groups in rows], graph)
    lines = [
        (order, line)
        for (order, _), groups in zip(rows, ordered, strict=True)
        for line in _wrapped(groups, per_line)
    ]
    widest = max((_width(line) for _, line in lines), default=CELL)
    width, height = MARGIN + widest + BUS, LINE * (len(lines) + 1) + GAP
    found: dict[str, Any] = {
        "width": width,
        "height": height,
        "cell": [CELL, HEIGHT],
        "nodes": {},
        "rows": [],
        "layers": [],
        "heads": [],
        "answer": [MARGIN + widest // 2, LINE // 2],
    }
    layers: dict[int, list[int]] = {}
    for number, ((layer, _), line) in enumerate(lines):
        y = height - LINE // 2 - GAP - LINE * number
        layers.setdefault(layer, []).append(y)
        found["rows"].append([_row_name(line), y])
        x = MARGIN + (widest - _width(line)) // 2
        for group in line:
            head = group[0].head
            if head is not None:
                x += GAP // 2
                inside = _span(group)
                found["heads"].append([layer, head, x - 5, y - 22, inside + 10, 42])
            for node in group:
                found["nodes"][str(node.node)] = [x + CELL // 2, y]
                x += CELL + GAP
            x += GAP // 2 if head is not None else 0
    found["layers"] = [
        [layer, min(ys) - LINE // 2 + 3, max(ys) + LINE // 2 - 3] for layer, ys in layers.items()
    ]
    return found


def _by_row(graph: CircuitGraph) -> dict[tuple[int, int], list[GraphNode]]:
    rows: dict[tuple[int, int], list[GraphNode]] = {}
    for node in graph.nodes:
        layer, order = node.node.site.order
        if node.head is not None:
            order = list(Place).index(Place.Q)
        rows.setdefault((layer, order), []).append(node)
    return rows


def _grouped(nodes: Sequence[GraphNode]) -> list[Group]:
    """A group per head; every other node for itself."""
    heads: dict[int, Group] = {}
    for node in nodes:
        if node.head is not None:
            heads.setdefault(node.head, []).append(node)
    return [*heads.values(), *([node] for node in nodes if node.head is None)]


def _ordered(rows: list[list[Group]], graph: CircuitGraph) -> list[list[Group]]:
    """Groups of each row by the mean place of what they are joined to, from below and from above in turn."""
    joined: dict[Node, list[Node]] = {}
    for edge in graph.drawn:
        if isinstance(edge.source, Node) and isinstance(edge.target, Node) and edge.kind != "attention":
            joined.setdefault(edge.source, []).append(edge.target)
            joined.setdefault(edge.target, []).append(edge.source)
    places: dict[Node, float] = {}
    for row in rows:
        places |= _places(row)
    upward = range(len(rows))
    for sweep in range(SWEEPS):
        for number in upward if sweep % 2 == 0 else reversed(upward):
            middles = {group[0].node: _middle(group, joined, places) for group in rows[number]}
            rows[number].sort(key=lambda group, its=middles: (its[group[0].node], group[0].node))
            places |= _places(rows[number])
    return rows


def _middle(group: Group, joined: Mapping[Node, Sequence[Node]], places: Mapping[Node, float]) -> float:
    """Where a group's neighbours are in the mean; without any, where it is."""
    near = [places[other] for node in group for other in joined.get(node.node, ())]
    near = near or [places[node.node] for node in group]
    return round(sum(near) / len(near), 9)


def _places(row: Sequence[Group]) -> dict[Node, float]:
    """From 0 to 1, left to right."""
    nodes = [node.node for group in row for node in group]
    return {node: (i + 0.5) / len(nodes) for i, node in enumerate(nodes)}


def _wrapped(groups: Sequence[Group], per_line: int) -> list[list[Group]]:
    """Lines of about the same length, at most so many nodes each; a head is parted only where it is longer."""
    parts = [group[i : i + per_line] for group in groups for i in range(0, len(group), per_line)]
    total = sum(map(len, parts))
    wanted = -(-total // -(-total // per_line))
    lines: list[list[Group]] = [[]]
    for part in parts:
        held = sum(map(len, lines[-1]))
        if lines[-1] and (held >= wanted or held + len(part) > per_line):
            lines.append([])
        lines[-1].append(part)
    return lines


def _span(group: Group) -> int:
    return len(group) * (CELL + GAP) - GAP


def _width(line: Sequence[Group]) -> int:
    return sum(_span(group) + GAP + (GAP if group[0].head is not None else 0) for group in line)


def _row_name(line: Sequence[Group]) -> str:
    node = line[0][0]
    return "q, k, v" if node.head is not None else str(node.node.site.place)
