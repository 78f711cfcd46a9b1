"""A claim that failed shows a prompt on which it breaks, on models whose circuits are known."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from benchmarks.planted.circuits import BRACKETS, QUOTES, brackets, quotes
from benchmarks.planted.known import assessor_of
from circuitlang.claims.assess import Assessor
from circuitlang.claims.verdict import Counterexample, Outcome, Verdict
from circuitlang.language.program.load import load_text
from circuitlang.prompts.generate import Generator

SPEC = """
spec planted {
  task = planted
  model = "zoo:any"
  prune { ablate = mean }
  verdict { samples = 64..128 }
CLAIMS
}
"""
ROLES = """
  circuit {
    role detector = neuron in layer 0
    role kind = neuron in layer 0
    role copier = head in layer 1
    detector -> copier.key
    kind -> copier.value -> answer
    never kind ~> copier.key
  }
"""
TASKS = {"quotes": QUOTES, "brackets": BRACKETS}


def assessor(planted, claims: str) -> tuple[Assessor, Generator, list]:
    text = TASKS[planted.name] + SPEC.replace("CLAIMS", claims)
    spec = load_text(text, "planted.cir").specs["planted"]
    judge = assessor_of(planted, spec)
    return judge, judge.meter.generator, list(spec.claims)


def explained(planted, claims: str) -> Mapping[str, Verdict]:
    judge, _, found = assessor(planted, claims)
    return {claim.name: judge.explained(claim, judge.judge(claim)) for claim in found}


def shown(planted, claim: str) -> Counterexample:
    verdict = explained(planted, ROLES * (planted.name == "quotes") + f"  claim c: {claim}")["c"]
    assert verdict.outcome is Outcome.FAIL
    assert verdict.counterexample is not None
    return verdict.counterexample


def test_without_the_circuit_an_answer_is_wrong() -> None:
    found = shown(quotes(), "accuracy given drop(circuit) >= 90%")
    assert found.expected == found.model_answer
    assert {found.expected, found.circuit_answer} == {'"', "'"}
    assert found.expected in found.prompt


def test_a_share_that_is_too_high_breaks_where_it_is_one() -> None:
    found = shown(quotes(), "agreement given keep(circuit) <= 5%")
    assert found.model_answer == found.circuit_answer == found.expected
    turned = shown(quotes(), "flip given swap(kind) <= 50%")
    assert turned.circuit_answer != turned.model_answer == turned.expected
    stays = shown(quotes(), "flip given swap(detector) >= 90%")
    assert stays.circuit_answer == stays.model_answer


def test_a_case_is_kept_to() -> None:
    found = shown(quotes(), "accuracy given keep(circuit) for case single <= 5%")
    assert found.expected == "'"


def test_losses_and_comparisons_break_on_the_wrong_side() -> None:
    judge, _, claims = assessor(quotes(), "  claim c: loss given keep(circuit) >= 0.5")
    verdict = judge.explained(claims[0], judge.judge(claims[0]))
    assert verdict.counterexample is not None
    assert shown(quotes(), "loss given drop(circuit) <= loss given keep(circuit)").prompt
    assert shown(quotes(), "accuracy given drop(circuit) > accuracy given keep(circuit)").circuit_answer


def test_it_is_a_prompt_of_the_test_split_and_the_same_every_time() -> None:
    _, generator, _ = assessor(brackets(), "  claim c: nodes >= 1")
    first, second = (shown(brackets(), "accuracy given drop(circuit) >= 90%") for _ in range(2))
    assert first == second
    assert generator.feature.split_of(first.prompt) == "test"


def test_it_is_small() -> None:
    """Lists have 2 to 4 numbers of one digit: the shortest prompt has two."""
    found = shown(brackets(), "accuracy given drop(circuit) >= 90%")
    assert found.prompt.count(",") == 1


def test_pinned_params_stay_pinned() -> None:
    found = shown(brackets(), "accuracy given drop(circuit) where length = 3 >= 90%")
    assert found.prompt.count(",") == 2


@pytest.mark.parametrize("claim", ["nodes <= 1", "loss given keep(circuit) <= 0.5"])
def test_counts_and_what_holds_have_none(claim: str) -> None:
    verdict = explained(quotes(), f"  claim c: {claim}")["c"]
    assert verdict.counterexample is None
    assert "prompt" not in verdict.note


def test_where_no_single_prompt_breaks_it_that_is_said() -> None:
    """The circuit is right wherever the model is: it is not strictly better, and nowhere worse."""
    claim = "accuracy given keep(circuit) > accuracy"
    judge, _, claims = assessor(quotes(), f"  claim c: {claim}")
    failed = Verdict("c", claim, 1, Outcome.FAIL, judge.judge(claims[0]).interval, ">", 0.0)
    verdict = judge.explained(claims[0], failed)
    assert verdict.counterexample is None
    assert verdict.note == "no single prompt breaks it"


def test_the_worst_member_is_explained() -> None:
    verdict = explained(quotes(), "  claim c: rise given drop(each node) <= 0.01")["c"]
    assert (verdict.outcome, verdict.counterexample is not None) == (Outcome.FAIL, True)
    assert verdict.member is not None
