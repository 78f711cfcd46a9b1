"""The projection: exact counts, the floor on the right axis, equal to a slow reference; the schedule of nonzeros."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.model.training.sparsity import (
    count_nonzeros,
    keep_largest,
    nonzero_fraction,
    project,
    sparse_parameters,
)


def slow(rows: list[list[float]], kept: int, floor: int, axis: int | None) -> list[list[float]]:
    """Protects the `floor` largest of each line, then fills up with the largest of the rest; the first of equals."""
    places = [(i, j) for i in range(len(rows)) for j in range(len(rows[0]))]

    def largest(among: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
        return sorted(among, key=lambda place: (-abs(rows[place[0]][place[1]]), place))[:count]

    chosen: set[tuple[int, int]] = set()
    if axis is not None:
        for line in range(len(rows) if axis == 0 else len(rows[0])):
            chosen |= set(largest([place for place in places if place[axis] == line], floor))
    chosen |= set(largest([place for place in places if place not in chosen], kept - len(chosen)))
    return [[v if (i, j) in chosen else 0.0 for j, v in enumerate(row)] for i, row in enumerate(rows)]


@st.composite
def problems(draw, values):
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    rows = draw(st.lists(st.lists(values, min_size=width, max_size=width), min_size=height, max_size=height))
    axis = draw(st.sampled_from([None, 0, 1]))
    lines, length = (height, width) if axis == 0 else (width, height)
    kept = draw(st.integers(1, height * width))
    floor = draw(st.integers(0, min(length, kept // lines)))
    return rows, kept, floor, axis


def distinct(rows: list[list[float]]) -> bool:
    flat = [abs(value) for row in rows for value in row]
    return len(set(flat)) == len(flat) and 0 not in flat


@settings(max_examples=100, deadline=None)
@given(problems(st.floats(-10, 10, width=32)))
def test_equals_the_slow_reference(problem):
    rows, kept, floor, axis = problem
    weights = torch.tensor(rows)
    keep_largest(weights, kept, floor, axis)
    expected = torch.tensor(slow(rows, kept, floor, axis))
    # with ties there are several right answers, of the same magnitudes
    assert torch.equal(weights.abs().flatten().sort().values, expected.abs().flatten().sort().values)
    if distinct(rows) or axis is None:
        assert torch.equal(weights, expected)


@settings(max_examples=100, deadline=None)
@given(problems(st.sampled_from([-2.0, -1.0, 1.0, 2.0])))
def test_ties_leave_counts_and_floor_exact(problem):
    """No zero among the values, so every kept entry shows; most of them tie."""
    rows, kept, floor, axis = problem
    before = torch.tensor(rows)
    weights = before.clone()
    keep_largest(weights, kept, floor, axis)
    assert int((weights != 0).sum()) == kept
    assert torch.equal(weights[weights != 0], before[weights != 0])
    if axis is not None:
        assert int((weights != 0).sum(1 - axis).min()) >= floor


@pytest.mark.parametrize("axis", [0, 1])
def test_larger_matrices_keep_their_floor(axis):
    generator = torch.Generator().manual_seed(axis)
    spread = torch.logspace(-3, 0, 48)  # some lines far weaker than others: without the floor they would die
    spread = spread.view(48, 1) if axis == 0 else spread.repeat(2).view(1, 96)
    weights = torch.randn(48, 96, generator=generator) * spread
    free, held = weights.clone(), weights.clone()
    keep_largest(free, 460)
    keep_largest(held, 460, 4, axis)
    assert int((free != 0).sum()) == int((held != 0).sum()) == 460
    assert int((free != 0).sum(1 - axis).min()) == 0
    assert int((held != 0).sum(1 - axis).min()) == 4
    assert torch.equal(held, torch.tensor(slow(weights.tolist(), 460, 4, axis)))


@pytest.mark.parametrize("axis", [0, 1])
def test_a_floor_that_does_not_fit_is_refused(axis):
    weights = torch.randn(6, 6)
    with pytest.raises(ValueError, match="a floor of 4 for 6 lines does not fit into 23 nonzeros"):
        keep_largest(weights, 23, 4, axis)
    keep_largest(weights, 24, 4, axis)
    assert torch.all((weights != 0).sum(1 - axis) == 4)


def test_enough_is_all():
    weights = torch.randn(3, 3)
    before = weights.clone()
    keep_largest(weights, 9, 4, 0)
    assert torch.equal(weights, before)


def test_the_groups_and_the_axes_of_the_floor(make_model):
    found = {
        name: (group, axis) for name, _, group, axis in sparse_parameters(make_model(sink=True, bigram=True))
    }
    rows = {f"attention.{i}.{part}.weight" for i in (0, 1) for part in ("query", "key", "value")}
    rows |= {f"mlp.{i}.up.weight" for i in (0, 1)}
    columns = {f"attention.{i}.out.weight" for i in (0, 1)} | {f"mlp.{i}.down.weight" for i in (0, 1)}
    assert {name for name, what in found.items() if what == ("weights", 0)} == rows
    assert {name for name, what in found.items() if what == ("weights", 1)} == columns
    others = {name for name, what in found.items() if what == ("embeddings", None)}
    assert others == {"embed", "unembed"} | {name.replace("weight", "bias") for name in rows | columns}
    assert len(found) == len(rows | columns | others)


@pytest.mark.parametrize(("weights", "embeddings", "floor"), [(0.25, 0.125, 2), (0.3, 0.5, 0), (1.0, 0.1, 4)])
def test_project_counts_per_tensor(make_model, weights, embeddings, floor):
    """Biases are sparsified too, which the authors' released script computes but does not do."""
    model = make_model(sink=True, bigram=True)
    project(model, weights, embeddings, floor)
    groups = {name: (group, axis) for name, _, group, axis in sparse_parameters(model)}
    for name, (nonzero, size) in count_nonzeros(model).items():
        if name not in groups:
            assert nonzero == size, name  # norms, sinks and the bigram table stay dense
            continue
        group, axis = groups[name]
        assert nonzero == max(1, int({"weights": weights, "embeddings": embeddings}[group] * size)), name
        if axis is not None:
            lines = (model.get_parameter(name) != 0).sum(1 - axis)
            assert int(lines.min()) >= floor, name
    biases = [counts for name, counts in count_nonzeros(model).items() if name.endswith(".bias")]
    assert all(nonzero < size for nonzero, size in biases)


def test_no_nonzero_is_lost_to_rounding(make_model):
    """13/24 of 24 x 72 is 936 and not 935.999…: a floor of 13 fits."""
    model = make_model(layers=1, width=24, hidden=72)
    project(model, 13 / 24, 1.0, 13)
    assert int((model.mlp[0].up.weight != 0).sum()) == 936


def test_projecting_twice_is_projecting_once(make_model):
    model = make_model()
    project(model, 0.25, 0.125, 2)
    once = [parameter.clone() for parameter in model.parameters()]
    project(model, 0.25, 0.125, 2)
    assert all(torch.equal(a, b) for a, b in zip(once, model.parameters(), strict=True))


def test_the_schedule_is_linear_between_warm_up_and_anneal():
    assert nonzero_fraction(0.25, 0.0, 0.5) == nonzero_fraction(0.25, 0.01, 0.5) == 1
    assert math.isclose(nonzero_fraction(0.25, 0.255, 0.5), 0.625)
    assert nonzero_fraction(0.25, 0.5, 0.5) == nonzero_fraction(0.25, 1.0, 0.5) == 0.25
    assert nonzero_fraction(1.0, 0.3, 0.5) == 1
    assert nonzero_fraction(0.25, 0.0, 0.0, 0.0) in (0.25, 1.0)


@given(st.floats(0.001, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5))
def test_the_schedule_never_leaves_its_ends_and_never_rises(target, progress, anneal, warmup):
    now = nonzero_fraction(target, progress, anneal, warmup)
    later = nonzero_fraction(target, min(1, progress + 0.01), anneal, warmup)
    assert target - 1e-12 <= later <= now <= 1
