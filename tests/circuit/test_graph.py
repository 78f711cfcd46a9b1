"""The circuit as plain data: what counts as an edge, its order, and its way to JSON and back."""

import json
import subprocess
import sys

import jsonschema
import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitlang.circuit.graph import (
    ANSWER,
    CircuitGraph,
    GraphEdge,
    GraphNode,
    attention_edges,
    graph_schema,
    jaccard,
    residual_edges,
)
from circuitlang.site import PRUNED_PLACES, Node, Place, Site

SCHEMA = jsonschema.Draft202012Validator(graph_schema())
HEADS = (Place.Q, Place.K, Place.V)


def node(layer, place, index):
    return Node(Site(layer, Place(place)), index)


def kept(found, cost=0.1):
    head = divmod(found.index, 4) if found.site.place in HEADS else (None, None)
    return GraphNode(found, cost, 0.5, *head)


sites = st.builds(Site, st.integers(0, 3), st.sampled_from(PRUNED_PLACES))
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def graphs(draw):
    nodes = draw(st.lists(st.builds(Node, sites, st.integers(0, 9)), unique=True, max_size=12))
    data = tuple(
        GraphNode(
            n, draw(numbers), draw(numbers), *(divmod(n.index, 4) if n.site.place in HEADS else (None, None))
        )
        for n in nodes
    )
    ends = [*nodes, *draw(st.lists(st.text(max_size=5), unique=True, max_size=3))]
    pairs = (
        draw(st.lists(st.tuples(st.sampled_from(ends), st.sampled_from(ends)), unique=True)) if ends else []
    )
    edges = tuple(
        GraphEdge(
            a, b, draw(numbers), "weight" if isinstance(a, Node) and isinstance(b, Node) else "embedding"
        )
        for a, b in pairs
    )
    return CircuitGraph(data, edges, len(nodes) + draw(st.integers(0, 99)))


@given(graphs())
def test_json_loses_nothing(graph):
    text = graph.to_json()
    again = CircuitGraph.from_json(text)
    assert again == graph
    assert again.to_json() == text
    assert SCHEMA.is_valid(json.loads(text))


@given(graphs(), st.randoms())
def test_the_order_given_does_not_matter(graph, random):
    nodes, edges = list(graph.nodes), list(graph.edges)
    random.shuffle(nodes)
    random.shuffle(edges)
    assert CircuitGraph(tuple(nodes), tuple(edges), graph.total_nodes).to_json() == graph.to_json()


@given(graphs())
def test_networkx_has_every_node_and_edge(graph):
    found = graph.networkx()
    assert isinstance(found, networkx.DiGraph)
    assert found.number_of_edges() == len(graph.edges)
    assert [str(n.node) for n in graph.nodes] == [n for n in found if isinstance(n, str)]


def test_only_nonzero_weights_between_nodes_count():
    """One read, one neuron, one write: 3 nodes and 2 edges, the simplest MLP circuit of the paper."""
    read, neuron, write = node(0, "mlp_in", 3), node(0, "neuron", 7), node(0, "mlp_out", 5)
    graph = CircuitGraph(
        tuple(map(kept, (write, neuron, read))),
        (
            GraphEdge(read, neuron, 0.5, "weight"),
            GraphEdge(neuron, write, -0.5, "weight"),
            GraphEdge(read, write, 0.0, "weight"),
            GraphEdge('"', read, 0.3, "embedding"),
            GraphEdge("'", read, 0.0, "embedding"),
            GraphEdge(write, '"', 0.2, "unembedding"),
            GraphEdge(write, ANSWER, 1.0, "residual"),
        ),
        99,
    )
    assert [n.node for n in graph.nodes] == [read, neuron, write]
    counts = (graph.node_count, graph.edge_count, graph.embedding_edge_count, graph.unembedding_edge_count)
    assert counts == (3, 2, 1, 1)


def test_a_channel_runs_from_every_write_to_every_later_read():
    write, same_layer = node(0, "attn_out", 5), node(0, "mlp_in", 5)
    later, other, earlier = node(1, "attn_in", 5), node(1, "attn_in", 6), node(0, "attn_in", 5)
    last = node(1, "mlp_out", 5)
    edges = residual_edges([last, other, later, same_layer, write, earlier])
    pairs = [(e.source, e.target) for e in edges]
    assert pairs == [(write, same_layer), (write, later), (write, ANSWER), (last, ANSWER)]
    assert {e.kind for e in edges} == {"residual"}
    assert [e.target for e in residual_edges([last, write, later], write_to_answer=False)] == [later]


def test_a_key_meets_the_query_of_its_own_channel():
    nodes = [kept(node(0, p, i)) for p, i in (("q", 5), ("k", 5), ("k", 6), ("v", 5), ("q", 9))]
    nodes.append(kept(node(1, "k", 9)))
    (edge,) = attention_edges(nodes)
    assert (edge.source, edge.target, edge.kind) == (node(0, "k", 5), node(0, "q", 5), "attention")


def test_overlap():
    read, neuron, write = (kept(node(0, p, 1)) for p in ("mlp_in", "neuron", "mlp_out"))
    first = CircuitGraph((read, neuron), (GraphEdge(read.node, neuron.node, 1, "weight"),), 9)
    second = CircuitGraph((neuron, write), (GraphEdge(neuron.node, write.node, 1, "weight"),), 9)
    empty = CircuitGraph((), (), 9)
    assert jaccard(first, first) == (1, 1)
    assert jaccard(first, second) == (1 / 3, 0)
    assert jaccard(first, empty) == (0, 0)
    assert jaccard(empty, empty) == (1, 1)


def test_a_token_at_both_ends_makes_no_cycle():
    read, write = kept(node(0, "mlp_in", 3)), kept(node(0, "mlp_out", 3))
    edges = (GraphEdge("x", read.node, 1, "embedding"), GraphEdge(write.node, "x", 1, "unembedding"))
    found = CircuitGraph((read, write), edges, 9).networkx()
    assert set(found) == {"0.mlp_in[3]", "0.mlp_out[3]", ("token", "x"), ("answer", "x")}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GraphNode(node(0, "mlp_in", 1), float("nan"), 0.0), "finite"),
        (lambda: GraphNode(node(0, "q", 1), 0.0, 0.0), "head and channel"),
        (lambda: GraphNode(node(0, "neuron", 1), 0.0, 0.0, 1, 1), "head and channel"),
        (lambda: GraphEdge("a", "b", float("inf"), "embedding"), "finite"),
        (lambda: CircuitGraph((kept(node(0, "mlp_in", 1)),) * 2, (), 9), "twice"),
        (lambda: CircuitGraph((kept(node(0, "mlp_in", 1)),), (), 0), "1 nodes kept of a model with 0"),
        (
            lambda: CircuitGraph((), (GraphEdge(node(0, "v", 1), "x", 1, "unembedding"),), 9),
            "not in the circuit",
        ),
        (lambda: CircuitGraph((), (GraphEdge("a", "b", 1, "embedding"),) * 2, 9), "same two ends"),
        (lambda: CircuitGraph((), (GraphEdge("a", "b", 1, "weight"),), 9), "joins two nodes"),
    ],
)
def test_what_is_no_circuit_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"total_nodes": 1, "nodes": [{"node": "0.q[1]"}], "edges": []},
        {
            "total_nodes": 1,
            "nodes": [{"node": "q1", "cost": 0, "mean": 0, "head": 0, "channel": 1}],
            "edges": [],
        },
        {
            "total_nodes": 1,
            "nodes": [{"node": "0.q[1]", "cost": 0, "mean": 0, "head": "0", "channel": 1}],
            "edges": [],
        },
        {
            "total_nodes": 1,
            "nodes": [],
            "edges": [{"source": {"token": "a"}, "target": 3, "weight": 1, "kind": "x"}],
        },
    ],
)
def test_json_of_something_else_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011
        CircuitGraph.from_data(data)


def test_reading_a_graph_needs_neither_torch_nor_networkx():
    program = (
        "import sys, circuitlang.circuit.graph, circuitlang.claims.verdict, circuitlang.report.report_folder;"
        "print(sorted({'torch', 'networkx', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
