"""A circuit's edges as plain lines, and back: source, target, weight, kind, with tabs between them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from circuitlang.circuit.graph import EDGE_KINDS, CircuitGraph, EdgeKind, End, GraphEdge
from circuitlang.report.escape import no_command
from circuitlang.site import Node, parse_node

_KINDS: dict[str, EdgeKind] = {kind: kind for kind in EDGE_KINDS}
HEAD = "source\ttarget\tweight\tkind"


def edge_list(graph: CircuitGraph) -> str:
    """One line per edge behind a line of headings. A node is spelt as `1.neuron[37]`; a text, as a token, is a JSON
    string in ASCII, so that it has quotes, and no tab or line break. Weights are exact. Nodes without an edge are not
    in it."""
    lines = (f"{_spelt(e.source)}\t{_spelt(e.target)}\t{e.weight!r}\t{e.kind}" for e in graph.edges)
    return "\n".join([HEAD, *lines]) + "\n"


def read_edge_list(text: str) -> tuple[GraphEdge, ...]:
    """The inverse. ValueError, with the number of the line, for anything else."""
    return tuple(_read(text))


def _read(text: str) -> Iterator[GraphEdge]:
    head, *lines = text.split("\n")
    if head != HEAD:
        raise ValueError("line 1: not an edge list: its first line is `source target weight kind`")
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        try:
            source, target, weight, kind = line.split("\t")
            yield GraphEdge(_end(source), _end(target), float(weight), _KINDS[kind])
        except (ValueError, KeyError) as error:
            raise ValueError(f"line {number}: not an edge: {line!r}") from error


def _spelt(end: End) -> str:
    return str(end) if isinstance(end, Node) else no_command(json.dumps(end), r"\u005b")


def _end(spelt: str) -> End:
    if not spelt.startswith('"'):
        return parse_node(spelt)
    text = json.loads(spelt)
    if not isinstance(text, str):
        raise ValueError("not a text")
    return text
