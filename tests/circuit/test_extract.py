"""The graph of a circuit: costs by direct ablation, edges from the weight matrices, nothing that leads nowhere."""

import math

import numpy as np
import pytest
import torch

from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.extract import (
    embedding_edges,
    extract,
    node_costs,
    unembedding_edges,
    weight_count,
    weight_edges,
)
from circuitlang.circuit.graph import GraphEdge
from circuitlang.circuit.mask import keeping
from circuitlang.model import score
from circuitlang.model.training.sparsity import project
from circuitlang.prompts.encode import NO_FOIL, Batch
from circuitlang.site import Node, Place, Site


def nodes_of(config, seed: int, count: int) -> list[Node]:
    everything = [Node(site, i) for site in config.sites() for i in range(config.size(site))]
    picked = torch.randperm(len(everything), generator=torch.Generator().manual_seed(seed))[:count]
    return [everything[i] for i in picked]


@pytest.fixture(scope="session")
def model(make_model):
    """Sparse, so that many edges are absent; 270 tokens, as the tokenizer has."""
    made = make_model(sink=True, activations=0.5, vocabulary=270)
    project(made, 0.3, 0.3, 1)
    return made


@pytest.fixture(scope="session")
def batch(make_batch):
    return make_batch(0, vocabulary=270)


def slow_edges(model, nodes) -> set[tuple[Node, Node, float]]:
    """Every entry of every block matrix, one by one."""
    found = set()
    for layer in range(model.config.layers):
        attention, mlp = model.attention[layer], model.mlp[layer]
        matrices = [
            (Place.ATTN_IN, Place.Q, attention.query),
            (Place.ATTN_IN, Place.K, attention.key),
            (Place.ATTN_IN, Place.V, attention.value),
            (Place.V, Place.ATTN_OUT, attention.out),
            (Place.MLP_IN, Place.NEURON, mlp.up),
            (Place.NEURON, Place.MLP_OUT, mlp.down),
        ]
        for source, target, linear in matrices:
            rows = linear.weight.tolist()
            for i in range(len(rows)):
                for j in range(len(rows[0])):
                    ends = Node(Site(layer, source), j), Node(Site(layer, target), i)
                    if rows[i][j] != 0 and ends[0] in nodes and ends[1] in nodes:
                        found.add((*ends, rows[i][j]))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_weight_edges_are_the_nonzero_weights_between_kept_nodes(model, seed):
    nodes = nodes_of(model.config, seed, 80)
    edges = weight_edges(model, nodes)
    assert {(e.source, e.target, e.weight) for e in edges} == slow_edges(model, set(nodes))
    assert len(edges) > 20
    assert all(edge.kind == "weight" for edge in edges)


@pytest.mark.parametrize("count", [0, 1, 7, 80, None])
def test_edges_come_by_target_and_source_in_the_order_of_the_nodes(model, count):
    nodes = nodes_of(model.config, 5, model.config.total_nodes if count is None else count)
    slow = {(source, target): weight for source, target, weight in slow_edges(model, set(nodes))}
    ends = [(source, target) for target in nodes for source in nodes if (source, target) in slow]
    edges = weight_edges(model, nodes)
    assert [(e.source, e.target, e.weight) for e in edges] == [(*pair, slow[pair]) for pair in ends]
    assert weight_count(model, nodes) == len(edges)


def test_with_all_nodes_every_block_weight_is_an_edge(make_model):
    model = make_model(layers=1, width=4, heads=2, hidden=6)
    project(model, 0.5, 0.5, 1)
    nodes = nodes_of(model.config, 0, model.config.total_nodes)
    blocks = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    assert len(weight_edges(model, nodes)) == sum(int((p != 0).sum()) for p in blocks)


def test_node_costs_are_direct_ablations(model, batch, make_stand_ins):
    mean, nodes = make_stand_ins(model.config), nodes_of(model.config, 1, 12)

    def loss(kept) -> float:
        logits = score.answer_logits(model, batch, keeping(kept, model.config, mean))
        return float(score.loss(logits, batch).double().mean())

    found = node_costs(model, Ablation(mean), nodes, batch)
    assert list(found) == nodes
    for node, cost in found.items():
        assert math.isclose(cost, loss([n for n in nodes if n != node]) - loss(nodes), abs_tol=1e-5), node
    assert max(map(abs, found.values())) > 0.01


def test_embedding_edges_are_of_the_prompts_tokens_and_the_channels_read(model, batch, tokenizer):
    nodes = nodes_of(model.config, 2, 60)
    used = {int(batch.tokens[r, p]) for r in range(len(batch)) for p in range(batch.end[r] + 1)}
    beyond = {int(t) for t in batch.tokens.flatten()} - used
    assert beyond, "the padding has tokens that no prompt has"
    expected = {
        (token, node): float(model.embed[token, node.index])
        for token in used
        for node in nodes
        if node.site.place in (Place.ATTN_IN, Place.MLP_IN) and model.embed[token, node.index] != 0
    }
    edges = embedding_edges(model, nodes, batch, tokenizer)
    assert {(e.target, e.weight) for e in edges} == {(node, w) for (_, node), w in expected.items()}
    assert len(edges) == len(expected)
    assert {e.source for e in edges} <= {name(tokenizer, token, used) for token in used}
    assert {(e.source, e.target) for e in edges} == {
        (name(tokenizer, token, used), node) for token, node in expected
    }


def name(tokenizer, token: int, among: set[int]) -> str:
    text = tokenizer.decode([token])
    return f"{text} #{token}" if sum(tokenizer.decode([t]) == text for t in among) > 1 else text


def test_tokens_that_look_the_same_stay_apart(model, tokenizer):
    """Halves of characters all decode to the replacement character."""
    halves = [token for token in range(270) if tokenizer.decode([token]) == "\ufffd"][:3]
    assert len(halves) == 3
    rows = np.array([halves])
    batch = Batch(rows, np.array([2]), rows[:, 0], rows[:, 1:2], rows[:, 0] < 0, False, 1, ({},))
    nodes = [Node(Site(0, Place.ATTN_IN), i) for i in range(16)]
    edges = embedding_edges(model, nodes, batch, tokenizer)
    assert {e.source for e in edges} == {f"\ufffd #{token}" for token in halves}
    assert len({(e.source, e.target) for e in edges}) == len(edges)


def test_unembedding_edges_are_of_the_candidates_and_the_channels_written(model, batch, tokenizer):
    nodes = nodes_of(model.config, 3, 60)
    answers = {int(t) for t in batch.answer} | {int(t) for t in batch.foils.flatten() if t != NO_FOIL}
    expected = {
        (node, name(tokenizer, token, answers)): float(model.unembed[token, node.index])
        * float(model.norm.weight[node.index])
        for token in answers
        for node in nodes
        if node.site.place in (Place.ATTN_OUT, Place.MLP_OUT) and model.unembed[token, node.index] != 0
    }
    edges = {(e.source, e.target): e.weight for e in unembedding_edges(model, nodes, batch, tokenizer)}
    assert edges.keys() == expected.keys()
    assert all(math.isclose(edges[ends], weight, rel_tol=1e-6) for ends, weight in expected.items())


def test_the_whole_graph(model, batch, make_stand_ins, tokenizer):
    mean, nodes = make_stand_ins(model.config), nodes_of(model.config, 4, 30)
    graph = extract(model, Ablation(mean), nodes, batch, tokenizer)
    assert [n.node for n in graph.nodes] == sorted(nodes)
    assert graph.total_nodes == model.config.total_nodes
    assert graph.edge_count == len(slow_edges(model, set(nodes)))
    assert graph.embedding_edge_count == len(embedding_edges(model, nodes, batch, tokenizer))
    assert graph.unembedding_edge_count == len(unembedding_edges(model, nodes, batch, tokenizer))
    costs = node_costs(model, Ablation(mean), nodes, batch)
    for found in graph.nodes:
        assert (found.cost, found.mean) == (costs[found.node], float(mean[found.node.site][found.node.index]))
        if found.node.site.place in (Place.Q, Place.K, Place.V):
            assert (found.head, found.channel) == (found.node.index // 4, found.node.index % 4)
        else:
            assert found.head is None


def read(layer: int, place: Place, index: int) -> Node:
    return Node(Site(layer, place), index)


def test_edges_have_the_weights_of_the_model(model):
    nodes = [read(0, Place.ATTN_IN, j) for j in range(16)] + [read(0, Place.V, 4)]
    row = model.attention[0].value.weight[4]
    expected = [
        GraphEdge(n, read(0, Place.V, 4), float(row[n.index]), "weight") for n in nodes[:16] if row[n.index]
    ]
    assert sorted(weight_edges(model, nodes), key=lambda e: e.source) == expected


def test_channels_of_positions_are_read_and_have_no_embedding(
    make_model, make_batch, make_stand_ins, tokenizer
):
    model = make_model(vocabulary=270, positions="concatenated", position_width=3)
    beside = [Node(Site(0, Place.ATTN_IN), 18), Node(Site(1, Place.MLP_IN), 16)]
    nodes = [
        *beside,
        Node(Site(0, Place.V), 2),
        Node(Site(0, Place.ATTN_OUT), 0),
        Node(Site(1, Place.NEURON), 31),
    ]
    batch = make_batch(0, vocabulary=270)
    graph = extract(model, Ablation(make_stand_ins(model.config)), nodes, batch, tokenizer)
    edges = {(edge.source, edge.target): edge for edge in graph.edges}
    assert edges[nodes[0], nodes[2]].weight == float(model.attention[0].value.weight[2, 18])
    assert edges[nodes[1], nodes[4]].weight == float(model.mlp[1].up.weight[31, 16])
    assert not any(edge.target in beside for edge in graph.edges)
    assert graph.total_nodes == model.config.total_nodes == 2 * (5 * 16 + 32 + 2 * 19)
