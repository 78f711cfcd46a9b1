"""A task -> all its datapoints, by making every choice that its generator can make."""

from __future__ import annotations

from collections.abc import Iterator

from circuitlang.program.task import Task
from circuitlang.prompts.case import Attempt, Cases
from circuitlang.prompts.chosen import chosen
from circuitlang.prompts.draw import Drawer, Where
from circuitlang.prompts.prompt import Prompt
from circuitlang.prompts.unroll import Grammar

MOST = 1 << 20  # alternatives of one choice, beyond which it cannot be meant to be listed
WORK = 1 << 18  # choices in all, a long list counting more: about a second
_LONG = 32  # alternatives that take about as long to look through as a choice itself


class TooManyError(Exception):
    """There are more choices, or alternatives of one, than anyone would list."""


def every(task: Task, where: Where | None = None) -> Iterator[tuple[Prompt, ...]]:
    """The prompts of every datapoint, splits together, in the order of its choices: the first alternatives first,
    the last name's fastest. A datapoint that several choices lead to comes as often. TooManyError where there is
    a choice of more than MOST, as weights of many digits make, and where WORK choices were not enough."""
    grammar = Grammar(task.rules)
    drawer, cases = Drawer(task, grammar), Cases(task, grammar)
    ranges = drawer.ranges(where or {})
    path: list[tuple[int, int]] = []  # the choices of the datapoint: (index, of how many)
    made = work = 0

    def choose(count: int) -> int:
        nonlocal made, work
        work += 1 + count // _LONG
        if count > MOST or work > WORK:
            raise TooManyError
        if made == len(path):
            path.append((0, count))
        made += 1
        return path[made - 1][0]

    def never() -> bool:
        """What could be drawn in place of a taken text is made in its own turn."""
        return False

    while True:
        made = 0
        source = chosen(choose, again=never)
        values = drawer.values(b"", ranges, None, source)
        prompts = None if values is None else Attempt(b"", values, cases, source).prompts()
        if prompts is not None:
            yield prompts
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return
        index, count = path.pop()
        path.append((index + 1, count))
