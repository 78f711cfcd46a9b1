"""All datapoints of `test`, with the probabilities that drawing gives them."""

from __future__ import annotations

from collections import Counter
from math import sqrt

import pytest

from circuitlang.language.program.load import load_text
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.population import Population, population

EVEN = """
task even {
  draw a = "p" | "q" | "r" | "s" | "t" | "u" | "v"
  draw b = "0" | "1" | "2" | "3" | "4" | "5"
  prompt "{a}{b}={x}"
  case one with x = "x" answer "1"
  case two with x = "y" answer "2"
}
"""
WEIGHTED = (
    EVEN.replace("even", "weighted").replace('"q"', '"q" weight 9').replace('"1"', '"1" weight 0.37', 1)
)
FINE = EVEN.replace("even", "fine").replace('"q"', '"q" weight 0.73519').replace('"r"', '"r" weight 0.5557')
HELD = EVEN.replace("even", "held").replace("  prompt", "  hold out a 25%\n  prompt")
DISTINCT = """
task distinct {
  param n = 1..3
  rule digit = "0" | "1"
  draw a, b = "k" | "l" weight 3 | "m" | "n" weight 0.613
  draw c = "k" | "z" | "y" weight 2 except a
  hold out a 25%
  prompt "{a}{b}{c}{x}"
  case one with x = digit{n} answer "1"
  case two with x = digit{n} "2" answer "2"
}
"""
TWICE = """
task twice {
  rule digit = "0" | "1" | "0"
  draw a = "k" | "l" | "m" | "n" | "o" | "p" | "q" | "r"
  prompt "{a}{x}"
  case one with x = digit "1" | "0" "1" answer "1"
  case two with x = digit digit "2" answer "2"
}
"""
TASKS = {"even": EVEN, "weighted": WEIGHTED, "fine": FINE, "held": HELD, "distinct": DISTINCT, "twice": TWICE}


def generator(text: str) -> Generator:
    (task,) = load_text(text, "t.task").tasks.values()
    return Generator(task, 0)


def texts(datapoint) -> tuple[str, ...]:
    return tuple(prompt.text for prompt in datapoint.prompts)


def shares(found: Population) -> dict[tuple[str, ...], float]:
    total = sum(found.weights)
    summed: Counter[tuple[str, ...]] = Counter()
    for datapoint, weight in zip(found.datapoints, found.weights, strict=True):
        summed[texts(datapoint)] += weight
    return {key: weight / total for key, weight in summed.items()}


@pytest.mark.parametrize("name", TASKS)
def test_every_datapoint_is_drawn_as_often_as_its_weight_says(name: str) -> None:
    """4,000 draws; each count is binomial, so none may be more than 5 standard deviations off (one in 1.7 million
    by chance, for at most 200 counts)."""
    made = generator(TASKS[name])
    found = population(made, {}, 2000)
    assert found is not None
    expected = shares(found)
    n = 4000
    drawn = Counter(texts(datapoint) for datapoint in made.datapoints("test", range(n)))
    assert set(drawn) <= set(expected)
    for key, share in expected.items():
        assert abs(drawn[key] - n * share) <= 5 * sqrt(n * share * (1 - share)) + 1, (
            key,
            drawn[key],
            n * share,
        )


def test_half_of_all_draws_have_a_held_out_choice_however_few_there_are() -> None:
    found = population(generator(HELD), {}, 2000)
    assert found is not None
    held = sum(w for d, w in zip(found.datapoints, found.weights, strict=True) if d.held_out)
    assert 2 * held == sum(found.weights)


def test_equal_draws_have_equal_weights() -> None:
    found = population(generator(EVEN), {}, 2000)
    assert found is not None
    assert set(found.weights) == {1}
    assert [d.index for d in found.datapoints] == list(range(len(found)))


def test_pinned_params_are_pinned() -> None:
    found = population(generator(DISTINCT), {"n": (2, 2)}, 2000)
    assert found is not None
    assert {len(texts(d)[0]) for d in found.datapoints} == {5}


def test_too_many_are_none() -> None:
    made = generator(EVEN)
    all_of_them = population(made, {}, 2000)
    assert all_of_them is not None
    assert population(made, {}, len(all_of_them)) is not None
    assert population(made, {}, len(all_of_them) - 1) is None
    many = EVEN.replace('draw b = "0"', 'draw b = 1000..2000000000 | "0"')
    assert population(generator(many), {}, 8192) is None
