"""A task -> the marks that its prompts can have, case by case."""

from __future__ import annotations

from collections.abc import Mapping

from circuitlang.program.expression import Choice, Expression, Ref, Repeat, Sequence
from circuitlang.program.task import Case, Task

ALWAYS = ("start", "end")
"""The first and the last token of every prompt."""


def marks(task: Task) -> Mapping[str, frozenset[str]]:
    """Case -> the names that can produce text of its prompt, and `start` and `end`."""
    draws = {name: draw.body for draw in task.draws for name in draw.names}
    rules = {name: rule.body for name, rule in task.rules.items()}
    return {case.name: frozenset({*ALWAYS, *_names(case, {**draws, **rules})}) for case in task.cases}


def _names(case: Case, bodies: Mapping[str, Expression]) -> set[str]:
    found: set[str] = set()
    waiting: list[Expression] = list(case.prompt.parts)
    while waiting:
        match waiting.pop():
            case Ref(name) if name not in found:
                found.add(name)
                body = case.bindings.get(name) or bodies.get(name)
                waiting += [] if body is None else [body]
            case Repeat(body, _, high, count) if high > 0 or count is not None:
                waiting.append(body)
            case Sequence(items):
                waiting += items
            case Choice(options):
                waiting += options
    return found
