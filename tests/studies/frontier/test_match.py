"""Matching: every loss that dense widths can have is enclosed by two neighbours, and in few trainings."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitlang.studies.frontier.equal_loss import between, next_width

STEP = 16
falling = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=40).map(
    lambda drops: {STEP * (i + 1): 10.0 - sum(drops[: i + 1]) for i in range(len(drops))}
)


def search(curve: dict[int, float], goal: float) -> dict[int, float]:
    """What is trained, in order."""
    trained: dict[int, float] = {}
    while (width := next_width(trained, goal, STEP, max(curve))) is not None:
        assert width not in trained
        assert width % STEP == 0
        trained[width] = curve[width]
    return trained


@given(falling, st.floats(0, 1))
def test_a_loss_inside_the_range_is_enclosed_by_neighbours(curve, share):
    low, high = min(curve.values()), max(curve.values())
    goal = min(high, max(low, low + share * (high - low)))
    trained = search(curve, goal)
    found = between(trained, goal)
    assert found is not None
    assert found.wide - found.narrow == STEP
    assert trained[found.narrow] >= goal >= trained[found.wide]
    assert 0 <= found.share <= 1
    assert found.narrow <= found.width <= found.wide
    assert len(trained) <= 3 + 2 * math.log2(len(curve))


@given(falling, st.floats(0.01, 5))
def test_a_loss_outside_the_range_ends_at_its_border(curve, beyond):
    for goal, border in ((max(curve.values()) + beyond, STEP), (min(curve.values()) - beyond, max(curve))):
        trained = search(curve, goal)
        assert between(trained, goal) is None
        assert border in trained


@given(
    st.dictionaries(st.integers(1, 20).map(lambda n: STEP * n), st.floats(0, 9), max_size=20), st.floats(0, 9)
)
def test_it_ends_for_losses_in_any_order(curve, goal):
    trained: dict[int, float] = {}
    while (width := next_width(trained, goal, STEP, STEP * 20)) is not None:
        assert width not in trained
        trained[width] = curve.get(width, 1.0)


def test_the_width_between_two_is_geometric():
    found = between({16: 3.0, 32: 2.0}, 2.5)
    assert found is not None
    assert found.share == 0.5
    assert found.width == pytest.approx(math.sqrt(16 * 32))
