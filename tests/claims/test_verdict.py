"""Outcomes and their order; an interval is compared as a whole."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitlang.claims.verdict import (
    Interval,
    Outcome,
    Verdict,
    exit_status,
    overall,
    void,
    worst,
    worst_over_seeds,
)

PASS, FAIL, VOID = Outcome.PASS, Outcome.FAIL, Outcome.VOID
UNDECIDED, NOT_MEASURED = Outcome.UNDECIDED, Outcome.NOT_MEASURED


def verdict(outcome, low=0.1, high=0.2, bound=0.15, name="c", relation="<=", seed=0):
    found = None if outcome is NOT_MEASURED else Interval((low + high) / 2, low, high, 512, "test")
    return Verdict(name, "loss <= 0.15", 3, outcome, found, relation, bound, "0.15", seed=seed)


@pytest.mark.parametrize(
    ("relation", "bound", "outcome"),
    [
        ("<=", 0.2, PASS),
        ("<", 0.2, UNDECIDED),
        ("<=", 0.15, UNDECIDED),
        ("<=", 0.1, UNDECIDED),
        ("<", 0.1, FAIL),
        ("<=", 0.09, FAIL),
        (">=", 0.1, PASS),
        (">", 0.1, UNDECIDED),
        (">=", 0.2, UNDECIDED),
        (">", 0.2, FAIL),
        (">=", 0.21, FAIL),
        ("==", 0.15, UNDECIDED),
        ("==", 0.3, FAIL),
    ],
)
def test_the_whole_interval_decides(relation, bound, outcome):
    assert Interval(0.15, 0.1, 0.2, 512, "test").outcome(relation, bound) is outcome


@pytest.mark.parametrize(
    ("relation", "passes"), [("<", False), ("<=", True), (">", False), (">=", True), ("==", True)]
)
def test_an_exact_value_is_always_decided(relation, passes):
    assert Interval(7, 7, 7, 0, "count").outcome(relation, 7.0) is (PASS if passes else FAIL)


@given(
    st.floats(allow_nan=True),
    st.floats(allow_nan=True),
    st.floats(allow_nan=True),
    st.sampled_from(["<", "<=", ">"]),
)
def test_what_is_not_a_number_never_makes_an_interval(low, value, high, relation):
    if all(map(math.isfinite, (low, value, high))) and low <= value <= high:
        Interval(value, low, high, 1, "test")
    else:
        with pytest.raises(ValueError, match="an interval needs"):
            Interval(value, low, high, 1, "test")


def test_a_bound_is_a_number():
    with pytest.raises(ValueError, match="NaN"):
        Interval(0, 0, 0, 1, "test").outcome("<=", math.nan)


@pytest.mark.parametrize("outcome", [PASS, UNDECIDED])
def test_without_a_number_nothing_passes(outcome):
    with pytest.raises(ValueError, match="without a measured interval"):
        Verdict("c", "text", 1, outcome)


def test_severity_and_exit_status():
    assert sorted(Outcome, key=lambda o: o.severity) == [PASS, UNDECIDED, NOT_MEASURED, VOID, FAIL]
    assert [exit_status(o) for o in (PASS, UNDECIDED, NOT_MEASURED, VOID, FAIL)] == [0, 3, 3, 1, 1]


def test_overall_is_the_worst_and_nothing_judged_is_nothing_shown():
    assert overall([PASS, UNDECIDED, PASS]) is UNDECIDED
    assert overall([NOT_MEASURED, FAIL]) is FAIL
    assert exit_status(overall([])) == 3


def test_the_worst_seed():
    good, narrow = verdict(PASS, 0.1, 0.12, seed=0), verdict(PASS, 0.1, 0.149, seed=1)
    unclear, none = verdict(UNDECIDED, seed=2), verdict(NOT_MEASURED, seed=3)
    assert worst([good, narrow]) is narrow
    assert worst([good, unclear, narrow]) is unclear
    assert worst([unclear, none, good]) is none
    assert worst([good, verdict(PASS, 0.1, 0.12, seed=5)]) is good
    with pytest.raises(ValueError):  # noqa: PT011
        worst([])


@pytest.mark.parametrize(
    ("relation", "margin"), [("<=", -0.05), (">=", -0.05), ("<", -0.05), (">", -0.05), ("==", -0.05)]
)
def test_margin(relation, margin):
    assert verdict(UNDECIDED, relation=relation).margin == pytest.approx(margin)


def test_every_claim_keeps_its_own_worst_seed():
    rows = [
        verdict(PASS, 0.1, 0.12, name=n, seed=s) if (n, s) != ("b", 1) else verdict(FAIL, name=n, seed=s)
        for s in (0, 1)
        for n in ("a", "b")
    ]
    assert [(v.name, v.outcome, v.seed) for v in worst_over_seeds(rows)] == [("a", PASS, 0), ("b", FAIL, 1)]


def test_a_null_that_passes_makes_only_a_pass_void():
    voided = void(verdict(PASS), "shuffled_weights")
    assert (voided.outcome, voided.note) == (VOID, "the control shuffled_weights reaches it too")
    assert void(verdict(FAIL), "random").outcome is FAIL
