"""A task -> one Python function that makes the prompts of an attempt at a datapoint, fast.

It draws the params and draws and writes the cases' texts, one after the other until one does not belong to
the split. It makes texts only: marks are worked out from the same key by the closures of `case` and `expand`,
for those prompts whose marks somebody looks at.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from circuitlang.program.task import Task
from circuitlang.prompts.case import Attempt, Cases
from circuitlang.prompts.draw import Drawer, Range
from circuitlang.prompts.emit import Function, Module, call
from circuitlang.prompts.emit_case import CaseWriter
from circuitlang.prompts.emit_draw import write_values
from circuitlang.prompts.prompt import Mark, Prompt
from circuitlang.prompts.unroll import Grammar


class Make(Protocol):
    """The function: the prompts of the attempt with this key, or None where it fails. `ranges`: what the
    params are drawn from; `held_out`: with a held-out choice, without, or either (None)."""

    def __call__(
        self,
        key: bytes,
        ranges: tuple[Range, ...],
        held_out: bool | None,
        belongs: Callable[[str], bool],
    ) -> tuple[Prompt, ...] | None: ...


class Expansion:
    """What makes the marks of a datapoint's prompts."""

    __slots__ = ("_cases", "_drawer", "_held_out", "_key", "_marks", "_ranges")

    def __init__(
        self, drawer: Drawer, cases: Cases, key: bytes, ranges: tuple[Range, ...], held_out: bool | None
    ) -> None:
        self._drawer = drawer
        self._cases = cases
        self._key = key
        self._ranges = ranges
        self._held_out = held_out
        self._marks: tuple[tuple[Mark, ...], ...] | None = None

    def marks(self, case: int) -> tuple[Mark, ...]:
        if self._marks is None:
            values = self._drawer.values(self._key, self._ranges, self._held_out)
            assert values is not None, "what was drawn once can be drawn again"
            self._marks = Attempt(self._key, values, self._cases).marks()
        return self._marks[case]


def source(task: Task, grammar: Grammar, drawer: Drawer, cases: Cases) -> Module:
    """The module with the function `attempt`."""
    module = Module(grammar)
    module.given["Expansion"] = partial(Expansion, drawer, cases)
    out = Function(module, call)
    write_values(out, task.params, drawer)
    CaseWriter(task, out).write(cases.apart)
    module.add(out.written("attempt", ("key", "ranges", "held_out", "belongs")))
    return module
