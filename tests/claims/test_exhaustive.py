"""A task with few prompts is measured on all of them, and the mean is the one that drawn prompts tend to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.planted.circuits import QUOTES, quotes
from benchmarks.planted.known import assessor_of
from circuitlang.claims.assess import Assessor, competence
from circuitlang.claims.interval import EVERY, exact, interval
from circuitlang.claims.judge import Plan
from circuitlang.claims.measure import Setting
from circuitlang.claims.metrics import View
from circuitlang.claims.verdict import Outcome
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import Spec

CLAIMS = """
spec few {
  task = planted
  model = "zoo:any"
  prune { ablate = mean }
  verdict { samples = 128..4096 }
  claim right: accuracy given keep(circuit) >= 0.9
  claim wrong: accuracy given keep(circuit) <= 0.1
  claim sufficient: loss given keep(circuit) <= 0.2
  claim better: loss given keep(circuit) < loss given drop(circuit)
  claim nodes_matter: rise given drop(each node) >= 0.1
}
"""


def small(text: str) -> tuple[Spec, Assessor]:
    found = load_text(text + CLAIMS, "few.cir").specs["few"]
    return found, assessor_of(quotes(), found)


def test_exact_is_rounded_once_and_weighs() -> None:
    assert exact(np.array([1.0, 0.0, 1.0]), (1, 1, 2)).value == 0.75
    assert exact(np.array([0.1] * 3)).value == 0.1
    assert exact(np.array([1.0] * 7), (3, 1, 1, 9, 2, 2, 5)).value == 1.0
    assert exact(np.array([1e-300, 1.0]), (1, 1)).value == 0.5
    with pytest.raises(ValueError, match="2 weights for 3 datapoints"):
        Plan((1, 4), 0.9, 3, (1, 2))


FEW = QUOTES.replace("{letter}{letter}{third}", "{letter}{letter}").replace(
    '"g" | "h"', '"g" weight 5 | "h" weight 0.7'
)
"""Weights and a draw that is held out: no two datapoints need be equally likely."""


def sampled_and_exact(
    judge: Assessor, metric: str, nodes: bool
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    found = judge.meter.population((), 4096)
    assert found is not None
    setting = Setting.keep(judge.nodes) if nodes else Setting()
    drawn, every = (View(judge.meter, each) for each in (setting, setting.on_every))
    measure = getattr(View, metric)
    return measure(drawn, 4000), measure(every, len(found)), found.weights


def test_the_mean_over_all_lies_in_the_interval_of_drawn_ones() -> None:
    """The interval misses once in a thousand; the values are told apart by prompts, so weights matter: see the next."""
    _, judge = small(FEW)
    for metric, kind in (("loss", "loss"), ("mass", "share"), ("probability", "share")):
        values, every, weights = sampled_and_exact(judge, metric, True)
        found = interval(values, kind, 0.001)  # pyright: ignore[reportArgumentType]
        assert found.low <= exact(every, weights).value <= found.high, metric
        assert np.isin(values.round(6), every.round(6)).all()


def test_weights_matter() -> None:
    """What is measured here is how often a prompt begins with `g`: as all alike it would lie outside the interval."""
    _, judge = small(FEW)
    found = judge.meter.population((), 4096)
    assert found is not None

    def begins(datapoints) -> np.ndarray:
        return np.array([d.prompts[0].text.startswith("g") for d in datapoints], float)

    drawn = begins(judge.meter.datapoint("test", (), i) for i in range(2000))
    seen, every = interval(drawn, "binary", 0.001), begins(found.datapoints)
    assert seen.low <= exact(every, found.weights).value <= seen.high
    assert not seen.low <= exact(every).value <= seen.high


def test_claims_are_judged_on_all_prompts() -> None:
    spec, judge = small(FEW)
    verdicts = {claim.name: judge.judge(claim) for claim in spec.claims}
    wanted = {
        "right": "pass",
        "wrong": "fail",
        "sufficient": "pass",
        "better": "pass",
        "nodes_matter": "pass",
    }
    assert {name: v.outcome.value for name, v in verdicts.items()} == wanted
    for verdict in verdicts.values():
        assert verdict.interval is not None
        assert verdict.interval.method == EVERY
        assert verdict.interval.low == verdict.interval.high
    able = competence(judge.meter, spec.verdict, spec.span)
    assert {v.interval.method for v in able.values() if v.interval} == {EVERY}


def test_equality_can_pass() -> None:
    spec, judge = small(FEW)
    claim = replace(spec.claims[0], relation="==", right=1.0)
    assert judge.judge(claim).outcome is Outcome.PASS
    assert judge.judge(replace(claim, right=0.99)).outcome is Outcome.FAIL


def test_more_prompts_than_the_last_look_are_drawn() -> None:
    spec, judge = small(FEW)
    judge.settings = replace(spec.verdict, samples=(16, 32))
    verdict = judge.judge(spec.claims[0])
    assert verdict.interval is not None
    assert verdict.interval.method != EVERY
