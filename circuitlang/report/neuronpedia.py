"""CircuitGraph -> Neuronpedia's attribution graph (apps/webapp/app/api/graph/graph-schema.json, version 1.0.0).

An attribution graph has one row per layer and one column per token of one prompt. Here a row is a site, so that all
edges of a circuit go upward: row 8 l + i is the i-th site of layer l, from 1. Without a prompt the columns are the
tokens that the circuit reads, and an end. What the format has no place for is said in a node's label: its name, its
role and what it costs. `influence` stays empty: it would make Neuronpedia prune a circuit that is pruned. A link's
`kind` is ours; its weight is the model's.

What the schema does not say and Neuronpedia's page relies on: an embedding's label is the token of its column, a
logit's label has "(p=…)" in it, some row is not 0, and without `schema_version` a feature's number is what it is. The
page that theirs descends from leaves out a feature that is in more than two thirds of the columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from circuitlang import __version__
from circuitlang.circuit.graph import CircuitGraph, End, GraphEdge, GraphNode
from circuitlang.site import PRUNED_PLACES, Node

ANY, END = "(any prompt)", "(end)"
"""Columns where there is no prompt: at least two, or every feature would be in all of them."""
PINNED = 200  # Neuronpedia shows at most so many nodes in its subgraph
_PLACES = {place: order for order, place in enumerate(PRUNED_PLACES)}


@dataclass(frozen=True)
class Seen:
    """A circuit on one prompt. `tokens`: the text of each, the one in front included; `places`: node's name -> the
    position where its value is farthest from its mean, and the value there; `probabilities`: of tokens behind the
    prompt, by their text; `answer`: what should come there, where that is known."""

    prompt: str
    tokens: tuple[str, ...]
    places: Mapping[str, tuple[int, float]]
    probabilities: Mapping[str, float] = field(default_factory=dict)
    answer: str | None = None


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
    seen = seen or Seen("", (*(_read_texts(graph.edges) or [ANY]), END), {})
    end = len(seen.tokens) - 1
    known: dict[Node, dict[str, Any]] = {}
    for found in graph.nodes:
        played = [role for role, nodes in roles.items() if str(found.node) in nodes]
        known[found.node] = _node(found, played, seen)
    rows = 1 + max((node.site.layer for node in known), default=0)
    texts = _texts(graph.edges, 1 + rows * len(_PLACES), seen, end)

    def ids_of(of: End, side: str) -> list[str]:
        """A node's, or those of a text on its side."""
        found = [known[of]] if isinstance(of, Node) else texts[side, of]
        return [node["node_id"] for node in found]

    links = [
        {"source": source, "target": target, "weight": edge.weight, "kind": edge.kind}
        for edge in graph.edges
        for source in ids_of(edge.source, "token")
        for target in ids_of(edge.target, "answer")
    ]
    ids = {str(node): data["node_id"] for node, data in known.items()}
    dearest = sorted(graph.nodes, key=lambda found: -found.cost)
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
        },
        "qParams": {
            "pinnedIds": [ids[str(found.node)] for found in dearest[:PINNED]],
            "supernodes": [[role, *(ids[node] for node in nodes)] for role, nodes in roles.items()],
            "linkType": "both",
            "clickedId": "",
            "sg_pos": "",
        },
        "nodes": [*known.values(), *(node for nodes in texts.values() for node in nodes)],
        "links": links,
    }


def _node(found: GraphNode, played: Sequence[str], seen: Seen) -> dict[str, Any]:
    node = found.node
    position, value = seen.places.get(str(node), (len(seen.tokens) - 1, None))
    row = 1 + len(_PLACES) * node.site.layer + _PLACES[node.site.place]
    label = f"{', '.join(played)}: {node}" if played else str(node)
    return _entry(
        f"{row}_{node.index}_{position}",
        node.index,
        str(row),
        position,
        str(node.site.place),
        f"{label} (costs {found.cost:.3g} nats)",
        activation=value,
    )


def _texts(
    edges: Sequence[GraphEdge], top: int, seen: Seen, end: int
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """A text of an edge, by its side -> its nodes: of a token one wherever the prompt has it; of an answer one."""
    written = dict.fromkeys(str(edge.target) for edge in edges if not isinstance(edge.target, Node))
    made: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number, text in enumerate(_read_texts(edges)):
        made["token", text] = [
            _entry(f"E_{number}_{at}", number, "E", at, "embedding", f'Emb: "{text}"')
            for at, token in enumerate(seen.tokens)
            if token == text
        ]
    for number, text in enumerate(written):
        chance = seen.probabilities.get(text)
        said = f'Output "{text}" (p={"?" if chance is None else f"{chance:.3f}"})'
        entry = _entry(f"{top}_{number}_{end}", number, str(top), end, "logit", said)
        made["answer", text] = [entry | {"token_prob": chance or 0.0, "is_target_logit": text == seen.answer}]
    return made


def _read_texts(edges: Sequence[GraphEdge]) -> list[str]:
    """What the circuit reads, each once."""
    return list(dict.fromkeys(str(edge.source) for edge in edges if not isinstance(edge.source, Node)))


def _entry(
    name: str,
    feature: int,
    layer: str,
    position: int,
    kind: str,
    label: str,
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
    }


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "circuit"
