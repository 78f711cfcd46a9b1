"""Two reports of one task -> one page that says what moved between them, as of a model before and after a fine-tune."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from circuitlang.circuit.graph import CircuitGraph, GraphEdge, GraphNode
from circuitlang.report import words
from circuitlang.report.diff import Diff, diff_lines, diff_reports
from circuitlang.report.page.layout import layout
from circuitlang.report.page.write import render
from circuitlang.report.report import Report
from circuitlang.report.results import ClaimResult
from circuitlang.site import Node

Side = Literal["both", "old", "new"]


@dataclass(frozen=True)
class Moved:
    """A node of either circuit. `old`, `new`: its ablation effect in nats, None where that circuit has not kept it."""

    name: str
    side: Side
    old: float | None
    new: float | None

    @property
    def by(self) -> float:
        return abs((self.new or 0.0) - (self.old or 0.0))


def compare_page(old: Report, new: Report, old_page: str, new_page: str) -> str:
    """`old_page`, `new_page`: where the page of each is, from where this one will be. CommandError where the two are
    about different tasks."""
    found = diff_reports(old, new)
    graphs = [_graph(report) for report in (old, new)]
    nodes = _moved(*graphs)
    return render(
        "compare.html",
        old=old,
        new=new,
        links=(old_page, new_page),
        claims=list(_claims(old, new)),
        roles=_roles(old, new),
        kept=len(nodes),
        moved=sorted(
            (one for one in nodes if one.by or one.side != "both"), key=lambda one: (-one.by, one.name)
        ),
        picture=_picture(*graphs),
        lines=list(diff_lines(Diff(found.old, found.new, found.changes))),
        words=words,
    )


def _graph(report: Report) -> CircuitGraph:
    """Of the first seed; empty where nothing was pruned."""
    drawn = [one.graph for one in report.per_seed if one.graph is not None]
    return drawn[0] if drawn else CircuitGraph((), (), 0)


def _claims(old: Report, new: Report) -> Iterator[tuple[str, ClaimResult | None, ClaimResult | None]]:
    sides = [{claim.name: claim for claim in report.claims} for report in (old, new)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        yield name, sides[0].get(name), sides[1].get(name)


def _roles(old: Report, new: Report) -> list[tuple[str, list[str], list[str], list[str]]]:
    """Name, and the nodes that stayed, left and joined."""
    first, second = (next((one.roles for one in report.per_seed), {}) for report in (old, new))
    found = []
    for role in dict.fromkeys([*first, *second]):
        before, after = first.get(role, ()), second.get(role, ())
        stayed = [name for name in after if name in before]
        found.append(
            (role, stayed, [n for n in before if n not in after], [n for n in after if n not in before])
        )
    return found


def _moved(old: CircuitGraph, new: CircuitGraph) -> list[Moved]:
    costs = [{str(one.node): one.cost for one in graph.nodes} for graph in (old, new)]
    return [
        Moved(name, _side(name in costs[0], name in costs[1]), costs[0].get(name), costs[1].get(name))
        for name in dict.fromkeys([*costs[0], *costs[1]])
    ]


def _side(old: bool, new: bool) -> Side:
    return "both" if old and new else "old" if old else "new"


def _picture(old: CircuitGraph, new: CircuitGraph) -> dict[str, Any]:
    """The two circuits on top of one another: where all stands (page/layout.py), and of which each node and line is."""
    nodes: dict[Node, GraphNode] = {one.node: one for graph in (old, new) for one in graph.nodes}
    edges: dict[tuple[Any, Any], GraphEdge] = {
        (edge.source, edge.target): edge for graph in (old, new) for edge in graph.drawn
    }
    union = CircuitGraph(
        tuple(nodes.values()), tuple(edges.values()), max(old.total_nodes, new.total_nodes, len(nodes))
    )
    kept, drawn = (
        [set(graph.kept) for graph in (old, new)],
        [{(edge.source, edge.target) for edge in graph.drawn} for graph in (old, new)],
    )
    return layout(union) | {
        "boxes": [
            (str(one.node), _label(one), _side(one.node in kept[0], one.node in kept[1]))
            for one in union.nodes
        ],
        "lines": [
            (str(source), str(target), _side((source, target) in drawn[0], (source, target) in drawn[1]))
            for source, target in ((edge.source, edge.target) for edge in union.edges)
            if isinstance(source, Node) and isinstance(target, Node)
        ],
    }


def _label(one: GraphNode) -> str:
    return str(one.node.index) if one.head is None else f"{one.node.site.place} {one.node.index}"
