"""A spec with roles, judged on a transformer whose circuit is known: true claims pass, mutated ones do not."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.planted.circuits import CIRCUITS, LOOKUP, QUOTES, lookup, quotes
from benchmarks.planted.known import assessor_of
from circuitlang.circuit.find import Finder
from circuitlang.claims.assess import Assessor
from circuitlang.claims.measure import UNTOUCHED, Meter, Setting
from circuitlang.claims.metrics import View
from circuitlang.claims.verdict import Outcome, Verdict
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import PruneSettings, Spec
from circuitlang.prompts.generate import Generator
from circuitlang.storage.cache import Cache

SPEC = """
spec planted {{
  task = planted
  model = "zoo:any"
  prune {{ ablate = mean }}
  verdict {{ samples = 128..256 }}
{body}
}}
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


def spec(task: str, body: str) -> Spec:
    return load_text(task + SPEC.format(body=body), "planted.cir").specs["planted"]


def assessor(planted, body: str) -> tuple[Spec, Assessor]:
    found = spec({"quotes": QUOTES, "lookup": LOOKUP}[planted.name], body)
    return found, assessor_of(planted, found)


def judged(planted, body: str) -> dict[str, Verdict]:
    found, judge = assessor(planted, body)
    fits = judge.judge_hypothesis()
    verdicts = {claim.name: judge.judge(claim) for claim in found.claims}
    return verdicts | ({"circuit": fits} if fits else {})


TRUE = """
  claim sufficient: loss given keep(circuit) <= 0.2
  claim necessary: loss given drop(circuit) >= 0.6
  claim close: kl given keep(circuit) <= 0.2
  claim sure: probability given keep(circuit) >= 1%
  claim meant: mass given keep(circuit) >= 5%
  claim causal: flip given swap(kind) >= 90%
  claim not_the_detector: flip given swap(detector) <= 5%
  claim at_the_mark: flip given swap(kind, at=open) >= 90%
  claim steers: flip given set(kind = 4, at=open) for case single >= 90%
  claim silenced: flip given scale(kind = 0) for case double >= 90%
  claim wired: loss given drop(kind -> copier.value) >= 0.5
  claim not_wired: rise given drop(detector -> copier.value) <= 0.3
  claim port: loss given drop(copier.value) >= 0.5
  claim detects: auroc(detector, at=open) >= 95%
  claim separates: auroc(kind, at=open, between=(double, single)) >= 90%
  claim not_separates: auroc(detector, at=open, between=(double, single)) <= 70%
  claim copies: attention(copier, from=end, to=open) >= 80%
  claim blind: attention(copier, from=end, to=open) given keep(kind) <= 50%
  claim fires: activation(kind, at=open) for case double >= 3
  claim quiet: activation(kind) for case single <= 0.3
  claim edges_matter: loss given drop(each edge) >= 0.1
  claim nodes_matter: rise given drop(each node) >= 0.1
  claim together: accuracy given keep(circuit), swap(kind) <= 5%
  claim no_luck: loss given keep(circuit) < loss given keep(random)
"""


def test_what_is_true_of_the_quotes_passes() -> None:
    found = judged(quotes(), ROLES + TRUE)
    assert {name: v.note for name, v in found.items() if v.outcome is not Outcome.PASS} == {}
    assert "detector = 0.neuron[0]; kind = 0.neuron[1]; copier = 1.head[0]" in found["circuit"].note


MUTATED = {
    "a wrong layer": (ROLES.replace("head in layer 1", "head in layer 0"), "kind -> copier", ""),
    "a swapped port": (ROLES.replace("kind -> copier.value", "kind -> copier.query"), "circuit", ""),
    "an arrow too many": (ROLES.replace("never kind", "kind"), "circuit", ""),
    "a threshold": (ROLES, "c", "claim c: flip given swap(kind) <= 50%"),
    "the other role": (ROLES, "c", "claim c: flip given swap(detector) >= 90%"),
    "another head's mark": (ROLES, "c", "claim c: attention(copier, from=end, to=first) >= 80%"),
    "no such wire": (ROLES, "c", "claim c: loss given drop(detector -> copier.value) >= 0.5"),
}


@pytest.mark.parametrize("mutation", [name for name in MUTATED if name != "a wrong layer"])
def test_what_is_false_of_the_quotes_fails(mutation: str) -> None:
    roles, name, claim = MUTATED[mutation]
    body = roles + (claim or "claim some: nodes >= 1")
    assert judged(quotes(), body)[name].outcome is Outcome.FAIL


def test_a_claim_on_a_role_that_nothing_plays_is_not_measured() -> None:
    roles = ROLES.replace("kind -> copier.value", "kind -> copier.query")
    found = judged(quotes(), roles + "claim c: flip given swap(kind) >= 90%\nclaim d: nodes >= 1")
    assert found["c"].outcome is Outcome.NOT_MEASURED
    assert "no node of the circuit plays the role `kind`" in found["c"].note
    assert found["d"].outcome is Outcome.PASS
    assert "`kind -> copier.query`" in found["circuit"].note


def test_a_swap_among_four_cases_names_one() -> None:
    body = """
  circuit {
    role asked = head in layer 0
    role answers = head in layer 1
    asked -> answers.query
    answers -> answer
  }
  claim turns: flip(to=second_left) given swap(asked, to=second_left) for case first_left >= 90%
  claim same_table: accuracy given swap(asked, to=first_right) for case first_left >= 95%
  claim both: accuracy given swap(answers, to=second_right) for case first_left >= 95%
"""
    found = judged(lookup(), body)
    assert {name: v.note for name, v in found.items() if v.outcome is not Outcome.PASS} == {}


def test_not_a_number_is_never_a_pass() -> None:
    planted = quotes()
    body = ROLES + "claim c: loss given scale(kind = 1e38) <= 9"
    verdict = judged(planted, body)["c"]
    assert verdict.outcome is Outcome.NOT_MEASURED
    assert "not finite" in verdict.note


@pytest.mark.parametrize("make", CIRCUITS, ids=lambda make: make.__name__)
def test_looking_is_the_same_in_pieces(make) -> None:
    """A datapoint's numbers do not depend on how many were asked for, nor on the order of asking."""
    planted = make(0.02, 0)
    generator = Generator(planted.program.tasks["planted"], 0)
    finder = Finder(planted.checkpoint, generator, Cache(None), "")
    meters = [Meter.of(finder, PruneSettings()) for _ in range(2)]
    setting = Setting.keep(tuple(sorted(planted.nodes)))
    small, large = meters[0].table(setting, "loss", 40), meters[1].table(setting, "loss", 100)
    assert np.array_equal(small, large[:40])
    assert np.array_equal(View(meters[0], UNTOUCHED).accuracy(64), View(meters[1], UNTOUCHED).accuracy(64))
