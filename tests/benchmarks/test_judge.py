"""How often the judge is wrong, on few specs; `python -m benchmarks.judge` takes many."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.judge.circuits import MUTATED, Mutated, Pruned
from benchmarks.judge.measure import Results, allowed, measure
from benchmarks.judge.mutate import without_weight
from benchmarks.judge.population import Population
from benchmarks.judge.same import Same
from benchmarks.judge.subject import SAMPLES, spec_of
from benchmarks.judge.synthetic import DISTRIBUTIONS, Drawn, Null
from benchmarks.judge.table import table
from benchmarks.judge.wiring import Wiring
from benchmarks.planted import specs
from benchmarks.planted.circuits import CIRCUITS, Make, Planted, Size
from circuitlang.claims.verdict import Outcome
from circuitlang.prompts.generate import Generator


@pytest.mark.slow
def test_the_judge_is_not_wrong_on_a_few_of_each() -> None:
    found = measure(quick=True, processes=1)
    assert found.wrong == []
    assert len(found.pruned) == len(CIRCUITS) + 1
    assert sum(found.mutations.values()) >= 40
    assert found.mutations[Outcome.FAIL] >= 15
    assert len(found.nulls) >= 200
    text = "\n".join(table(found))
    assert "mutated specs" in text
    assert "WRONG" not in text


NONE = Same(1, 1, 1, 1, ())
TRUE = Pruned(
    MUTATED[0], {"precision": 1.0, "recall": 1.0}, {"precision": 1.0, "recall": 1.0}, 0, Outcome.PASS, (), 1
)


def results(
    pruned: Pruned = TRUE, mutated: Mutated | None = None, passes: int = 0, same: Same = NONE
) -> Results:
    nulls = [Null("a", "b", Outcome.PASS if i < passes else Outcome.UNDECIDED) for i in range(2000)]
    return Results([pruned], mutated or Mutated(), nulls, same, 1.0)


@pytest.mark.parametrize(
    "found",
    [
        results(replace(TRUE, outcome=Outcome.UNDECIDED)),
        results(replace(TRUE, nodes={"precision": 1.0, "recall": 0.9})),
        results(replace(TRUE, edges={"precision": 0.9, "recall": 1.0})),
        results(mutated=Mutated({"a": Counter({"refused": 1000, "fail": 98, "pass": 1})})),
        results(passes=13),
        results(same=replace(NONE, digests=2)),
        results(same=replace(NONE, flipped=("a",))),
    ],
)
def test_what_is_wrong_is_said(found: Results) -> None:
    assert len(found.wrong) == 1
    assert sum(line.startswith("WRONG") for line in table(found)) == 1


def test_what_is_right_is_not_called_wrong() -> None:
    assert results(mutated=Mutated({"a": Counter({"fail": 199, "pass": 1})}), passes=12).wrong == []


def test_of_2000_nulls_12_may_pass() -> None:
    assert allowed(2000) == 12


@pytest.fixture(scope="module", params=CIRCUITS, ids=lambda make: make.__name__)
def planted(request: pytest.FixtureRequest) -> Planted:
    make: Make = request.param
    return make(0.01, 3, Size(48, 4, 64, 6, True))


def test_a_true_hypothesis_fits_what_was_written(planted: Planted) -> None:
    circuit = spec_of(planted, specs.text(planted.name, SAMPLES, 0.1)).circuit
    assert circuit is not None
    assert Wiring.of(planted, planted.nodes).fits(circuit)
    for role, part in planted.parts.items():
        assert not Wiring.of(planted, planted.nodes - set(part)).fits(circuit), role


def test_what_was_written_is_in_the_weights(planted: Planted) -> None:
    """And nothing else is, between two nodes of the circuit."""
    model = planted.checkpoint.model
    edge = min(e for e in planted.edges if set(e) <= planted.nodes)
    other = without_weight(planted.checkpoint, edge).model
    changed = [name for name, p in model.named_parameters() if (p != other.get_parameter(name)).sum() == 1]
    assert len(changed) == 1


@pytest.mark.parametrize("drawn", DISTRIBUTIONS, ids=lambda drawn: drawn.name)
def test_means_of_synthetic_values_are_right(drawn: Drawn) -> None:
    values = drawn.draw(np.random.default_rng(1), 400_000)
    assert abs(values.mean() - drawn.mean) <= 4.5 * values.std() / np.sqrt(len(values)) + 1e-12


def test_every_datapoint_of_a_population_is_as_likely() -> None:
    one = Population("quotes", True)
    drawn = Generator(one.spec.task, 5).datapoints("test", range(20_000))
    names = [tuple((p.text, p.answer) for p in datapoint.prompts) for datapoint in drawn]
    counts = np.bincount([one.places[name] for name in names], minlength=len(one.places))
    expected = len(names) / len(counts)
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert abs(statistic - len(counts)) < 5 * np.sqrt(2 * len(counts))
