"""Task + prompt to the case's own text: the characters that the case itself wrote, not what all cases share."""

from __future__ import annotations

from collections.abc import Callable

from circuitlang.language.program.task import Task
from circuitlang.prompts.prompt import Prompt

Range = tuple[int, int]  # characters [start, end)


def case_spans(task: Task) -> Callable[[Prompt], list[Range]]:
    """What gives the own text of a prompt of the task, as ranges in order that do not touch.

    Own is what a `with` binding produced, the names inside it included. Where cases have prompts of their own, so is
    every character there that no name produced.
    """
    bindings = {case.name: frozenset(case.bindings) for case in task.cases}
    one_prompt = all(case.prompt == task.cases[0].prompt for case in task.cases)

    def own(prompt: Prompt) -> list[Range]:
        names = bindings[prompt.case]
        ranges = [(mark.start, mark.end) for mark in prompt.marks if mark.name in names]
        if not one_prompt:
            ranges += _unmarked(prompt)
        return _joined(ranges)

    return own


def _unmarked(prompt: Prompt) -> list[Range]:
    """The characters between the marks: the literal text of the prompt's template."""
    found: list[Range] = []
    at = 0
    for mark in prompt.marks:  # in the order of their starts
        if mark.start > at:
            found.append((at, mark.start))
        at = max(at, mark.end)
    if at < len(prompt.text):
        found.append((at, len(prompt.text)))
    return found


def _joined(ranges: list[Range]) -> list[Range]:
    found: list[Range] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found
