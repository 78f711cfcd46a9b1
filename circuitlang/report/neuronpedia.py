"""CircuitGraph -> Neuronpedia's attribution graph (apps/webapp/app/api/graph/graph-schema.json, version 1.0.0).

An attribution graph has one row per layer and one column per token of one prompt. Here a row is a site, so that all
edges of a circuit go upward: row 8 l + i is the i-th site of layer l, from 1. A node stands at every token where it
acts (report/unrolled.py), and a link at every token where both its ends do. Without a prompt the columns are the tokens
that the circuit reads, and an end. What the format has no place for is said in a node's label: its name, its role and
what it costs. `influence` stays empty: it would make Neuronpedia prune a circuit that is pruned. A link's `kind` is
ours; its weight is the model's. Ours are also a node's `circuitlang` and, of the metadata, `total_nodes` and
`not_shown`, edges of tokens that the prompt does not have: with them `read_neuronpedia` is the inverse.

What the schema does not say and Neuronpedia's page relies on: an embedding's label is the token of its column, a
logit's label has "(p=…)" in it, some row is not 0, and without `schema_version` a feature's number is what it is. The
page that theirs descends from leaves out a feature that is in more than two thirds of the columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from circuitlang import __version__
from circuitlang.circuit.graph import CircuitGraph, End, GraphEdge, GraphNode
from circuitlang.report.edges import led_back, led_on
from circuitlang.report.unrolled import Seen, unrolled
from circuitlang.site import PRUNED_PLACES, Node

ANY, END = "(any prompt)", "(end)"
"""Columns where there is no prompt: at least two, or every feature would be in all of them."""
PINNED = 200  # Neuronpedia shows at most so many nodes in its subgraph
_PLACES = {place: order for order, place in enumerate(PRUNED_PLACES)}


def neuronpedia(
    graph: CircuitGraph,
    name: str,
    model: str,
    caption: str,
    roles: Mapping[str, Sequence[str]],
    seen: Seen | None = None,
    slug: str | None = None,
) -> dict[str, Any]:
    """The graph in terms of JSON, ready to be uploaded."""
    whole = led_on(graph)
    seen = seen or Seen("", (*(_read_texts(graph.edges) or [ANY]), END))
    end = len(seen.tokens) - 1
    at, joined = unrolled(whole, seen)
    known = {
        (found.node, position): _node(found, roles, seen, position)
        for found in graph.nodes
        for position in at[found.node]
    }
    rows = 1 + max((found.node.site.layer for found in graph.nodes), default=0)
    texts = _texts(graph.edges, 1 + rows * len(_PLACES), seen, end)

    def id_of(of: End, side: str, position: int) -> str:
        entry = known[of, position] if isinstance(of, Node) else texts[side, of, position]
        return entry["node_id"]

    links = [
        {
            "source": id_of(edge.source, "token", first),
            "target": id_of(edge.target, "answer", last),
            "weight": edge.weight,
            "kind": edge.kind,
        }
        for edge, first, last in joined
    ]
    ids: dict[str, list[str]] = {}
    for (node, _), entry in known.items():
        ids.setdefault(str(node), []).append(entry["node_id"])
    dearest = sorted(graph.nodes, key=lambda found: -found.cost)
    shown = {(edge.source, edge.target) for edge, _, _ in joined}
    return {
        "metadata": {
            "slug": slug or _slug(name),
            "scan": model or "circuitlang",
            "prompt_tokens": list(seen.tokens),
            "prompt": seen.prompt,
            "info": {
                "description": f"{name}: {caption}" if name else caption,
                "generator": {"name": "circuitlang", "version": __version__},
            },
            "total_nodes": graph.total_nodes,
            "not_shown": [
                data
                for edge, data in zip(whole.edges, whole.to_data()["edges"], strict=True)
                if (edge.source, edge.target) not in shown
            ],
        },
        "qParams": {
            "pinnedIds": [one for found in dearest for one in ids[str(found.node)]][:PINNED],
            "supernodes": [
                [role, *(one for node in nodes for one in ids.get(node, []))] for role, nodes in roles.items()
            ],
            "linkType": "both",
            "clickedId": "",
            "sg_pos": "",
        },
        "nodes": [*known.values(), *texts.values()],
        "links": links,
    }


def read_neuronpedia(data: Mapping[str, Any]) -> CircuitGraph:
    """The inverse of `neuronpedia`, from terms of JSON. ValueError for a graph that is not of ours."""
    try:
        ours = {entry["node_id"]: entry["circuitlang"] for entry in data["nodes"]}
        nodes = {one["node"]: one for one in ours.values() if "node" in one}
        links = [
            link | {side: _end(ours[link[side]]) for side in ("source", "target")} for link in data["links"]
        ]
        links += data["metadata"]["not_shown"]
        whole = CircuitGraph.from_data(
            {
                "total_nodes": data["metadata"]["total_nodes"],
                "nodes": list(nodes.values()),
                "edges": list({repr((one["source"], one["target"])): one for one in links}.values()),
            }
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an attribution graph of a circuit: {error!r}") from error
    return CircuitGraph(whole.nodes, led_back(whole.edges), whole.total_nodes)


def _end(ours: Mapping[str, Any]) -> object:
    return ours.get("node") or dict(ours)


def _node(found: GraphNode, roles: Mapping[str, Sequence[str]], seen: Seen, position: int) -> dict[str, Any]:
    node = found.node
    played = [role for role, nodes in roles.items() if str(node) in nodes]
    values = seen.values.get(node)
    row = 1 + len(_PLACES) * node.site.layer + _PLACES[node.site.place]
    label = f"{', '.join(played)}: {node}" if played else str(node)
    return _entry(
        f"{row}_{node.index}_{position}",
        node.index,
        str(row),
        position,
        str(node.site.place),
        f"{label} (costs {found.cost:.3g} nats)",
        {
            "node": str(node),
            "cost": found.cost,
            "mean": found.mean,
            "head": found.head,
            "channel": found.channel,
        },
        None if values is None else values[position],
    )


def _texts(
    edges: Sequence[GraphEdge], top: int, seen: Seen, end: int
) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Side, text and column of an edge's text -> its node: of a token wherever the prompt has it; of an answer at the
    end."""
    written = dict.fromkeys(str(edge.target) for edge in edges if not isinstance(edge.target, Node))
    made: dict[tuple[str, str, int], dict[str, Any]] = {}
    for number, text in enumerate(_read_texts(edges)):
        for at, token in enumerate(seen.tokens):
            if token == text:
                name, said = f"E_{number}_{at}", f'Emb: "{text}"'
                made["token", text, at] = _entry(name, number, "E", at, "embedding", said, {"token": text})
    for number, text in enumerate(written):
        chance = seen.probabilities.get(text)
        said = f'Output "{text}" (p={"?" if chance is None else f"{chance:.3f}"})'
        entry = _entry(f"{top}_{number}_{end}", number, str(top), end, "logit", said, {"token": text})
        made["answer", text, end] = entry | {
            "token_prob": chance or 0.0,
            "is_target_logit": text == seen.answer,
        }
    return made


def _read_texts(edges: Iterable[GraphEdge]) -> list[str]:
    """What the circuit reads, each once."""
    return list(dict.fromkeys(str(edge.source) for edge in edges if not isinstance(edge.source, Node)))


def _entry(
    name: str,
    feature: int,
    layer: str,
    position: int,
    kind: str,
    label: str,
    ours: Mapping[str, Any],
    activation: float | None = None,
) -> dict[str, Any]:
    return {
        "node_id": name,
        "feature": feature,
        "layer": layer,
        "ctx_idx": position,
        "feature_type": kind,
        "token_prob": 0.0,
        "is_target_logit": False,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": f"{layer}_{feature}-{position}",
        "clerp": label,
        "influence": None,
        "activation": activation,
        "circuitlang": dict(ours),
    }


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "circuit"
