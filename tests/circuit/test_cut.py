"""Arrows and single weights: what goes through them becomes its mean, the other case's, or a multiple."""

from __future__ import annotations

import dataclasses
import math
from itertools import product

import pytest
import torch

from benchmarks.planted.circuits import Planted, brackets, lookup, quotes
from circuitlang.circuit.cut import Cut, EdgeCut, rewired, run_without, without
from circuitlang.circuit.extract import weight_edges
from circuitlang.circuit.find import Finder
from circuitlang.circuit.intervene import Act, prepared, record, run
from circuitlang.model import score
from circuitlang.model.transformer import Transformer, unchanged
from circuitlang.prompts.encode import Batch
from circuitlang.prompts.generate import Generator
from circuitlang.site import Node, Place, Site
from circuitlang.storage.cache import Cache

DETECTOR, KIND = Node(Site(0, Place.NEURON), 0), Node(Site(0, Place.NEURON), 1)
KEY, VALUE = Node(Site(1, Place.K), 0), Node(Site(1, Place.V), 0)


def ready(planted: Planted, datapoints: int = 16):
    finder = Finder(planted.checkpoint, Generator(planted.program.tasks["planted"], 0), Cache(None), "")
    return planted.checkpoint.model, finder.prompts("select", 0, datapoints), finder.mean()


def even(batch: Batch) -> Batch:
    """The prompts made equally long, with a mark: so each position is the counterpart of the same position."""
    length = batch.tokens.shape[1]
    marks = tuple({"m": (1, 3)} for _ in range(len(batch)))
    return dataclasses.replace(batch, end=batch.end * 0 + length - 1, marks=marks)


def all_of(model: Transformer, *sites: Site) -> tuple[Node, ...]:
    return tuple(Node(site, unit) for site in sites for unit in range(model.config.size(site)))


def through_edge(model: Transformer, batch: Batch, edge: EdgeCut, mean) -> torch.Tensor:
    return score.answer_logits(rewired(model, batch, unchanged, edge, mean), batch)


# --- arrows -----------------------------------------------------------------------------------------


def test_an_arrow_is_cut_where_it_leads_and_nowhere_else() -> None:
    model, batch, mean = ready(quotes())

    def after(source: Node, target: Node | None, direct: bool = True) -> float:
        ends = None if target is None else (target,)
        logits = run_without(model, batch, unchanged, [Cut((source,), ends, direct)], mean)
        return float(score.loss(logits, batch).mean())

    whole = float(score.loss(score.answer_logits(model, batch), batch).mean())
    assert after(KIND, VALUE) > math.log(2) / 2
    assert math.isclose(after(KIND, KEY), whole, abs_tol=0.02)
    assert after(DETECTOR, KEY) > 5 * whole
    assert math.isclose(after(DETECTOR, VALUE), whole, abs_tol=0.02)
    # the kind speaks to the answer by the head only
    assert math.isclose(after(KIND, None), whole, abs_tol=0.02)
    assert math.isclose(after(KIND, None, direct=False), after(KIND, VALUE, direct=False), abs_tol=0.02)


def test_all_paths_cut_is_the_node_dropped() -> None:
    for make, node in ((quotes, KIND), (lookup, Node(Site(0, Place.V), 0))):
        model, batch, mean = ready(make())
        cut = run_without(model, batch, unchanged, [Cut((node,), None, direct=False)], mean)
        assert torch.allclose(cut, run(model, batch, [Act("drop", (node,))], mean), atol=1e-5)


def test_an_arrow_is_swapped_where_it_leads() -> None:
    model, batch, mean = ready(quotes())

    def right(*cuts: Cut) -> float:
        return float(score.correct(run_without(model, batch, unchanged, cuts, mean), batch).mean())

    assert right(Cut((KIND,), (VALUE,), kind="swap")) == 0.0
    assert right(Cut((KIND,), (VALUE,), kind="swap", at="open")) == 0.0
    assert right(Cut((KIND,), (VALUE,), kind="swap", at="first")) == 1.0
    assert right(Cut((KIND,), (KEY,), kind="swap")) == 1.0
    assert right(Cut((KIND,), None, direct=False, kind="swap")) == 0.0


@pytest.mark.parametrize("direct", [True, False])
def test_a_swap_of_what_is_the_same_in_both_cases_is_nothing(direct: bool) -> None:
    model, batch, mean = ready(quotes())
    same = Cut((DETECTOR,), (KEY,), direct, kind="swap")
    whole = score.answer_logits(model, batch)
    assert torch.allclose(run_without(model, batch, unchanged, [same], mean), whole, atol=1e-6)
    assert not torch.allclose(
        run_without(model, batch, unchanged, [Cut((DETECTOR,), (KEY,), direct)], mean), whole, atol=0.1
    )


def test_an_arrow_scaled_by_nothing_and_to_nothing() -> None:
    """0 is what a stand-in of 0 is; -1 turns the kind around; 1 changes no bit."""
    model, batch, mean = ready(quotes())
    zero = {site: torch.zeros_like(value) for site, value in mean.items()}

    def scaled(value: float) -> torch.Tensor:
        cut = Cut((KIND,), (VALUE,), kind="scale", value=value)
        return run_without(model, batch, unchanged, [cut], mean)

    assert torch.equal(scaled(1.0), score.answer_logits(model, batch))
    assert torch.equal(scaled(0.0), run_without(model, batch, unchanged, [Cut((KIND,), (VALUE,))], zero))
    assert not torch.allclose(scaled(0.0), scaled(1.0), atol=0.1)


@pytest.mark.parametrize("sink", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_scale_1_of_any_arrow_is_nothing(make_model, make_batch, make_stand_ins, seed: int, sink) -> None:
    model, batch = make_model(seed, sink=sink, activations=0.5), make_batch(seed)
    mean = make_stand_ins(model.config, seed)
    source = all_of(model, Site(0, Place.V), Site(0, Place.ATTN_OUT), Site(0, Place.MLP_OUT))[::3]
    ends = [all_of(model, Site(1, Place.Q), Site(1, Place.V))[:5], all_of(model, Site(1, Place.MLP_IN)), None]
    for target, direct in product(ends, (True, False)):
        cut = Cut(source, target, direct, kind="scale", value=1.0)
        whole = score.answer_logits(model, batch)
        assert torch.allclose(run_without(model, batch, unchanged, [cut], mean), whole, atol=1e-6)


@pytest.mark.parametrize("sink", [True, False])
@pytest.mark.parametrize("target", [Place.Q, Place.K, Place.V, Place.NEURON, Place.ATTN_OUT, Place.MLP_OUT])
def test_all_arrows_into_a_node_swapped_are_the_node_swapped(
    make_model, make_batch, make_stand_ins, target: Place, sink: bool
) -> None:
    """Where prompts are equally long, what a node has is a function of what its layer has at the same positions."""
    sources = {
        Place.NEURON: [Place.MLP_IN],
        Place.MLP_OUT: [Place.NEURON],
        Place.ATTN_OUT: [Place.Q, Place.K, Place.V],
    }.get(target, [Place.ATTN_IN])
    model, batch = make_model(5, sink=sink, activations=0.5), even(make_batch(5))
    mean = make_stand_ins(model.config)
    nodes = all_of(model, *(Site(1, place) for place in sources))
    ends = all_of(model, Site(1, target))[1:4]
    whole = run(model, batch, [Act("swap", ends)], mean)
    assert torch.allclose(
        run_without(model, batch, unchanged, [Cut(nodes, ends, kind="swap")], mean), whole, atol=1e-5
    )
    assert not torch.allclose(whole, score.answer_logits(model, batch), atol=1e-3)


@pytest.mark.parametrize("kind", ["drop", "swap", "scale"])
def test_two_arrows_into_one_node_both_count(make_model, make_batch, make_stand_ins, kind) -> None:
    model, batch = make_model(1), even(make_batch(1))
    mean = make_stand_ins(model.config)
    target = all_of(model, Site(1, Place.V))
    value = 3.0 if kind == "scale" else None
    first, second = (
        Cut((Node(Site(0, Place.NEURON), unit),), target, True, None, kind, value) for unit in (2, 7)
    )
    both = dataclasses.replace(first, source=(*first.source, *second.source))
    expected = run_without(model, batch, unchanged, [both], mean)
    for cuts in ([first, second], [second, first]):
        assert torch.allclose(run_without(model, batch, unchanged, cuts, mean), expected, atol=1e-5)
    for one in (first, second):
        assert not torch.allclose(run_without(model, batch, unchanged, [one], mean), expected, atol=1e-4)


def test_the_order_of_arrows_does_not_matter(make_model, make_batch, make_stand_ins) -> None:
    """What an arrow into an early node does reaches the late node that another arrow leads to."""
    model, batch = make_model(2), make_batch(2)
    mean = make_stand_ins(model.config)
    early = Cut(all_of(model, Site(0, Place.ATTN_IN))[:4], all_of(model, Site(0, Place.V)))
    late = Cut(all_of(model, Site(0, Place.NEURON))[:4], all_of(model, Site(1, Place.NEURON)))
    one = run_without(model, batch, unchanged, [early, late], mean)
    assert torch.equal(one, run_without(model, batch, unchanged, [late, early], mean))
    assert not torch.allclose(one, run_without(model, batch, unchanged, [late], mean), atol=1e-4)


def test_an_arrow_at_a_mark_changes_nothing_before_it(make_model, make_batch, make_stand_ins) -> None:
    model, batch = make_model(3), even(make_batch(3))
    mean = make_stand_ins(model.config)
    source, target = (Node(Site(0, Place.NEURON), 2),), all_of(model, Site(1, Place.V))
    before = record(model, batch, unchanged, {target[0].site})[target[0].site]
    for kind, value in (("drop", None), ("swap", None), ("scale", -2.0)):
        cut = Cut(source, target, True, "m", kind, value)  # pyright: ignore[reportArgumentType]
        edit = without(model, batch, unchanged, [cut], mean)
        after = record(model, batch, edit, {target[0].site})[target[0].site]
        assert set((before != after).nonzero()[:, 1].tolist()) == {1, 3}, kind


def test_values_of_the_other_case_are_those_under_the_same_ablations(
    make_model, make_batch, make_stand_ins
) -> None:
    model, batch = make_model(4), even(make_batch(4))
    mean = make_stand_ins(model.config)
    dropped = Act("drop", all_of(model, Site(0, Place.ATTN_OUT)))
    source, target = all_of(model, Site(1, Place.MLP_IN)), all_of(model, Site(1, Place.NEURON))[:3]
    cut = Cut(source, target, kind="swap")
    small, edit = prepared(model, batch, [dropped], mean, cut.sites)
    expected = run(model, batch, [dropped, Act("swap", target)], mean)
    assert torch.allclose(run_without(small, batch, edit, [cut], mean), expected, atol=1e-5)


# --- single weights ---------------------------------------------------------------------------------


def test_an_edge_dropped_is_exact() -> None:
    """In a threshold neuron that reads one channel: the edge is all of its input, so it becomes a constant."""
    model, batch, mean = ready(brackets())
    source, target = Node(Site(0, Place.MLP_IN), 2), Node(Site(0, Place.NEURON), 0)
    assert float(model.mlp[0].up.weight[0, 2]) != 0
    constant = torch.nn.functional.gelu(
        model.mlp[0].up.weight[0, 2] * mean[source.site][2] + model.mlp[0].up.bias[0]
    )
    by_hand = run(model, batch, [Act("set", (target,), float(constant))], mean)
    found = through_edge(model, batch, EdgeCut(source, target), mean)
    assert torch.allclose(found, by_hand, atol=1e-5)
    assert float(model.mlp[0].up.weight[0, 2]) != 0, "the model itself is as it was"
    with pytest.raises(ValueError, match="no weight"):
        through_edge(model, batch, EdgeCut(source, Node(Site(0, Place.Q), 0)), mean)


@pytest.mark.parametrize("make", [quotes, brackets, lookup])
def test_an_edge_that_is_all_of_a_node_s_input_swapped_is_the_node_swapped(make) -> None:
    planted = make()
    model, batch, mean = ready(planted)
    edges = weight_edges(model, all_of(model, *model.config.sites()))
    into = {edge.target: [e for e in edges if e.target == edge.target] for edge in edges}
    alone = [found[0] for found in into.values() if len(found) == 1]
    alone = [
        edge for edge in alone if edge.source.site.place is not Place.V
    ]  # a pattern is not swapped with it
    assert len(alone) >= 4
    to = None if batch.cases == 2 else 1
    for edge in alone:
        swapped = through_edge(model, batch, EdgeCut(edge.source, edge.target, "swap", to=to), mean)
        expected = run(model, batch, [Act("swap", (edge.target,), to=to)], mean)
        assert torch.allclose(swapped, expected, atol=1e-4), edge


MATRICES = {
    "query": (Place.ATTN_IN, Place.Q),
    "value": (Place.ATTN_IN, Place.V),
    "out": (Place.V, Place.ATTN_OUT),
    "up": (Place.MLP_IN, Place.NEURON),
    "down": (Place.NEURON, Place.MLP_OUT),
}


@pytest.mark.parametrize("sink", [True, False])
@pytest.mark.parametrize("matrix", MATRICES)
def test_edges_by_plain_formulas(make_model, make_batch, make_stand_ins, matrix: str, sink: bool) -> None:
    """The target's value before AbsTopK and GELU, as the linear maps' own sums are compared."""
    model, batch = make_model(6, sink=sink), even(make_batch(6))
    mean = make_stand_ins(model.config)
    source, target = (
        Node(Site(1, place), unit) for place, unit in zip(MATRICES[matrix], (5, 3), strict=True)
    )
    module = model.attention[1] if matrix in ("query", "value", "out") else model.mlp[1]
    weight = float(getattr(module, matrix).weight[3, 5])
    tokens = torch.from_numpy(batch.tokens)

    def sums(changed: Transformer) -> torch.Tensor:
        found: list[torch.Tensor] = []
        part = changed.attention[1] if matrix in ("query", "value", "out") else changed.mlp[1]
        handle = getattr(part, matrix).register_forward_hook(lambda _m, _x, y: found.append(y))
        changed(tokens)
        handle.remove()
        return found[0]

    here = record(model, batch, unchanged, {source.site})[source.site][..., 5]
    other = here.view(-1, 2, here.shape[1]).flip(1).reshape(here.shape)
    marked = torch.zeros_like(here)
    marked[:, [1, 3]] = 1.0
    stand_in = torch.full_like(here, float(mean[source.site][5]))
    for kind, value, new in (("drop", None, stand_in), ("swap", None, other), ("scale", -2.0, -2 * here)):
        for at, where in ((None, torch.ones_like(here)), ("m", marked)):
            edge = EdgeCut(source, target, kind, value, at)  # pyright: ignore[reportArgumentType]
            rise = where * (new - here)
            if matrix == "out":
                sites = [Site(1, Place.Q), Site(1, Place.K)]
                recorded = record(model, batch, unchanged, set(sites))
                pattern = model.attention[1].pattern(*(recorded[site] for site in sites))
                rise = (pattern[:, 5 // model.config.head_width] @ rise[..., None])[..., 0]
            expected = sums(model).clone()
            expected[..., 3] += weight * rise
            found = sums(rewired(model, batch, unchanged, edge, mean))
            assert torch.allclose(found, expected, atol=1e-4), (kind, at)


@pytest.mark.parametrize("sink", [True, False])
def test_scale_1_of_any_edge_is_nothing_and_0_is_the_weight_gone(
    make_model, make_batch, make_stand_ins, sink: bool
) -> None:
    model, batch = make_model(7, sink=sink, activations=0.5), make_batch(7)
    mean = make_stand_ins(model.config)
    whole = score.answer_logits(model, batch)
    for matrix, places in MATRICES.items():
        source, target = (Node(Site(1, place), 2) for place in places)
        once = through_edge(model, batch, EdgeCut(source, target, "scale", 1.0), mean)
        assert torch.allclose(once, whole, atol=1e-6)
        path = f"{'mlp' if matrix in ('up', 'down') else 'attention'}.1.{matrix}.weight"
        parameter = model.get_parameter(path)
        kept = float(parameter[2, 2])
        never = through_edge(model, batch, EdgeCut(source, target, "scale", 0.0), mean)
        parameter[2, 2] = 0.0
        try:
            assert torch.allclose(never, score.answer_logits(model, batch), atol=1e-5), matrix
        finally:
            parameter[2, 2] = kept
