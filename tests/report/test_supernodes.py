"""Groups of nodes: a partition, the same for equal circuits however written, with no circle between them."""

from __future__ import annotations

import random

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.circuit.graph import CircuitGraph
from circuitlang.report.supernodes import SHOWN, Group, supernodes
from circuitlang.site import Node
from tests.report.conftest import random_graph, small_graph

graphs = st.builds(
    random_graph, st.integers(1, 120), st.integers(0, 10_000), channels=st.sampled_from([8, 24])
)


@st.composite
def with_roles(draw: st.DrawFn) -> tuple[CircuitGraph, dict[str, tuple[str, ...]]]:
    graph = draw(graphs)
    names = st.sets(st.sampled_from([str(node) for node in graph.kept]), max_size=9)
    roles = draw(st.dictionaries(st.sampled_from(["first", "second", "third"]), names.map(sorted).map(tuple)))
    return graph, roles


def alike(one: Node, other: Node) -> bool:
    return one.index % 3 == other.index % 3


def parts(groups: tuple[Group, ...]) -> list[tuple[str, str, tuple[Node, ...]]]:
    return [(group.kind, group.name, tuple(n.node for n in group.nodes)) for group in groups]


@given(with_roles(), st.integers(0, 12))
@settings(max_examples=150, deadline=None)
def test_every_node_is_in_one_group(
    drawn: tuple[CircuitGraph, dict[str, tuple[str, ...]]], shown: int
) -> None:
    graph, roles = drawn
    found = supernodes(graph, roles, alike, shown)
    assert sorted(n.node for group in found for n in group.nodes) == sorted(graph.kept)
    assert [group.name for group in found if group.kind == "role"] == list(roles)
    assert all(group.nodes for group in found if group.kind != "role")
    assert sum(group.kind != "rest" for group in found) <= max(shown, len(roles))
    played = {node: name for name in reversed(list(roles)) for node in roles[name]}
    for group in found:
        assert {played.get(str(n.node), "") for n in group.nodes} <= {group.name}


@given(graphs, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_in_which_a_circuit_is_written_does_not_matter(
    graph: CircuitGraph, draw: random.Random
) -> None:
    nodes, edges = list(graph.nodes), list(graph.edges)
    draw.shuffle(nodes)
    draw.shuffle(edges)
    again = CircuitGraph(tuple(nodes), tuple(edges), graph.total_nodes)
    assert parts(supernodes(again, alike=alike)) == parts(supernodes(graph, alike=alike))


@given(graphs)
@settings(max_examples=100, deadline=None)
def test_groups_of_a_circuit_without_roles_make_no_circle(graph: CircuitGraph) -> None:
    of = {
        n.node: i for i, group in enumerate(supernodes(graph, alike=alike, shown=10_000)) for n in group.nodes
    }
    between = networkx.DiGraph(
        (of[edge.source], of[edge.target])
        for edge in graph.drawn
        if isinstance(edge.source, Node) and isinstance(edge.target, Node)
    )
    between.remove_edges_from(list(networkx.selfloop_edges(between)))
    assert networkx.is_directed_acyclic_graph(between)


@given(graphs)
@settings(max_examples=60, deadline=None)
def test_what_a_group_is_made_of(graph: CircuitGraph) -> None:
    for group in supernodes(graph, alike=alike, shown=10_000):
        places = {(n.node.site.layer, n.head) for n in group.nodes if n.head is not None}
        neurons = {n.node.site for n in group.nodes if n.node.site.place == "neuron"}
        if group.kind == "rest":
            continue
        assert len(places) <= (group.kind == "head")
        assert len(neurons) <= (group.kind == "neuron")


def test_the_small_circuit_of_quotes() -> None:
    assert [[str(n.node) for n in group.nodes] for group in supernodes(small_graph())] == [
        ["0.mlp_in[7]"],
        ["0.mlp_in[21]", "1.attn_in[21]"],
        ["0.neuron[279]", "0.mlp_out[460]", "1.attn_in[460]"],
        ["0.neuron[863]", "0.mlp_out[985]", "1.attn_in[985]"],
        ["1.q[1313]", "1.k[1313]", "1.v[1312]", "1.attn_out[83]"],
    ]


@pytest.mark.parametrize("size", [500, 1000])
def test_a_large_circuit_has_few_boxes(size: int) -> None:
    found = supernodes(random_graph(size, layers=8, channels=256))
    assert len(found) == SHOWN + 1
    assert sum(len(group.nodes) for group in found) >= size


def test_a_circuit_of_no_node_has_no_group() -> None:
    empty = CircuitGraph((), (), 10)
    assert supernodes(empty) == ()
    assert parts(supernodes(empty, {"gone": ("0.neuron[1]",)})) == [("role", "gone", ())]
