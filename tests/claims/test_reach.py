"""Claims that cannot pass are found in closed form, as the intervals themselves have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from circuitlang.claims.interval import interval
from circuitlang.claims.looks import Plan
from circuitlang.claims.reach import check_reach, short
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import Spec

SPEC = """
task t {
  draw name = CHOICES
  prompt "{name} {x}"
  case a with x = "(" answer ")"
  case b with x = "[" answer "]"
}

spec s {
  task = t
  model = "zoo:any"
  verdict { samples = 64..SAMPLES }
  claim c: CLAIM
}
"""


def spec(claim: str, samples: int = 1024, choices: str = "0..9999999") -> Spec:
    text = SPEC.replace("CLAIM", claim).replace("SAMPLES", str(samples)).replace("CHOICES", choices)
    return load_text(text, "s.cir").specs["s"]


@pytest.mark.parametrize("n", [64, 1024, 8192])
@pytest.mark.parametrize(
    ("claim", "kind", "best"),
    [
        ("agreement given keep(circuit) >= 100%", "share", 1.0),
        ("flip given keep(circuit) for case a >= 100%", "binary", 1.0),
        ("mass <= 0%", "share", 0.0),
        ("loss given keep(circuit) <= 0", "loss", 0.0),
    ],
)
def test_the_limit_is_that_of_the_interval(claim: str, kind, best: float, n: int) -> None:
    made = spec(claim, n)
    found = short(made.claims[0], made.verdict, 2)
    assert found is not None
    assert found.enough is None
    measured = interval(np.full(n, best), kind, Plan((64, n), 0.99).alpha)
    limit = measured.low if ">=" in claim else measured.high
    if kind == "loss":  # the normal quantile for Student's: never further away, and within 5 % of the way
        assert 0.95 * limit <= found.best <= limit
    else:
        assert found.best == pytest.approx(limit, abs=1e-9)


@pytest.mark.parametrize(
    ("claim", "hopeless"),
    [
        ("agreement given keep(circuit) >= 99%", False),
        ("agreement given keep(circuit) >= 99.9%", True),
        ("loss given keep(circuit) <= 0.15", False),
        ("loss given keep(circuit) <= 0.001", True),
        ("loss given keep(circuit) >= 5", False),
        ("rise given keep(circuit) <= 0.001", False),
        ("nodes <= 0", False),
        ("accuracy given keep(circuit) >= accuracy", False),
    ],
)
def test_only_what_is_hopeless_is_warned_of(claim: str, hopeless: bool) -> None:
    assert [d.code for d in check_reach(spec(claim))] == ["CIR-214"] * hopeless


def test_the_samples_that_are_suggested_are_enough() -> None:
    claim = "agreement given keep(circuit) >= 99.9%"
    made = spec(claim)
    found = short(made.claims[0], made.verdict, 2)
    assert found is not None
    assert found.enough is not None
    assert list(check_reach(spec(claim, found.enough))) == []
    assert list(check_reach(spec(claim, found.enough // 4)))


def test_few_prompts_are_all_measured_and_can_show_anything() -> None:
    claim = "agreement given keep(circuit) >= 100%"
    assert list(check_reach(spec(claim, 1024, "0..99"))) == []
    assert list(check_reach(spec(claim, 1024, "0..99999")))


def test_it_needs_no_scipy() -> None:
    program = "import sys, circuitlang.claims.reach; print({'numpy', 'scipy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_no_shipped_spec_is_hopeless() -> None:
    from circuitlang.language.program.load import load

    for path in (Path(__file__).parents[2] / "specs").glob("*.cir"):
        for each in load(path).specs.values():
            assert list(check_reach(each)) == [], path
