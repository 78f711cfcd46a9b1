"""Edges left out: one at a time as an arrow that is cut, all of them together under the target."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.planted.circuits import lookup, quotes
from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.cut import EdgeCut, rewired
from circuitlang.circuit.extract import weight_edges
from circuitlang.circuit.find import Finder
from circuitlang.circuit.losses import mean_and_error, per_prompt_loss
from circuitlang.circuit.mask import Mask, keeping
from circuitlang.circuit.unneeded import Edges, unneeded_edges
from circuitlang.model import score
from circuitlang.prompts.generate import Generator
from circuitlang.site import Place
from circuitlang.storage.cache import Cache


@given(seed=st.integers(0, 40), activations=st.sampled_from([0.5, 1.0]))
@settings(max_examples=20, deadline=None)
def test_one_edge_that_is_left_out_is_one_arrow_that_is_cut(
    make_model, make_batch, make_mask, make_stand_ins, seed, activations
):
    model, batch = make_model(seed, activations=activations), make_batch(seed)
    stand_ins = make_stand_ins(model.config)
    nodes = make_mask(model.config, seed, 0.5).nodes()
    circuit, mask = Edges(model, Ablation(stand_ins), nodes), keeping(nodes, model.config, stand_ins)
    assert torch.equal(circuit.losses((), batch), per_prompt_loss(model, circuit.ablation, nodes, batch))
    edges = [(edge.source, edge.target) for edge in weight_edges(model, nodes)]
    by_matrix = {(s.site, t.site): (s, t) for s, t in edges}  # one of each
    for source, target in by_matrix.values():
        cut = rewired(model, batch, mask, EdgeCut(source, target), stand_ins)
        with torch.no_grad():
            expected = score.loss(score.answer_logits(cut, batch, mask), batch)
        assert torch.allclose(circuit.losses([(source, target)], batch), expected, atol=1e-4)


def test_edges_of_several_matrices_are_left_out_together(make_model, make_batch, make_stand_ins):
    model, batch = make_model(3), make_batch(3)
    stand_ins = make_stand_ins(model.config)
    nodes = Mask({s: torch.ones(model.config.size(s)) for s in stand_ins}, stand_ins).nodes()
    circuit = Edges(model, Ablation(stand_ins), nodes)
    edges = [(edge.source, edge.target) for edge in weight_edges(model, nodes)]
    # Nothing but a prompt's last token then reaches the answer: by the residual stream alone.
    rows = range(len(batch))
    tokens = make_batch(4).tokens
    tokens[rows, batch.end] = batch.tokens[rows, batch.end]
    alike = replace(batch, tokens=tokens)
    assert torch.allclose(circuit.logits(edges, batch), circuit.logits(edges, alike), atol=1e-4)
    assert not torch.allclose(circuit.logits((), batch), circuit.logits((), alike), atol=1e-2)


def test_edges_into_a_sub_layer_that_writes_nothing_cost_nothing(make_model, make_batch, make_stand_ins):
    model, batch = make_model(3), make_batch(3)
    stand_ins = make_stand_ins(model.config)
    whole = Mask({s: torch.ones(model.config.size(s)) for s in stand_ins}, stand_ins).nodes()
    nodes = [n for n in whole if n.site.place is not Place.ATTN_OUT and n.site.place is not Place.MLP_OUT]
    circuit = Edges(model, Ablation(stand_ins), nodes)
    edges = [(edge.source, edge.target) for edge in weight_edges(model, nodes)]
    assert edges
    assert circuit.rises((), edges, batch) == [0.0] * len(edges)
    assert torch.equal(circuit.losses(edges, batch), circuit.losses((), batch))


@pytest.mark.parametrize("make", [quotes, lookup])
def test_of_a_planted_circuit_every_edge_is_needed_and_a_decoy_s_is_not(make):
    planted = make()
    model, draw = planted.checkpoint.model, Generator(planted.program.tasks["planted"], 0)
    finder = Finder(planted.checkpoint, draw, Cache(None), "")
    train, select = finder.prompts("train", 0, 16), finder.prompts("select", 0, 64)
    circuit = Edges(model, Ablation(finder.mean()), tuple(sorted(planted.nodes | planted.decoys)))
    edges = [(edge.source, edge.target) for edge in weight_edges(model, circuit.nodes)]
    loss = float(circuit.losses((), select).mean())
    out = unneeded_edges(circuit, edges, train, select, loss + 0.05, 3.0)
    decoys = {edge for edge in edges if not planted.nodes.issuperset(edge)}
    assert decoys
    assert decoys <= out
    without, error = mean_and_error(circuit.losses(out, select), select.cases)
    assert without + 3.0 * error <= loss + 0.05
    assert unneeded_edges(circuit, edges, train, select, loss / 2, 3.0) == set()
