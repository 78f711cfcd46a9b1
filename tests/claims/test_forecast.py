"""What a check will cost, and what it can tell: against the intervals themselves, and as text."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from circuitlang.checking.plan import forecast_data, forecast_lines
from circuitlang.claims.forecast import ASSUMED, METHODS, POWER, Costs, forecast, smallest_share
from circuitlang.claims.interval import interval
from circuitlang.claims.nulls import NULLS
from circuitlang.claims.verdict import SEARCHED
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import Spec

TASK = """
task t {
  draw name = CHOICES
  prompt "{name} {x}"
  case a with x = "(" answer ")"
  case b with x = "[" answer "]"
}

spec s {
  task = t
  model = "zoo:any"
  prune { seeds = 0..1 }
  verdict { samples = 64..256 }
  claim sufficient: loss given keep(circuit) <= 0.15
  claim faithful: agreement given keep(circuit) >= 80%
  claim sharp: accuracy given keep(circuit) for case a >= 99.9%
  claim no_luck: loss given keep(circuit) < loss given keep(random)
  claim better: accuracy given keep(circuit) >= accuracy given drop(circuit)
  claim minimal: rise given drop(each node) >= 0.01
  claim small: nodes <= 30
}
"""
MANY, FEW = "0..9999999", "0..299"


def spec(choices: str) -> Spec:
    return load_text(TASK.replace("CHOICES", choices), "s.cir").specs["s"]


def test_as_text() -> None:
    assert "\n".join(forecast_lines(forecast(spec(MANY)))) == TEXT.strip()


TEXT = """
s: what a check will cost, and what it can tell at confidence 0.99

sufficient: loss given keep(circuit) <= 0.15
    looks at 64, 128, 256 datapoints of 2 prompts; 1 setting of the model
    skew-corrected t, missing at most 0.33% of the time at each look
    decides with 90% power from 0.13 beyond the bound, at a standard deviation of 0.5
faithful: agreement given keep(circuit) >= 80%
    looks at 64, 128, 256 datapoints of 2 prompts; 2 settings of the model
    binomial hinge and betting, missing at most 0.33% of the time at each look
    decides with 90% power from 0.1 beyond the bound
sharp: accuracy given keep(circuit) for case a >= 99.9%
    looks at 64, 128, 256 datapoints of 2 prompts; 1 setting of the model
    Clopper-Pearson, missing at most 0.33% of the time at each look
    warning: can never pass, the interval ends at 0.975322 at best; samples up to 8,192 are enough
no_luck: loss given keep(circuit) < loss given keep(random)
    looks at 64, 128, 256 datapoints of 2 prompts; 2 settings of the model
    skew-corrected t, missing at most 0.33% of the time at each look
    decides with 90% power from 0.13 beyond the bound, at a standard deviation of 0.5
better: accuracy given keep(circuit) >= accuracy given drop(circuit)
    looks at 64, 128, 256 datapoints of 2 prompts; 2 settings of the model
    betting, missing at most 0.33% of the time at each look
    decides with 90% power from 0.079 beyond the bound, at a standard deviation of 0.3
minimal: rise given drop(each node) >= 0.01
    looks at 64, 128, 256 datapoints of 2 prompts; 2 settings of the model, for each member
    skew-corrected t, missing at most 0.33% of the time at each look
    decides with 90% power from 0.13 beyond the bound, at a standard deviation of 0.5
small: nodes <= 30
    counted, exact

prunings   2 of the model, 4 of controls: 48,000 prompts, each 3 passes, and what candidates are measured on
passes     at most 12,992 prompts for claims and competence, without controls (`each` claims: for one member)
minutes    --measure loads the model and estimates them
"""


def test_few_prompts_are_all_measured() -> None:
    found = forecast(spec(FEW))
    sampled = [claim.name for claim in found.claims if not claim.all_datapoints]
    assert sampled == ["small"]
    assert found.claims[2].never is None
    assert any(line.strip().startswith("all ") for line in forecast_lines(found))


@pytest.mark.parametrize("kind", ["binary", "share"])
@pytest.mark.parametrize(("relation", "bound"), [(">=", 0.9), ("<=", 0.3)])
def test_the_difference_is_told_with_the_power_that_is_said(kind, relation, bound: float) -> None:
    """2,000 checks at the share that the forecast names: nine in ten decide, give or take 4 standard deviations."""
    n, alpha, draws = 256, 0.01, 2000
    away = smallest_share(kind, relation, bound, n, alpha)
    assert away is not None
    share = bound + away if relation == ">=" else bound - away
    hits, counts = np.unique(np.random.default_rng(0).binomial(n, share, draws), return_counts=True)
    passed = 0
    for k, count in zip(hits, counts, strict=True):
        found = interval(np.repeat([1.0, 0.0], [k, n - k]), kind, alpha)
        passed += count * (found.low >= bound if relation == ">=" else found.high <= bound)
    assert abs(passed / draws - POWER) < 4 * np.sqrt(POWER * (1 - POWER) / draws) + 0.01


def test_methods_are_those_of_the_intervals() -> None:
    values = np.repeat([1.0, 0.0], 50)
    assert {kind: interval(values, kind, 0.01).method for kind in METHODS} == METHODS  # pyright: ignore[reportArgumentType]
    assert set(ASSUMED) | {"binary", "share"} == set(METHODS)


def test_the_nulls_are_those_that_are_searched() -> None:
    assert tuple(null.name for null in NULLS) == SEARCHED


def test_costs_give_minutes_and_the_spread() -> None:
    plain, timed = forecast(spec(MANY)), forecast(spec(MANY), costs=Costs(0.001, 0.25))
    assert plain.minutes is None
    assert timed.minutes == pytest.approx((timed.passes + 3 * timed.trained) * 0.001 / 60)
    assert timed.claims == plain.claims, "nobody knows the spread of a circuit's losses before there is one"
    made = spec(MANY)
    claim = replace(made.claims[0], left=replace(made.claims[0].left, interventions=()))
    made = replace(made, claims=(claim,))
    (first,), (second,) = (forecast(made, costs=c).claims for c in (None, Costs(0.001, 0.25)))
    assert first.difference is not None
    assert second.difference == pytest.approx(first.difference / 2)
    assert forecast(spec(MANY), controls=False).trained < plain.trained
    json.dumps(forecast_data(timed), allow_nan=False)


def test_the_command_needs_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from circuitlang.interfaces.cli import compute_commands; "
        "from circuitlang.checking.job import Options; "
        "from circuitlang.checking.plan import plan; from pathlib import Path; "
        "from circuitlang.checking.plan import forecast_lines; "
        "list(forecast_lines(plan(Path('specs/bracket_depth.cir'), None, Options(), False)[0])); "
        "print('torch' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout == "False\n"
