"""A circuit in other tools' formats: what is written can be read, and says what the graph says."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.circuit.graph import (
    ANSWER,
    WEIGHTS,
    CircuitGraph,
    GraphEdge,
    GraphNode,
    attention_edges,
    residual_edges,
)
from circuitlang.report.circuit import FORMATS, Circuit
from circuitlang.report.edges import led_on, read_edge_list
from circuitlang.report.unrolled import Seen
from circuitlang.site import MATRICES, PRUNED_PLACES, Node, Place, Site
from circuitlang.source.diagnostic import CommandError

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
    ["0.q[1]", "\t", "\n", '"', "embedding", ANSWER, "<script>alert(1)</script>", "\x00", '"]\n" (p=1)']
)


@st.composite
def circuits(draw: st.DrawFn) -> Circuit:
    places = st.builds(Site, st.integers(0, 2), st.sampled_from(PRUNED_PLACES))
    nodes = draw(st.lists(st.builds(Node, places, st.integers(0, 3)), unique=True, max_size=8))
    number = st.floats(-10, 10)
    found = tuple(
        GraphNode(
            node, draw(number), draw(number), *((node.index // 2, node.index % 2) if of_head(node) else ())
        )
        for node in nodes
    )
    texts = draw(st.lists(TEXTS, max_size=3, unique=True))
    edges = {(e.source, e.target): e for e in (*residual_edges(nodes), *attention_edges(found))}
    for source, target in product(nodes, nodes):
        same = source.site.layer == target.site.layer
        if same and (source.site.place, target.site.place) in MATRICES and draw(st.booleans()):
            kind = draw(st.sampled_from(WEIGHTS))
            edges.setdefault((source, target), GraphEdge(source, target, draw(number), kind))
    for node in nodes:
        for text in texts:
            if draw(st.booleans()):
                edges.setdefault((text, node), GraphEdge(text, node, draw(number), "embedding"))
            elif text != ANSWER:
                edges.setdefault((node, text), GraphEdge(node, text, draw(number), "unembedding"))
    roles = {"reader": tuple(map(str, nodes[:2]))} if nodes else {}
    graph = CircuitGraph(found, tuple(edges.values()), 99)
    return Circuit(graph, draw(TEXTS), "zoo:any", 3, 0.1, 0.15, True, roles)


def of_head(node: Node) -> bool:
    return node.site.place in (Place.Q, Place.K, Place.V)


@given(circuits())
def test_the_edge_list_read_back_is_the_graph(circuit: Circuit) -> None:
    text = circuit.to_edge_list()
    assert len(read_edge_list(text)) == len(circuit.edges)
    assert set(read_edge_list(text)) == set(circuit.edges)
    assert len(text.splitlines()) == 1 + len(led_on(circuit.plain).edges)
    assert text.isascii()


@given(circuits())
def test_query_and_key_lead_on_to_what_their_head_writes(circuit: Circuit) -> None:
    """So that what is read through a pattern has a path to the answer."""
    heads = {str(n.node): (n.node.site.layer, n.head) for n in circuit.plain.nodes if n.head is not None}
    written = {
        (heads[str(e.source)], str(e.target))
        for e in circuit.edges
        if e.kind in WEIGHTS and ".v[" in str(e.source)
    }
    graph = circuit.graph()
    for key, query in [(str(e.source), str(e.target)) for e in circuit.edges if e.kind == "attention"]:
        outs = {out for head, out in written if head == heads[key]}
        nodes = [{end for end in graph[one] if isinstance(end, str)} for one in (key, query)]
        assert nodes == [outs or {query}, outs]


@pytest.mark.parametrize(
    "text", ["", "a\tb", "source\ttarget\tweight\tkind\n0.q[1]\t0.k[1]\t1.0\tno kind", "source target\n"]
)
def test_what_is_no_edge_list_is_refused_at_its_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"line \d: not an edge"):
        read_edge_list(text)


@given(circuits())
def test_graphml_read_back_is_the_same_circuit(circuit: Circuit) -> None:
    assert Circuit.from_graphml(circuit.to_graphml()).plain == circuit.plain


@pytest.mark.parametrize("text", ["", "<a", "<graphml/>", "no"])
def test_what_is_no_circuits_graphml_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a circuit's GraphML"):
        Circuit.from_graphml(text)


@given(circuits())
@settings(max_examples=20)
def test_a_circuit_is_what_its_json_says(circuit: Circuit) -> None:
    assert Circuit.from_json(circuit.to_json()).plain == circuit.plain


TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
OPTIONAL = {"type": ["number", "null"]}


def fields(required: dict, **optional: object) -> dict:
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


# What hijohnnylin/neuronpedia publishes of its format in apps/webapp/app/api/graph/graph-schema.json, version 1.0.0:
# which fields there are, of which types, and which are required.
NEURONPEDIA = fields(
    {
        "metadata": fields(
            {"slug": TEXT, "scan": TEXT, "prompt_tokens": {"type": "array", "items": TEXT}, "prompt": TEXT},
            node_threshold=NUMBER,
            info=fields({}, description=TEXT, generator=fields({}, name=TEXT, version=TEXT, url=TEXT)),
        ),
        "qParams": fields(
            {},
            pinnedIds={"type": "array", "items": TEXT},
            supernodes={"type": "array"},
            linkType=TEXT,
            clickedId=TEXT,
            sg_pos=TEXT,
        ),
        "nodes": {
            "type": "array",
            "items": fields(
                {
                    "node_id": TEXT,
                    "feature": {"type": ["integer", "null"]},
                    "layer": {"type": ["string", "integer"]},
                    "ctx_idx": WHOLE,
                    "feature_type": TEXT,
                    "jsNodeId": TEXT,
                    "clerp": TEXT,
                },
                influence=OPTIONAL,
                activation=OPTIONAL,
            ),
        },
        "links": {
            "type": "array",
            "items": fields({"source": TEXT, "target": TEXT, "weight": NUMBER}),
        },
    }
)


@st.composite
def shown(draw: st.DrawFn, circuit: Circuit) -> Seen:
    """Any values and any causal attention on a prompt that has some of the tokens that are read."""
    read = list(dict.fromkeys(str(e.source) for e in circuit.edges if not isinstance(e.source, Node)))
    tokens = draw(st.lists(st.sampled_from([*read, "x", "y"]), min_size=1, max_size=7))
    size = 1 + len(tokens)
    value, share = st.floats(-2, 2), st.floats(0, 1)
    heads = {(n.node.site.layer, n.head) for n in circuit.plain.nodes if n.head is not None}
    return Seen(
        "any",
        ("<|end|>", *tokens),
        {node: draw(st.lists(value, min_size=size, max_size=size)) for node in circuit.plain.kept},
        {
            head: [draw(st.lists(share, min_size=i + 1, max_size=i + 1)) for i in range(size)]
            for head in heads
        },
        {"]": 0.9},
        "]",
    )


@given(st.data(), circuits(), st.booleans())
def test_neuronpedias_json_is_as_it_publishes_it(data: st.DataObject, circuit: Circuit, on: bool) -> None:
    """By the schema; by what its page relies on; and read back it is the same circuit."""
    seen = data.draw(shown(circuit)) if on else None
    data = json.loads(json.dumps(circuit.to_neuronpedia(seen)))
    jsonschema.validate(data, NEURONPEDIA)
    assert Circuit.from_json(json.dumps(data)).plain == circuit.plain
    nodes, tokens = {node["node_id"]: node for node in data["nodes"]}, data["metadata"]["prompt_tokens"]
    assert len(nodes) == len(data["nodes"])
    assert all(link["source"] in nodes and link["target"] in nodes for link in data["links"])
    assert all(0 <= node["ctx_idx"] < len(tokens) for node in nodes.values())
    assert set(data["qParams"]["pinnedIds"]) <= set(nodes)
    assert all(set(ids) <= set(nodes) for _, *ids in data["qParams"]["supernodes"])
    for node in nodes.values():
        assert node["feature_type"] != "logit" or "(p=" in node["clerp"]
        assert node["feature_type"] != "embedding" or f'Emb: "{tokens[node["ctx_idx"]]}"' == node["clerp"]
    rows = {node: -1 if data["layer"] == "E" else int(data["layer"]) for node, data in nodes.items()}
    for link in data["links"]:
        source, target = nodes[link["source"]], nodes[link["target"]]
        if target["feature_type"] != "q":  # a head of which no value is kept: its key leads to its query
            assert rows[link["source"]] < rows[link["target"]]
        assert source["ctx_idx"] <= target["ctx_idx"]
        if on and source["feature_type"] not in ("k", "v"):
            assert source["ctx_idx"] == target["ctx_idx"]  # only attention moves anything between tokens


@given(st.data(), circuits())
def test_a_node_stands_where_it_is_read_and_nowhere_else(data: st.DataObject, circuit: Circuit) -> None:
    made = circuit.to_neuronpedia(data.draw(shown(circuit)))
    reading = {link["source"] for link in made["links"]}
    alone: dict[str, int] = {}
    for node in made["nodes"]:
        if node["node_id"] not in reading and "node" in node["circuitlang"]:
            alone[node["circuitlang"]["node"]] = alone.get(node["circuitlang"]["node"], 0) + 1
    graph = circuit.graph()
    assert all(count == 1 and not graph[name] for name, count in alone.items())


@given(circuits())
@settings(max_examples=10)
def test_a_notebook_shows_text_as_text(circuit: Circuit) -> None:
    import circuitlang.report.render as render

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "which", lambda _: None)
        patch.setattr(render, "find_spec", lambda _: None)
        assert circuit._repr_svg_() is None
        page = circuit._repr_html_()
    assert "<script" not in page
    assert "nodes, " in page


def example() -> Circuit:
    nodes = [Node(Site(0, Place.MLP_OUT), 1), Node(Site(1, Place.ATTN_IN), 1)]
    found = tuple(GraphNode(node, 0.1, 0.0) for node in nodes)
    return Circuit(CircuitGraph(found, residual_edges(nodes), 9), "small", seed=1)


def test_a_files_name_says_its_format(tmp_path: Path) -> None:
    circuit = example()
    for form, ending in FORMATS.items():
        path = circuit.write(tmp_path / f"circuit{ending}")
        assert path.read_text() == circuit.text(form)
    with pytest.raises(CommandError, match="the name says no format"):
        circuit.write(tmp_path / "circuit.pdf")


def test_the_picture_stands_in_the_page() -> None:
    circuit = example()
    drawn = circuit._repr_svg_()
    assert drawn is None or drawn[drawn.index("<svg") :] in circuit._repr_html_()
    assert str(circuit) == "small: 2 of 9 nodes, 0 edges; seed 1"
