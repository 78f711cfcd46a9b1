"""Interventions: what they do on random models by plain formulas, and what they mean on planted circuits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.planted.circuits import Planted, quotes
from circuitlang.circuit.find import Finder
from circuitlang.circuit.intervene import Act, prepared, run
from circuitlang.circuit.mask import keeping
from circuitlang.circuit.matched_positions import NONE, partners
from circuitlang.model import score
from circuitlang.prompts.encode import Batch
from circuitlang.prompts.generate import Generator
from circuitlang.site import Node, Place, Site
from circuitlang.storage.cache import Cache


def some_nodes(config, seed: int, share: float) -> tuple[Node, ...]:
    random = np.random.default_rng(seed)
    nodes = [Node(s, i) for s in config.sites() for i in range(config.size(s))]
    return tuple(node for node in nodes if random.random() < share)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), share=st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_keep_and_drop_are_masks(make_model, make_batch, make_stand_ins, seed: int, share: float) -> None:
    model, batch = make_model(seed), make_batch(seed)
    mean = make_stand_ins(model.config, seed)
    nodes = some_nodes(model.config, seed, share)
    mask = keeping(nodes, model.config, mean)
    assert torch.equal(run(model, batch, [Act("keep", nodes)], mean), score.answer_logits(model, batch, mask))
    dropped = score.answer_logits(model, batch, mask.complement())
    assert torch.equal(run(model, batch, [Act("drop", nodes)], mean), dropped)
    both = run(model, batch, [Act("keep", nodes), Act("drop", nodes[:3])], mean)
    rest = keeping(nodes[3:], model.config, mean)
    assert torch.equal(both, score.answer_logits(model, batch, rest))


def test_nothing_done_is_the_model(make_model, make_batch, make_stand_ins) -> None:
    model, batch = make_model(), make_batch()
    mean = make_stand_ins(model.config)
    untouched = score.answer_logits(model, batch)
    node = (Node(Site(0, Place.NEURON), 3),)
    for acts in ([], [Act("scale", node, 1.0)], [Act("set", node, 3.0, at="absent")], [Act("drop", ())]):
        assert torch.equal(run(model, batch, acts, mean), untouched)


def test_set_and_scale_at_a_site(make_model, make_batch, make_stand_ins) -> None:
    model, batch = make_model(), make_batch()
    mean = make_stand_ins(model.config)
    site = Site(1, Place.NEURON)

    def by_hand(change: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        def edit(here: Site, x: torch.Tensor) -> torch.Tensor:
            if here != site:
                return x
            x = x.clone()
            x[..., 5] = change(x[..., 5])
            return x

        return score.answer_logits(model, batch, edit)

    node = (Node(site, 5),)
    assert torch.equal(run(model, batch, [Act("set", node, -1.5)], mean), by_hand(lambda x: x * 0 - 1.5))
    assert torch.equal(run(model, batch, [Act("scale", node, 3.0)], mean), by_hand(lambda x: 3 * x))


def test_a_constant_site_is_computed_again_where_it_is_set(make_model, make_batch, make_stand_ins) -> None:
    """Compaction leaves out what a circuit has nothing of; a node that is set there must still reach the answer."""
    model, batch = make_model(), make_batch()
    mean = make_stand_ins(model.config)
    kept = tuple(n for n in some_nodes(model.config, 0, 1.0) if n.site != Site(0, Place.NEURON))
    node = (Node(Site(0, Place.NEURON), 0),)
    acts = [Act("keep", kept), Act("set", node, 50.0)]
    assert not torch.equal(run(model, batch, acts, mean), run(model, batch, acts[:1], mean))


def marked(batch: Batch) -> Batch:
    return dataclasses.replace(batch, marks=tuple({"m": (2, 3)} for _ in range(len(batch))))


def test_at_a_mark_only_its_positions_change(make_model, make_batch, make_stand_ins) -> None:
    model, batch = make_model(), marked(make_batch())
    mean = make_stand_ins(model.config)
    site = Site(0, Place.MLP_IN)
    for act in (
        Act("drop", (Node(site, 2),), at="m"),
        Act("set", (Node(site, 2),), 4.0, at="m"),
        Act("keep", (Node(site, 2),), at="m"),
    ):
        small, edit = prepared(model, batch, [act], mean)
        seen = {}

        def watch(here: Site, x: torch.Tensor, edit=edit, seen=seen) -> torch.Tensor:
            seen[here] = (x, edit(here, x))
            return seen[here][1]

        score.answer_logits(small, batch, watch)
        before, after = seen[site]
        units = [u for u in range(model.config.width) if u != 2] if act.kind == "keep" else [2]
        changed = (before != after).nonzero()
        assert set(changed[:, 1].tolist()) == {2, 3}
        assert set(changed[:, 2].tolist()) <= set(units)


def test_partners_by_position_and_by_mark() -> None:
    def batch(ends, marks) -> Batch:
        rows = len(ends)
        zeros = np.zeros(rows, np.int64)
        tokens = np.zeros((rows, 8), np.int64)
        tokens[:, 1:] = np.arange(rows)[:, None]  # alike in the token in front alone
        return Batch(tokens, np.array(ends), zeros, zeros[:, None], zeros < 0, False, 2, marks)

    same = partners(batch([5, 5], ({}, {})))
    assert same.row.tolist() == [1, 0]
    assert same.share == 1.0
    # 0 front, 1 x, 2..3 m, 4 y, 5 end against 0 front, 1 x, 2 m, 3 y, 4 end
    found = partners(batch([5, 4], ({"m": (2, 3)}, {"m": (2,)})))
    assert found.position[0, :6].tolist() == [0, NONE, NONE, 2, 3, 4]
    assert found.position[1, :5].tolist() == [0, NONE, 3, 4, 5]
    # alike in 0 front, 1 w, 2 m; apart from 3 x, 4 end against 3 y, 4 m, 5 z, 6 end
    some = batch([4, 6], ({"m": (2,)}, {"m": (2, 4)}))
    some.tokens[:] = [[0, 7, 8, 1, 2, 0, 0, 0], [0, 7, 8, 3, 8, 4, 2, 0]]
    found = partners(some)
    assert found.position[0, :5].tolist() == [0, 1, 2, 5, 6]
    assert found.position[1, :7].tolist() == [0, 1, 2, NONE, NONE, 3, 4]
    with pytest.raises(ValueError, match="has to be named"):
        partners(dataclasses.replace(batch([5, 5, 5], ({}, {}, {})), cases=3))
    named = partners(dataclasses.replace(batch([5, 5, 5], ({}, {}, {})), cases=3), to=2)
    assert named.row.tolist() == [2, 2, 2]


def ready(planted: Planted, datapoints: int = 16):
    finder = Finder(planted.checkpoint, Generator(planted.program.tasks["planted"], 0), Cache(None), "")
    return planted.checkpoint.model, finder.prompts("select", 0, datapoints), finder.mean()


def share_right(logits: torch.Tensor, batch: Batch) -> float:
    return float(score.correct(logits, batch).mean())


DETECTOR, KIND = Node(Site(0, Place.NEURON), 0), Node(Site(0, Place.NEURON), 1)


def test_swapping_the_kind_turns_the_quote() -> None:
    model, batch, mean = ready(quotes())
    logits = run(model, batch, [Act("swap", (KIND,))], mean)
    assert share_right(logits, batch) == 0.0
    assert (score.choice(logits, batch) == 1).all()
    assert share_right(run(model, batch, [Act("swap", (DETECTOR,))], mean), batch) == 1.0
    both = [Act("keep", tuple(sorted(quotes().nodes))), Act("swap", (KIND,))]
    assert share_right(run(model, batch, both, mean), batch) == 0.0
    only_there = run(model, batch, [Act("swap", (KIND,), at="open")], mean)
    assert share_right(only_there, batch) == 0.0


def test_setting_the_kind_decides_for_both() -> None:
    model, batch, mean = ready(quotes())
    double = run(model, batch, [Act("set", (KIND,), 4.0, at="open")], mean)
    assert score.correct(double, batch).view(-1, 2).mean(0).tolist() == [1.0, 0.0]
    single = run(model, batch, [Act("scale", (KIND,), 0.0)], mean)
    assert score.correct(single, batch).view(-1, 2).mean(0).tolist() == [0.0, 1.0]
