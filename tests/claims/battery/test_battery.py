"""The battery on transformers whose circuits are known: the true circuit passes, each published failure is caught."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.planted.circuits import CIRCUITS, Planted, quotes
from circuitlang.circuit.find import Finder, one_thread
from circuitlang.circuit.graph import CircuitGraph, GraphNode
from circuitlang.circuit.norms import logits_with_scales, scales_of
from circuitlang.circuit.prune import every_node
from circuitlang.claims.battery.agreement import BELOW, TOO_GOOD, calibrated, fit
from circuitlang.claims.battery.check_result import Check, worst_over_seeds
from circuitlang.claims.battery.checks import CHECKS, battery, claimed_wheres, measured
from circuitlang.claims.battery.necessity import BACKUP, NEGLIGIBLE
from circuitlang.claims.battery.runs import Context
from circuitlang.claims.measure import Meter
from circuitlang.claims.verdict import Interval, Outcome
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import Ablate, PruneSettings, VerdictSettings
from circuitlang.model import score
from circuitlang.prompts.generate import Generator
from circuitlang.site import Node, Place, Site
from circuitlang.storage.cache import Cache

GATES = {name for name, row in CHECKS.items() if row.gates}


def context_of(
    planted: Planted,
    nodes: Iterable[Node],
    costs: Mapping[Node, float] | None = None,
    cache: Path | None = None,
    ablate: Ablate = "mean",
) -> Context:
    """A circuit of the planted model's; `costs` of its nodes, 1 nat where none is given."""
    model = planted.checkpoint.model
    generator = Generator(planted.program.tasks["planted"], 0)
    finder = Finder(planted.checkpoint, generator, Cache(cache), planted.name)
    meter = Meter.of(finder, PruneSettings(ablate=ablate))
    width = model.config.head_width

    def shown(node: Node) -> GraphNode:
        head = divmod(node.index, width) if node.site.place in (Place.Q, Place.K, Place.V) else (None, None)
        return GraphNode(node, (costs or {}).get(node, 1.0), 0.0, *head)

    kept = tuple(map(shown, sorted(nodes)))
    graph = CircuitGraph(kept, (), model.config.total_nodes)
    return Context(finder, ablate, meter, graph, VerdictSettings(), 0)


def in_letters(planted: Planted, letters: str, channel: int, value: float) -> None:
    """These letters write a value to a channel."""
    for letter in letters:
        (token,) = planted.checkpoint.tokenizer.encode(letter).ids
        planted.checkpoint.model.embed[token, channel] = value


def add_neuron(planted: Planted, reads: int, writes: Node, size: float, first: int = 30) -> None:
    """Two hidden units of layer 0 that write `size` times a channel's value, of either sign, where a node writes."""
    model = planted.checkpoint.model
    up, down = (model.get_parameter(f"mlp.0.{name}.weight") for name in ("up", "down"))
    for unit, sign in ((first, 1.0), (first + 1, -1.0)):
        up[unit, reads] = 8.0 * sign
        down[writes.index, unit] = sign * size / 8.0


def copied(planted: Planted) -> Node:
    """Where the planted quote circuit writes its answer."""
    (node,) = (n for n in planted.nodes if n.site == Site(1, Place.ATTN_OUT))
    return node


@pytest.fixture(scope="module")
def whole() -> dict[str, Check]:
    """The battery of the circuit that is the whole model."""
    planted = quotes(noise=0.02)
    return {check.name: check for check in battery(context_of(planted, every_node(planted.checkpoint.model)))}


def test_the_whole_model_is_the_model(whole: dict[str, Check]) -> None:
    agreement = whole["agreement"].numbers
    assert agreement["agreement"].value == 1
    assert agreement["KL over all tokens"].value == 0
    assert agreement["KL over answer and foils"].value == 0
    assert agreement["loss minus the model's"].value == 0
    inside = whole["interchange"].numbers
    assert inside["the model's values in the circuit: agreement"].value == 1
    assert inside["the circuit's values in the model: agreement"].value == 1
    assert inside["mean correlation of a node"].value == pytest.approx(1, abs=1e-6)
    assert inside["same sign"].value == 1
    assert {i.value for n, i in whole["attention"].numbers.items() if "variation" in n} == {0.0}
    norms = whole["frozen norms"].numbers
    assert norms["loss"].value == pytest.approx(norms["loss with norms of its own"].value, abs=1e-6)
    sides = whole["held-out prompts"].numbers
    assert sides["held out: loss"] == sides["held out: the model's loss"]
    assert sides["held out: accuracy"].datapoints == 256
    for name in GATES - {"necessity"}:
        assert whole[name].outcome is Outcome.PASS, whole[name]


def test_threads_that_measure_change_nothing() -> None:
    planted = quotes(noise=0.02)
    alone, together = (context_of(planted, planted.nodes) for _ in range(2))
    together.meter.workers = 3
    with one_thread():
        assert battery(together) == battery(alone)


def test_all_are_there_and_say_whether_they_count(whole: dict[str, Check]) -> None:
    assert list(whole) == list(CHECKS)
    assert {name for name, check in whole.items() if check.gates} == GATES == {
        "agreement", "robustness to the ablation", "needed edges", "interchange", "attention", "necessity"
    }  # fmt: skip
    assert all(check.outcome is None for check in whole.values() if not check.gates)


@pytest.mark.parametrize("ablate", ["resample", "mean"])
@pytest.mark.parametrize("make", CIRCUITS, ids=lambda make: make.__name__)
def test_a_true_circuit_passes(make, ablate) -> None:
    planted = make(0.0, 0)
    context = context_of(planted, planted.nodes, ablate=ablate)
    for name in sorted(GATES - {"necessity"}):
        found = measured(context, name)
        assert found.outcome is Outcome.PASS, found


def test_the_model_misses_the_true_circuit_more_than_others() -> None:
    planted = quotes(noise=0.02)
    assert measured(context_of(planted, planted.nodes), "necessity").outcome is Outcome.PASS


def test_decoys_are_not_missed() -> None:
    planted = quotes(noise=0.02)
    assert measured(context_of(planted, planted.decoys), "necessity").outcome is Outcome.FAIL


def test_uniform_attention_is_caught_by_name() -> None:
    planted = quotes()
    nodes = [node for node in planted.nodes if node.site.place not in (Place.Q, Place.K)]
    found = measured(context_of(planted, nodes), "attention")
    assert found.outcome is Outcome.FAIL
    assert "1.head[0]: value kept, query and key ablated: uniform attention" in found.note


def test_a_head_that_is_uniform_in_the_model_too_is_named_and_passes() -> None:
    planted = CIRCUITS[1](0.0, 0)  # brackets: a head that takes an even mean
    found = measured(context_of(planted, planted.nodes), "attention")
    assert found.outcome is Outcome.PASS
    assert "0.head[0]: value kept, query and key ablated: uniform attention" in found.note


def test_a_loss_below_the_models_is_caught_by_name() -> None:
    planted = quotes()
    # the last token pushes the answer one way or the other, for no reason
    in_letters(planted, "gikm", 30, 1.0)
    in_letters(planted, "hjln", 30, -1.0)
    add_neuron(planted, 30, copied(planted), 1.9)
    found = measured(context_of(planted, planted.nodes), "agreement")
    assert found.numbers["loss minus the model's"].high < -BELOW
    assert found.outcome is Outcome.FAIL
    assert TOO_GOOD in found.note
    assert measured(context_of(quotes(), quotes().nodes), "agreement").outcome is Outcome.PASS


def test_a_circuit_that_works_under_its_own_ablation_only_is_caught() -> None:
    planted = quotes()
    # no last token is one of these, so that in the model they do nothing where the answer is said
    in_letters(planted, "ace", 30, 1.0)
    in_letters(planted, "bdf", 30, -1.0)
    add_neuron(planted, 30, copied(planted), 4.0)
    ids = planted.checkpoint.tokenizer.encode("abcdef").ids
    planted = replace(planted, checkpoint=replace(planted.checkpoint, reference=torch.tensor([ids] * 4)))
    context = context_of(planted, planted.nodes, ablate="mean")
    assert measured(context, "agreement").outcome is Outcome.PASS
    found = measured(context, "robustness to the ablation")
    assert found.numbers["resample(text): accuracy"].high < 0.75
    assert "resample(text): accuracy" not in found.needs  # informational
    assert (
        measured(context_of(planted, planted.nodes, ablate="resample(text)"), "agreement").outcome
        is Outcome.FAIL
    )


def test_a_circuit_that_leans_on_errors_that_cancel_is_caught() -> None:
    """Two neurons push the answer, for no reason, by as much and in opposite directions: in the model, and wherever
    both take one prompt's values, nothing comes of it."""
    planted = quotes()
    in_letters(planted, "gikm", 30, 1.0)
    in_letters(planted, "hjln", 30, -1.0)
    for first, size in ((30, 4.0), (28, -4.0)):
        add_neuron(planted, 30, copied(planted), size, first)
    context = context_of(planted, planted.nodes, ablate="resample")
    assert measured(context, "agreement").outcome is Outcome.PASS
    found = measured(context, "robustness to the ablation")
    for name in ("fresh donors", "other-case donors", "a donor per site"):
        assert found.numbers[f"{name}: accuracy"].value == 1
    assert found.numbers["random part of the complement: accuracy"].value < 0.8
    assert found.outcome is not Outcome.PASS
    assert found.needs["random part of the complement: accuracy"][0] == ">="


def test_without_its_detector_no_check_of_the_choice_passes() -> None:
    planted = quotes()
    context = context_of(planted, [n for n in planted.nodes if n.site.place is not Place.NEURON])
    for name in ("agreement", "robustness to the ablation", "interchange"):
        assert measured(context, name).outcome is Outcome.FAIL, name


def test_what_is_not_a_number_is_never_a_pass() -> None:
    planted = quotes()
    context = context_of(planted, planted.nodes)
    planted.checkpoint.model.get_parameter("mlp.0.up.weight")[29, 0] = float("nan")
    found = {check.name: check for check in battery(context)}
    assert {found[name].outcome for name in GATES} == {Outcome.NOT_MEASURED}
    assert "not finite" in found["agreement"].note


class FixedNorm(nn.Module):
    """An RMSNorm that divides by numbers it is given."""

    def __init__(self, weight: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.gain, self.scale = weight, scale

    def forward(self, x: Tensor) -> Tensor:
        return x / self.scale * self.gain


def test_frozen_norms_are_the_model_with_other_norms() -> None:
    planted = quotes(noise=0.05)
    context = context_of(planted, planted.nodes)
    batch, model = context.meter.prompts("test", (), 0), context.model
    mask = context.mask(batch)
    plain = score.answer_logits(model, batch, mask)
    own = scales_of(model, batch, mask)
    torch.testing.assert_close(logits_with_scales(model, batch, mask, own), plain)
    scales = scales_of(model, batch)
    found = logits_with_scales(model, batch, mask, scales)
    assert not torch.allclose(found, plain, atol=1e-3)
    for layer in range(model.config.layers):
        for name, place in (("attention", Place.ATTN_IN), ("mlp", Place.MLP_IN)):
            part = model.get_submodule(f"{name}.{layer}")
            gain = model.get_parameter(f"{name}.{layer}.norm.weight")
            part.add_module("norm", FixedNorm(gain, scales[Site(layer, place)]))
    rows, end = torch.arange(len(batch)), torch.from_numpy(batch.end)
    last = scales[Site(model.config.layers, Place.FINAL)][rows, end]
    model.add_module("norm", FixedNorm(model.get_parameter("norm.weight"), last))
    torch.testing.assert_close(score.answer_logits(model, batch, mask), found, atol=1e-4, rtol=1e-4)


def test_without_the_circuit_nothing_takes_over_where_there_is_no_other_way() -> None:
    planted = quotes()
    found = measured(context_of(planted, planted.nodes), "redundancy")
    assert found.numbers["accuracy with the circuit ablated"].value < 0.75
    assert found.outcome is None


def test_a_backup_is_missed_more_once_the_circuit_is_ablated() -> None:
    """Of two writers of the answer each does for the other: one of them as the circuit, the other is its backup."""
    planted = quotes()
    answer, twin = copied(planted), Node(Site(1, Place.ATTN_OUT), 30)
    model = planted.checkpoint.model
    out = model.get_parameter("attention.1.out.weight")
    out[twin.index] = out[answer.index]
    model.unembed[:, twin.index] = model.unembed[:, answer.index]
    found = measured(context_of(planted, [answer]), "redundancy")
    assert found.numbers["accuracy with the circuit ablated"].value > 0.9
    assert found.numbers["backup nodes"].value >= 1
    assert found.numbers["largest ablation effect beyond the one in the model"].value > BACKUP
    assert str(twin) in found.note


def test_idle_nodes_are_named() -> None:
    planted = quotes()
    idle = sorted(planted.nodes)[3]
    found = measured(
        context_of(planted, planted.nodes, {idle: NEGLIGIBLE / 2}), "nodes with negligible effect"
    )
    assert (found.numbers["nodes with negligible effect"].value, found.note) == (1, str(idle))


def test_a_calibration_finds_scale_and_shift() -> None:
    draw = np.random.default_rng(0)
    margin = draw.normal(0, 2, (4000, 1))
    first = draw.random((4000, 1)) < 1 / (1 + np.exp(-margin))  # whether the first answer is the right one
    shown = (margin - 0.7) / 3  # as a model says it that is too sure of nothing and leans to the second
    candidates = np.stack([np.where(first, shown, 0.0), np.where(first, 0.0, shown)], 2)
    signs = np.stack([first, ~first], 2).astype(np.float64)
    scale, shift = fit(candidates, signs)
    assert scale == pytest.approx(3, abs=0.3)
    assert shift == pytest.approx(0.7, abs=0.15)
    plain, better = (calibrated(candidates, signs, *how).mean() for how in ((1.0, 0.0), (scale, shift)))
    assert better < plain
    assert fit(candidates, None)[1] == 0


def test_calibrating_does_not_make_a_circuit_worse() -> None:
    planted = CIRCUITS[2](0.02, 0)  # two hops: two answers, four cases
    numbers = measured(context_of(planted, planted.nodes), "calibrated loss").numbers
    assert numbers["loss, calibrated"].value <= numbers["loss"].value + 0.001
    assert numbers["shift"].value != 0


def test_a_model_that_is_wrong_is_agreed_with_where_it_is_wrong() -> None:
    planted = quotes()
    in_letters(planted, "g", 30, -1.0)  # after a `g` the model says one quote whatever was opened
    add_neuron(planted, 30, copied(planted), 3.0)
    whole = every_node(planted.checkpoint.model)
    numbers = measured(context_of(planted, whole), "agreement").numbers
    assert numbers["prompts that the model gets wrong"].value > 10
    assert numbers["agreement where the model is wrong"].value == 1
    found = measured(context_of(planted, planted.nodes), "agreement").numbers
    assert found["agreement where the model is wrong"].value == 0


def test_the_params_that_claims_name_are_measured() -> None:
    planted = CIRCUITS[1](0.0, 0)
    context = context_of(planted, planted.nodes)
    context.wheres = ((("length", 2, 2),), (("length", 3, 4),))
    numbers = measured(context, "held-out prompts").numbers
    assert {"length = 2: accuracy", "length = 3..4: the model's accuracy"} <= set(numbers)


def test_what_claims_name_of_params() -> None:
    text = """
task t {
  param length = 2..4
  rule digit = 0..9
  rule row = digit{length by ","}
  prompt "{open}{row}"
  case a with open = "[" answer "x"
  case b with open = "(" answer "y"
}
spec s {
  task = t
  model = "zoo:any"
  claim one: loss where length = 3 <= 0.5
  claim two: accuracy where length = 3 > 0.5
  claim three: loss <= loss where length = 4
}
"""
    claims = load_text(text, "s.cir").specs["s"].claims
    assert claimed_wheres(claims) == ((("length", 3, 3),), (("length", 4, 4),))


def test_the_second_time_comes_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = quotes()
    first = battery(context_of(planted, planted.nodes, cache=tmp_path))
    monkeypatch.setattr(score, "answer_logits", None)
    assert battery(context_of(planted, planted.nodes, cache=tmp_path)) == first
    other = context_of(planted, list(planted.nodes)[1:], cache=tmp_path)
    with pytest.raises(TypeError):
        battery(other)


def test_of_several_seeds_the_worst_is_shown() -> None:
    def check(outcome: Outcome | None) -> Check:
        return Check("c", "t", outcome is not None, outcome, {"x": Interval(0, 0, 0, 0, "count")}, "said")

    found = worst_over_seeds({0: [check(Outcome.PASS)], 3: [check(Outcome.FAIL)], 4: [check(Outcome.FAIL)]})
    assert [(c.outcome, c.note) for c in found] == [(Outcome.FAIL, "seed 3; said")]
    assert worst_over_seeds({5: [check(None)]})[0].note == "said"
    assert worst_over_seeds({}) == ()


def test_a_check_that_counts_has_an_outcome_and_a_pass_a_number() -> None:
    with pytest.raises(ValueError, match="has an outcome"):
        Check("c", "t", True, None)
    with pytest.raises(ValueError, match="without a number"):
        Check("c", "t", True, Outcome.PASS)
