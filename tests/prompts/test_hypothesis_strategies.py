"""Strategies of a task's datapoints: what its generator makes, nothing else, and the smallest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from circuitlang.language.program.load import load, load_text
from circuitlang.language.program.task import Task
from circuitlang.prompts.enumeration import every_datapoint
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.hypothesis_strategies import datapoints, prompts
from circuitlang.prompts.prompt import SPLITS, Datapoint, Prompt
from circuitlang.source.diagnostic import CommandError, ProgramError
from tests.language.generators.programs import tasks

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "tasks" / "python.task"
SHIPPED = [
    (path.name, task)
    for path in sorted((ROOT / "tasks").glob("*.task"))
    for task in load(path).tasks.values()
]
SHRINK = settings(max_examples=2000, phases=[Phase.generate, Phase.shrink], database=None, derandomize=True)


def texts(datapoint: Datapoint) -> tuple[str, ...]:
    return tuple(prompt.text for prompt in datapoint.prompts)


@pytest.mark.parametrize("task", [task for _, task in SHIPPED], ids=lambda task: task.name)
def test_a_shipped_task_keeps_its_laws(task: Task) -> None:
    generator, seen = Generator(task, 0), Counter[str]()

    @settings(max_examples=4, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(datapoints(task), st.sampled_from(SPLITS).flatmap(lambda split: datapoints(task, split=split)))
    def law(any_: Datapoint, of_split: Datapoint) -> None:
        for datapoint in (any_, of_split):
            assert {generator.feature.split_of(text) for text in texts(datapoint)} == {datapoint.split}
            assert [prompt.case for prompt in datapoint.prompts] == [case.name for case in task.cases]
            assert len({tuple(prompt.draws.items()) for prompt in datapoint.prompts}) == 1
            assert datapoint.split == "test" or not datapoint.held_out
            for prompt in datapoint.prompts:
                assert prompt.answer not in prompt.foils
                for mark in prompt.marks:
                    written = prompt.draws.get(mark.name)
                    assert written in (None, prompt.text[mark.start : mark.end])
            seen[datapoint.split] += 1

    law()
    assert seen.total() >= 8


def test_what_is_drawn_is_what_the_generator_makes() -> None:
    """Small tasks: every datapoint drawn, and every one that the generator makes, is among all that there are, and
    no choice is out of reach."""
    tried: Counter[str] = Counter()

    @settings(max_examples=25, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(tasks(small=True), st.data())
    def law(task: Task, data: st.DataObject) -> None:
        rows: set[tuple[str, ...]] = set()
        for path, row in enumerate(every_datapoint(task)):
            if path == 400:
                return
            rows.add(tuple(prompt.text for prompt in row))
        generator = Generator(task, 0)
        made = {tuple(prompt.text for prompt in generator.unsplit(i)) for i in range(60)}
        assert made <= rows
        tried["tasks"] += 1
        tried["all"] += made == rows
        if not any(len({generator.feature.split_of(t) for t in row}) == 1 for row in rows):
            return
        drawn = data.draw(datapoints(task))
        assert texts(drawn) in rows
        tried["drawn"] += 1

    law()
    assert tried["tasks"] >= 12
    assert tried["all"] >= 5
    assert tried["drawn"] >= 10


NUMBERS = """
task numbers {
  rule digit = 0..9
  rule few = digit{0..3 by ","}
  draw word = "first" | "second" weight 3 | "third"
  draw one, two = "p" | "q" | "r"
  prompt "{word} {one} {two} {few}{mark}"
  case a with mark = "!" answer "1"
  case b with mark = "?" answer "2"
}
"""


@pytest.mark.parametrize(
    ("fails", "smallest"),
    [
        (lambda text: True, "first p q !"),
        (lambda text: text.count(",") == 1, "first p q 0,0!"),
        (lambda text: "third" in text and "7" in text, "third p q 7!"),
        (lambda text: " p " not in text, "first q r !"),
        (lambda text: len(text) > 14, "second p q 0,0!"),  # fewer choices before smaller ones
    ],
    ids=["anything", "two digits", "late choices", "without the first", "long"],
)
def test_shrinking_reaches_the_smallest_draws(fails: Callable[[str], bool], smallest: str) -> None:
    numbers = prompts(load_text(NUMBERS).tasks["numbers"], case="a")
    assert find(numbers, lambda prompt: fails(prompt.text), settings=SHRINK).text == smallest


def test_shrinking_a_failing_property_of_brackets() -> None:
    """A property that fails beyond a length, as a user would write it: the shortest list of the smallest numbers."""
    found: list[Prompt] = []

    @SHRINK
    @given(prompts(PYTHON, "bracket_counting", case="nested", where={"length": (1, 64)}))
    def short(prompt: Prompt) -> None:
        found.append(prompt)
        assert prompt.text.count(",") < 12

    with pytest.raises(AssertionError):
        short()
    smallest = found[-1]
    assert smallest.draws["length"] == "7"
    assert smallest.draws["fn"] == "gather"
    assert smallest.text.endswith(f"[[{', '.join('0' * 7)}], [{', '.join('0' * 7)}")


def test_pinned_params_and_splits() -> None:
    pinned = datapoints(PYTHON, "bracket_counting", split="test", where={"length": 9})

    @settings(max_examples=30, database=None, derandomize=True)
    @given(pinned)
    def law(datapoint: Datapoint) -> None:
        assert datapoint.split == "test"
        assert datapoint.prompts[0].draws["length"] == "9"
        assert datapoint.prompts[0].text.count(",") == 8
        seen.add(datapoint.held_out)

    seen: set[bool] = set()
    law()
    assert seen == {False, True}


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(CommandError, match=r"there are 3 tasks; say which|there are \d+ tasks; say which"):
        datapoints(PYTHON)
    with pytest.raises(CommandError, match="there is no task `bracket`"):
        datapoints(PYTHON, "bracket")
    with pytest.raises(CommandError, match="has no param `size`; its params: length"):
        datapoints(PYTHON, "bracket_counting", where={"size": 3})
    with pytest.raises(CommandError, match="the range is empty"):
        datapoints(PYTHON, "bracket_counting", where={"length": (3, 1)})
    with pytest.raises(CommandError, match="has no case `round`"):
        prompts(PYTHON, "bracket_counting", case="round")
    with pytest.raises(CommandError, match="there is no such file"):
        datapoints(ROOT / "tasks" / "nothing.task")
    with pytest.raises(ProgramError):
        datapoints(ROOT / "tests" / "language" / "syntax.task")
