"""Subject: what the claims of one block can speak of: its task, its roles, the marks of its prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from circuitlang.language.program import errors, errors_claim, expression
from circuitlang.language.program.check_arrow import Roles
from circuitlang.language.program.expression import Choice, Expression, Ref, Repeat
from circuitlang.language.program.hypothesis import Circuit
from circuitlang.language.program.signature import Block
from circuitlang.language.program.task import Case, Task
from circuitlang.source.diagnostic import Diagnostic, Span


@dataclass
class Subject:
    """`task`: None where there is none or it is unknown. `circuit`: None where no right one is written; `roles` has
    what is declared all the same. `layers`: of the model, where known. `found` and `used` (roles) collect."""

    block: Block
    task: Task | None
    circuit: Circuit | None
    roles: Roles
    layers: int | None
    found: list[Diagnostic]
    used: set[str] = field(default_factory=set)

    @cached_property
    def cases(self) -> tuple[str, ...]:
        return tuple(case.name for case in self.task.cases) if self.task else ()

    @cached_property
    def marks(self) -> Mapping[str, frozenset[str]]:
        """Case -> its marks."""
        return marks(self.task) if self.task else {}

    def check_mark(self, span: Span, cases: Iterable[str], every: bool = False) -> str | None:
        """The mark written there, if a prompt of these cases can have it; with `every`, of each of them."""
        name = span.text
        if self.task is None:
            return name
        asked = [case for case in cases if case in self.marks]
        lacking = [case for case in asked if name not in self.marks[case]]
        everywhere = sorted({*ALWAYS, *(mark for case in self.cases for mark in self.marks[case])})
        if name not in everywhere:
            self.found.append(errors.unknown("mark", span, everywhere))
            return None
        if lacking and (every or len(lacking) == len(asked)):
            known = set.intersection(*(set(self.marks[case]) for case in lacking))
            self.found.append(errors_claim.mark_elsewhere(span, lacking, known))
            return None
        return name

    def check_case(self, span: Span) -> str | None:
        """The case written there, if the task has it."""
        if self.task is not None and span.text not in self.cases:
            self.found.append(errors.unknown("case", span, self.cases))
            return None
        return span.text

    def check_other(
        self, span: Span, what: str, to: str | None, case: str | None, at: Span | None = None
    ) -> bool:
        """Whether it is clear which case is the other one. `to`: as written, `case`: the measured one."""
        if self.task is None:
            return True
        if len(self.cases) < 2:
            self.found.append(errors_claim.needs_two_cases(span, what, self.task.name))
            return False
        others: Sequence[str] = [name for name in self.cases if name != case]
        if to is None and len(self.cases) > 2:
            self.found.append(errors_claim.which_case(span, what, others))
            return False
        if to is not None and to == case:
            why = f"only case `{case}` is measured, which is no other case than `{to}`"
            self.found.append(errors_claim.same_case(at or span, why))
            return False
        return True


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
            case expression.Sequence(items):
                waiting += items
            case Choice(options):
                waiting += options
    return found
