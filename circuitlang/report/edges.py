"""CircuitGraph -> its connections as other tools follow them, as lines of text or as a graph of networkx; and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from circuitlang.circuit.graph import EDGE_KINDS, CircuitGraph, EdgeKind, End, GraphEdge
from circuitlang.report.escape import no_command
from circuitlang.site import Node, Place, Site, parse_node

if TYPE_CHECKING:
    import networkx

_KINDS: dict[str, EdgeKind] = {kind: kind for kind in EDGE_KINDS}
HEAD = "source\ttarget\tweight\tkind"


def led_on(graph: CircuitGraph) -> CircuitGraph:
    """The same circuit with paths through attention's pattern: in place of key -> query, both lead on to every channel
    that a kept value of their head is written to. Where there is none, key -> query stays. `led_back` is the inverse.
    """
    heads = {found.node: (found.node.site.layer, found.head) for found in graph.nodes}
    outs: dict[tuple[int, int | None], dict[Node, None]] = {}
    for source, target in graph.weights:
        if source.site.place is Place.V and target.site.place is Place.ATTN_OUT:
            outs.setdefault(heads[source], {})[target] = None
    return CircuitGraph(graph.nodes, tuple(_led_on(graph.edges, heads, outs)), graph.total_nodes)


def _led_on(
    edges: Iterable[GraphEdge],
    heads: Mapping[Node, tuple[int, int | None]],
    outs: Mapping[tuple[int, int | None], Iterable[Node]],
) -> Iterator[GraphEdge]:
    for edge in edges:
        key, query = edge.source, edge.target
        if edge.kind != "attention" or not isinstance(key, Node) or not isinstance(query, Node):
            yield edge
            continue
        written = list(outs.get(heads[key], ())) if _query_of(key) == query else []
        for end in (key, query) if written else ():
            yield from (GraphEdge(end, out, edge.weight, "attention") for out in written)
        if not written:
            yield edge


def led_back(edges: Iterable[GraphEdge]) -> tuple[GraphEdge, ...]:
    """Those of a circuit from those of `led_on`, each once."""
    return tuple(dict.fromkeys(_led_back(edges)))


def _led_back(edges: Iterable[GraphEdge]) -> Iterator[GraphEdge]:
    for edge in edges:
        source, target = edge.source, edge.target
        leads = edge.kind == "attention" and isinstance(target, Node) and target.site.place is Place.ATTN_OUT
        if not leads:
            yield edge
        elif isinstance(source, Node) and source.site.place is Place.K:
            yield GraphEdge(source, _query_of(source), edge.weight, "attention")


def _query_of(key: Node) -> Node:
    """The channel that a key's is multiplied with."""
    return Node(Site(key.site.layer, Place.Q), key.index)


# --- lines -----------------------------------------------------------------------------------------------


def edge_list(graph: CircuitGraph) -> str:
    """One line per edge of `led_on` behind a line of headings. A node is spelt as `1.neuron[37]`; a text, as a token,
    is a JSON string in ASCII, so that it has quotes, and no tab or line break. Weights are exact. Nodes without an
    edge are not in it."""
    edges = led_on(graph).edges
    lines = (f"{_spelt_end(e.source)}\t{_spelt_end(e.target)}\t{e.weight!r}\t{e.kind}" for e in edges)
    return "\n".join([HEAD, *lines]) + "\n"


def read_edge_list(text: str) -> tuple[GraphEdge, ...]:
    """The inverse: the circuit's own edges. ValueError, with the number of the line, for anything else."""
    return led_back(_read(text))


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


def _spelt_end(end: End) -> str:
    return str(end) if isinstance(end, Node) else no_command(json.dumps(end), r"\u005b")


def _end(spelt: str) -> End:
    if not spelt.startswith('"'):
        return parse_node(spelt)
    text = json.loads(spelt)
    if not isinstance(text, str):
        raise ValueError("not a text")
    return text


# --- GraphML ---------------------------------------------------------------------------------------------


def graphml(graph: CircuitGraph) -> str:
    """`led_on` as GraphML. A text has its side in front and is a JSON string, so that it is taken for no node, and all
    texts are fit for XML."""
    import networkx

    full = led_on(graph).networkx()
    plain = networkx.DiGraph(total_nodes=graph.total_nodes)
    for name, data in full.nodes(data=True):
        plain.add_node(_spelt(name), **{key: value for key, value in data.items() if value is not None})
    for source, target, data in full.edges(data=True):
        plain.add_edge(_spelt(source), _spelt(target), **data)
    return no_command("\n".join(networkx.generate_graphml(plain)), "&#91;") + "\n"


def read_graphml(text: str) -> CircuitGraph:
    """The inverse. ValueError for anything else."""
    import networkx

    try:
        return _from_networkx(networkx.parse_graphml(text))
    except (networkx.NetworkXError, SyntaxError, KeyError, TypeError) as error:
        raise ValueError(f"not a circuit's GraphML: {error}") from error


def _from_networkx(read: networkx.DiGraph[str]) -> CircuitGraph:
    nodes: list[dict[str, Any]] = [
        {"node": name, "cost": data["cost"], "mean": data["mean"]}
        | {key: data.get(key) for key in ("head", "channel")}
        for name, data in read.nodes(data=True)
        if "cost" in data
    ]
    edges = led_back(
        GraphEdge(_unspelt(source), _unspelt(target), float(data["weight"]), _KINDS[data["kind"]])
        for source, target, data in read.edges(data=True)
    )
    plain = CircuitGraph.from_data({"total_nodes": read.graph["total_nodes"], "nodes": nodes, "edges": []})
    return CircuitGraph(plain.nodes, edges, plain.total_nodes)


def _spelt(name: str | tuple[str, str]) -> str:
    return name if isinstance(name, str) else f"{name[0]} {json.dumps(name[1])}"


def _unspelt(spelt: str) -> End:
    side, _, text = spelt.partition(" ")
    return _end(text) if side in ("token", "answer") else parse_node(spelt)
