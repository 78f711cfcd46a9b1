"""A task -> whether a glance shows that it has prompts enough; support.py counts where it does not."""

from __future__ import annotations

from math import perm

from circuitlang.program.expression import Ref
from circuitlang.program.listing import listed
from circuitlang.program.task import Task

SMALLEST = 30  # datapoints below which three splits cannot be told from each other's noise


def plenty(task: Task, enough: int = SMALLEST) -> bool:
    """True only if `support(task)` is at least `enough`. Looks at draws whose names stand in a prompt itself, and that
    no `except` ties to others."""
    shown = {part.name for case in task.cases for part in case.prompt.parts if isinstance(part, Ref)}
    tied = {name for draw in task.draws for name in draw.without}
    total = 1
    for draw in task.draws:
        if draw.without or tied.intersection(draw.names) or not shown.intersection(draw.names):
            continue
        choices = listed(draw.body, task.rules)
        if choices is not None:
            total *= perm(len(choices), sum(name in shown for name in draw.names))
            if total >= enough:
                return True
    return False
