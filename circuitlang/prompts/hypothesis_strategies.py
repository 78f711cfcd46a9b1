"""A task -> Hypothesis strategies for its datapoints and prompts, for property tests of a model on the task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hypothesis import reject
from hypothesis import strategies as st

from circuitlang.language.program.load import load
from circuitlang.language.program.task import Task
from circuitlang.prompts.enumeration import choice_source
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Datapoint, Prompt, Split
from circuitlang.source.diagnostic import CommandError

ATTEMPTS = 24  # draws that may fall outside the split before Hypothesis is told to try something else

Where = Mapping[str, int | tuple[int, int]]  # param -> the integer, or the inclusive range, to draw it from


def datapoints(
    task: Task | Path | str,
    name: str | None = None,
    *,
    split: Split | None = None,
    where: Where | None = None,
) -> st.SearchStrategy[Datapoint]:
    """Datapoints of a task, or of the task of that name in a file: one prompt per case, of the same draws.

    They are those that the generator makes, splits and held-out choices included (`split`: of this one only), and
    shrink towards the first alternatives, the fewest repetitions and the smallest numbers. Their `index` is 0.
    `where` draws params from other values than their own. ProgramError or CommandError where there is no such task.
    """
    generator = Generator(_task(task, name), 0)
    ranges = _ranges(generator.task, where or {})
    held_out = _held_out(generator, split)

    @st.composite
    def drawn(draw: st.DrawFn) -> Datapoint:
        def choose(count: int) -> int:
            return draw(st.integers(0, count - 1)) if count > 1 else 0

        held = draw(held_out)
        wanted: Split | None = "test" if held else split
        for _ in range(ATTEMPTS):
            datapoint = generator.attempt(choice_source(choose), wanted, held, ranges)
            if datapoint is not None:
                break
        else:
            reject()
        return datapoint

    return drawn()


def prompts(
    task: Task | Path | str,
    name: str | None = None,
    *,
    case: str | None = None,
    split: Split | None = None,
    where: Where | None = None,
) -> st.SearchStrategy[Prompt]:
    """Prompts of a task, each of any case or of the one that `case` names; otherwise as `datapoints`."""
    task = _task(task, name)
    cases = [known.name for known in task.cases]
    if case is not None and case not in cases:
        raise CommandError(f"task {task.name} has no case `{case}`; its cases: {', '.join(cases)}")
    places = st.sampled_from(range(len(cases)) if case is None else [cases.index(case)])
    return st.builds(_prompt, places, datapoints(task, split=split, where=where))


def _prompt(place: int, datapoint: Datapoint) -> Prompt:
    return datapoint.prompts[place]


def _task(task: Task | Path | str, name: str | None) -> Task:
    if isinstance(task, Task):
        return task
    tasks = load(task).tasks
    if name is None and len(tasks) == 1:
        return next(iter(tasks.values()))
    if name is not None and name in tasks:
        return tasks[name]
    asked = f"there is no task `{name}`" if name else f"there are {len(tasks)} tasks; say which"
    raise CommandError(f"{task}: {asked} (known: {', '.join(sorted(tasks)) or 'none'})")


def _ranges(task: Task, where: Where) -> dict[str, tuple[int, int]]:
    """`where` as the generator takes it. CommandError for what is no param, and for an empty range."""
    for name in where:
        if name not in task.param_names:
            known = ", ".join(task.param_names) or "none"
            raise CommandError(f"task {task.name} has no param `{name}`; its params: {known}")
    ranges = {name: (v, v) if isinstance(v, int) else v for name, v in where.items()}
    for name, (low, high) in ranges.items():
        if low > high:
            raise CommandError(f"`{name}` cannot be drawn from {low}..{high}: the range is empty")
    return ranges


def _held_out(generator: Generator, split: Split | None) -> st.SearchStrategy[bool | None]:
    """Whether a datapoint has a held-out choice: only those of `test` do, and half of them."""
    if not generator.holds_out:
        return st.none()
    return st.just(False) if split in ("train", "select") else st.booleans()
