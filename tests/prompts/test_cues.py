"""The cue finder finds what was planted, with the right number, and nothing where there is nothing."""

import random
from dataclasses import replace
from functools import cache
from math import comb
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from circuitlang.language.program.load import load, load_text
from circuitlang.language.program.task import Task
from circuitlang.prompts.cues import (
    BAR,
    CHANCE,
    _auroc,
    _by_number,
    _by_text,
    check_cues,
    cues,
    find,
    interval,
    sentence,
)
from circuitlang.prompts.features import SHAPES, Feature, Surface, case_spans, surface, words
from circuitlang.prompts.generate import Generator, SupportError
from circuitlang.prompts.prompt import Datapoint, Mark, Prompt
from tests.prompts.test_laws import tasks as random_tasks

ROOT = Path(__file__).parents[2]
HEAD = """
  draw name = "rows" | "items" | "grid" | "cells" | "points" | "total" | "label" | "price"
  draw number = 0..99
"""


def task(body: str) -> Task:
    return load_text(f"task planted {{{HEAD}{body}}}").tasks["planted"]


@cache
def shipped() -> dict[str, Task]:
    return dict(load(ROOT / "tasks/python.task").tasks)


def token_in(share: int) -> Task:
    """The token `zed` stands in that many of ten prompts of one case, and in none of the other.

    The two prompts of a datapoint always differ: equal ones fall in one split more often than others, so a case that
    is now and then equal to another has its own texts at other rates than its weights say.
    """
    return task(f"""
      prompt "{{name}} = {{begin}}{{number}} +"
      case with_it with begin = "zed " weight {share} | "old " weight {10 - share} answer "1"
      case without with begin = "new " answer "2"
    """)


# --- what was planted is found, with its number --------------------------------------------------


@pytest.mark.parametrize("share", [3, 5, 8, 9])
def test_a_token_of_one_case_is_found_with_its_number(share: int) -> None:
    """The rule "has it" is right for all prompts of one case and for `share` of the other's."""
    found = cues(token_in(share)).found
    best = next(cue for cue in found if cue.feature == Feature("count", "zed"))
    assert best.low <= 0.5 + share / 20 <= best.high
    assert (best.threshold, best.upper, best.own) == (1, "with_it", True)
    assert best.larger == pytest.approx(share / 10, abs=0.12)
    assert best.smaller == 0
    assert best.auroc == pytest.approx(best.accuracy)  # counts of 0 and 1: the same number


def test_a_length_that_differs_is_a_shortcut() -> None:
    """Both cases are as long as their number of words; one has 2 to 5 of them and the other 4 to 7."""
    planted = task("""
      rule word = "aaa"
      prompt "{name} = {words}."
      case short with words = word{2..5 by " "} answer "1"
      case long with words = word{4..7 by " "} answer "2"
    """)
    found = {cue.feature.kind: cue for cue in cues(planted).found}
    tokens = found["tokens"]
    assert tokens.low <= 0.75 <= tokens.high  # 4 and 5 are in both: a rule is right on 3/4 at best
    assert tokens.upper == "long"
    assert tokens.is_shortcut
    assert not tokens.own
    assert found["characters"].is_shortcut
    assert "last token" not in found
    [warning] = check_cues(planted)
    assert (warning.code, warning.severity) == ("CIR-213", "warning")
    assert warning.span.text.startswith("case long")
    assert "alone tells `short` from `long`" in warning.message


def test_a_last_token_is_a_shortcut_even_where_it_is_the_cases_own() -> None:
    """A prompt that ends with what differs asks for no more than the model's memory of pairs."""
    ends = task("""
      prompt "{number} {name} {sign}"
      case plus with sign = "+" answer "1"
      case minus with sign = "-" answer "2"
    """)
    [last] = [cue for cue in cues(ends).found if cue.feature.kind == "last token"]
    assert last.accuracy == 1
    assert last.table == {"+": "plus", "-": "minus"}
    assert last.is_shortcut


def test_lines_and_the_last_lines_indentation_are_features() -> None:
    bent = task("""
      prompt "def {name}():{begin}return {number}"
      case block with begin = "\\n    " answer "1"
      case line with begin = " " answer "2"
    """)
    found = {cue.feature.kind: cue.accuracy for cue in cues(bent).found}
    assert found["lines"] == found["indentation"] == 1


def test_text_outside_the_cases_own_is_told_apart_from_it() -> None:
    """With prompts of their own the literal text is the case's, what names produce is not."""
    elsewhere = task("""
      case once prompt "one: {number}" answer "1"
      case twice prompt "two: {number}, {name}" answer "2"
    """)
    found = {cue.feature: cue for cue in cues(elsewhere).found}
    assert found[Feature("count", "one")].own
    assert {feature.kind for feature, cue in found.items() if not cue.own} >= {"count elsewhere", "tokens"}


def test_only_cases_with_different_answers_are_compared() -> None:
    three = task("""
      prompt "{number} {name} {begin}{number}"
      case a with begin = "aa " answer "1" foil "2"
      case b with begin = "bb " answer "1" foil "2"
      case c with begin = "cc " answer "2" foil "1"
    """)
    assert {cue.cases for cue in cues(three).found} == {("a", "c"), ("b", "c")}


def test_cases_of_a_one_sided_task_are_told_apart_by_what_is_right() -> None:
    """Both cases have the answer `x`; one says that it is not."""
    sided = task("""
      prompt "{number} {name} {begin}{number}"
      case yes with begin = "aa " answer "x"
      case no with begin = "bbbb " answer not "x"
    """)
    assert {cue.cases for cue in cues(sided, count=100).found} == {("yes", "no")}


# --- nothing is found where there is nothing -----------------------------------------------------


@pytest.mark.parametrize(
    "cases",
    [
        'case a with x = "p" | "q" answer "1"  case b with x = "p" | "q" answer "2"',
        'case a with x = number answer "1"  case b with x = number answer "2"',
        'case a with x = "p " name answer "1"  case b with x = "p " name answer "2"',
    ],
    ids=["alike in distribution", "equal", "equal, with a literal"],
)
def test_cases_that_differ_in_nothing_have_no_cue(cases: str) -> None:
    same = task(f'prompt "{{name}} {{x}} {{number}}"\n{cases}')
    for seed in range(2):
        assert not [cue for cue in cues(same, seed=seed, count=256).found if cue.low > CHANCE]
    assert check_cues(same) == []


def test_shuffled_cases_have_none_at_the_promised_rate() -> None:
    """Which prompt of a datapoint is which case is decided by a coin: at most one of a hundred has any interval
    that leaves chance out, and none a warning."""
    brackets = shipped()["bracket_counting"]
    datapoints = list(Generator(brackets, 0).datapoints("train", range(100)))
    coin = random.Random(0)
    alarms = 0
    for _ in range(50):
        shuffled = [_swapped(datapoint) if coin.random() < 0.5 else datapoint for datapoint in datapoints]
        found = find(brackets, shuffled).found
        alarms += any(cue.low > CHANCE for cue in found)
        assert not any(cue.is_shortcut for cue in found)
    assert alarms <= 3  # with a chance of 1 in 100 each, four or more would come once in 600 times


def _swapped(datapoint: Datapoint) -> Datapoint:
    first, second = datapoint.prompts
    return replace(datapoint, prompts=(replace(second, case=first.case), replace(first, case=second.case)))


def test_the_shipped_tasks() -> None:
    assert check_cues(shipped()["single_double_quote"]) == []
    [warning] = check_cues(shipped()["bracket_counting"])
    assert "length" in warning.message
    everything = cues(shipped()["bracket_counting"])
    found = everything.found
    assert len(found) == everything.scored > 10
    for cue in found:  # corrected for how many there are
        assert (cue.low, cue.high) == interval(cue.accuracy, everything.datapoints, 0.01 / len(found))
    assert {cue.feature.kind for cue in found if cue.is_shortcut} == {"characters", "tokens"}
    brackets = next(cue for cue in found if cue.feature == Feature("count", "["))
    assert (brackets.own, brackets.accuracy, brackets.threshold) == (True, 1.0, 3)
    assert all(f"{cue.accuracy:.0%}" in sentence(cue) for cue in found)
    assert list(found) == sorted(found, key=lambda cue: -cue.accuracy)
    assert 0.5 < BAR < 1


@given(random_tasks())
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_every_task_has_cues_in_their_order(any_task: Task) -> None:
    """Whatever a task is made of: empty texts, recursion, cases with prompts of their own."""
    try:
        found = cues(any_task, count=12, split="select")
    except SupportError:
        assume(False)
        raise
    assert found.datapoints == 6
    assert [cue.accuracy for cue in found.found] == sorted(
        (cue.accuracy for cue in found.found), reverse=True
    )
    for cue in found.found:
        assert 0 <= cue.low <= cue.accuracy <= cue.high <= 1
        assert (cue.threshold is None) == (cue.table is not None) == (cue.auroc is None)
        assert not (cue.own and cue.feature.kind != "count")


# --- the parts -----------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 9), min_size=3, max_size=3), st.integers(4, 24), st.floats(0.01, 0.3))
@settings(max_examples=60)
def test_the_interval_misses_no_more_often_than_it_says(odds: list[int], count: int, alpha: float) -> None:
    """Exactly, for shares of 0, 1/2 and 1: both prompts wrong, one right, both right."""
    chances = [odd / sum(odds) for odd in odds]
    sums = [1.0]
    for _ in range(count):  # the distribution of the sum of twice the shares
        sums = [
            sum(chances[k] * sums[total - k] for k in range(3) if 0 <= total - k < len(sums))
            for total in range(len(sums) + 2)
        ]
    true = chances[1] / 2 + chances[2]
    missed = 0.0
    for total, chance in enumerate(sums):
        low, high = interval(total / (2 * count), count, alpha)
        assert 0 <= low <= total / (2 * count) <= high <= 1
        missed += chance * (not low <= true <= high)
    assert missed <= alpha


@pytest.mark.parametrize("count", [1, 10, 200])
def test_an_interval_of_nothing_but_hits_is_nearly_exact(count: int) -> None:
    low, high = interval(1.0, count, 0.02)
    assert high == 1
    assert low**count == pytest.approx(0.01)  # Clopper and Pearson's limit at this end
    assert comb(count, 0) * interval(0.0, count, 0.02)[1] == pytest.approx(1 - low)


def rows(values: list[int]) -> list[Surface]:
    return [Surface((value,) * len(SHAPES), {}, {}, (str(value),) * 2) for value in values]


columns = st.integers(1, 12).flatmap(
    lambda size: st.tuples(*[st.lists(st.integers(0, 6), min_size=size, max_size=size)] * 2)
)


@given(columns)
def test_the_threshold_is_the_best_one(pair: tuple[list[int], list[int]]) -> None:
    first, second = pair
    rule = _by_number(Feature("characters"), ("a", "b"), {"a": rows(first), "b": rows(second)})
    shares = [sum(value >= t for value in second) + sum(value < t for value in first) for t in range(8)]
    size = 2 * len(first)
    assert rule.share == max(max(shares), size - min(shares)) / size
    reached = sum((value >= rule.threshold) == rule.rises for value in second)
    reached += sum((value >= rule.threshold) != rule.rises for value in first)
    assert reached == pytest.approx(rule.share * size)


@given(columns)
def test_the_table_is_the_best_one(pair: tuple[list[int], list[int]]) -> None:
    first, second = pair
    rule = _by_text(Feature("last token"), ("a", "b"), {"a": rows(first), "b": rows(second)})
    best = sum(max(first.count(value), second.count(value)) for value in {*first, *second})
    assert rule.share == pytest.approx(best / (2 * len(first)))
    assert rule.table is not None
    for value in {*first, *second}:
        wanted = {1: "b", 0: None, -1: "a"}[
            (second.count(value) > first.count(value)) - (second.count(value) < first.count(value))
        ]
        assert rule.table.get(str(value)) == wanted


@given(columns)
def test_auroc_is_the_share_of_pairs(pair: tuple[list[int], list[int]]) -> None:
    ups, downs = pair
    slow = sum((up > down) + (up == down) / 2 for up in ups for down in downs)
    assert _auroc(ups, downs) == pytest.approx(slow / (len(ups) * len(downs)))


def test_a_prompts_surface() -> None:
    text = "if x:\n    call('red"
    tokens = [(0, 2), (2, 4), (4, 5), (10, 14), (14, 16), (16, 19)]
    made = surface(Prompt("a", text, "'", (), False, (), {}), tokens, [(15, 16)])
    assert made.shape == (19, 6, 2, 4)
    assert made.ends == ("if", "red")
    assert (made.counts["'"], made.elsewhere.get("'", 0)) == (1, 0)
    assert (made.counts["('"], made.elsewhere.get("('", 0)) == (
        1,
        0,
    )  # it shares a character with the case's text
    assert made.counts["red"] == made.elsewhere["red"] == 1


def test_an_empty_list_of_tokens_and_odd_characters() -> None:
    made = surface(Prompt("a", "\n \ud800", "x", (), False, (), {}), [], [])
    assert made.ends == ("", "")
    assert made.shape == (3, 0, 2, 1)
    assert words(["a_1 += [[é\n"]) == [[(0, 3), (4, 6), (7, 9), (9, 10)]]


@pytest.mark.parametrize("name", ["single_double_quote", "bracket_counting", "set_or_string"])
def test_without_their_own_text_the_cases_of_a_datapoint_are_equal(name: str) -> None:
    own = case_spans(shipped()[name])
    for datapoint in Generator(shipped()[name], 3).datapoints("test", range(20)):
        rest = set()
        for prompt in datapoint.prompts:
            ranges = own(prompt)
            assert ranges == sorted(ranges)
            assert ranges
            at, kept = 0, ""
            for start, end in ranges:
                assert at <= start < end
                kept, at = kept + prompt.text[at:start], end
            rest.add(kept + prompt.text[at:])
        assert len(rest) == 1


def test_own_text_of_cases_with_prompts_of_their_own() -> None:
    two = task("""
      case a prompt "say {name}!" answer "1"
      case b prompt "ask {name}?" answer "2"
    """)
    prompt = Prompt("a", "say rows!", "1", ("2",), False, (Mark("name", 4, 8),), {})
    assert case_spans(two)(prompt) == [(0, 4), (8, 9)]
