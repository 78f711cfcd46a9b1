"""Subject: what the claims of one block can speak of: its task, its roles and their ports, its prompts' marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, cast

from circuitlang.language.program import errors, errors_circuit, errors_claim, expression
from circuitlang.language.program.expression import Choice, Expression, Ref, Repeat
from circuitlang.language.program.hypothesis import ANSWER, Arrow, Circuit, Port, Role
from circuitlang.language.program.order import gap
from circuitlang.language.program.signature import Block
from circuitlang.language.program.task import Case, Task
from circuitlang.language.program.vocabulary import PORTS, ROLE_KINDS
from circuitlang.language.syntax import tree
from circuitlang.source.diagnostic import Diagnostic, Span

Roles = Mapping[str, Role | None]
"""Every role that is declared; None where its own line has a mistake, so that others need not speak of it."""
_ENTRANCES = tuple(port.name for port in PORTS.values() if port.enters)


def check_port(written: tree.Port, roles: Roles, found: list[Diagnostic]) -> Port | None:
    """The port, or None where its role or its side does not exist, or was refused already."""
    name, part = written.name.text, written.part
    if name not in roles and name != ANSWER:
        found.append(errors.unknown("role", written.name.span, [*roles, ANSWER]))
        return None
    role = roles.get(name)
    if part is None:
        return None if role is None and name != ANSWER else Port(name, None, written.span)
    if part.text not in PORTS:
        found.append(errors.unknown("port", part.span, PORTS))
        return None
    if name == ANSWER or (role is not None and role.kind != "head"):
        found.append(errors_circuit.no_ports(part.span, name, role.kind if role else ""))
        return None
    side = cast(Literal["query", "key", "value", "out"], part.text)
    return None if role is None else Port(name, side, written.span)


def check_wire(written: tree.Wire, roles: Roles, never: bool, found: list[Diagnostic]) -> list[Arrow]:
    """The arrows of a chain that are right by themselves, in order."""
    ports = [written.first, *(hop.port for hop in written.hops)]
    checked = [check_port(port, roles, found) for port in ports]
    arrows: list[Arrow] = []
    for place, hop in enumerate(written.hops):
        source = _leaving(checked[place], place == 0, roles, found)
        target = _entering(checked[place + 1], found)
        if source is None or target is None:
            continue
        span = Span(written.span.source, ports[place].span.start, ports[place + 1].span.end)
        arrow = Arrow(source, target, hop.arrow == "->", never, span)
        if _joins(arrow, roles, found):
            arrows.append(arrow)
    return arrows


def _leaving(port: Port | None, first: bool, roles: Roles, found: list[Diagnostic]) -> Port | None:
    """The port as an arrow's beginning. In the middle of a chain, its side is where the arrow before came in."""
    if port is None or port.span is None:
        return None
    if port.role == ANSWER:
        found.append(errors_circuit.leaves_answer(port.span))
        return None
    if first and port.part in _ENTRANCES:
        found.append(errors_circuit.leaves_by_entrance(port.span, port.role))
        return None
    role = roles[port.role]
    return Port(port.role, "out" if role is not None and role.kind == "head" else None, port.span)


def _entering(port: Port | None, found: list[Diagnostic]) -> Port | None:
    if port is not None and port.part == "out" and port.span is not None:
        found.append(errors_circuit.enters_by_exit(port.span, port.role))
        return None
    return port


def _joins(arrow: Arrow, roles: Roles, found: list[Diagnostic]) -> bool:
    """Whether there can be such an arrow, in some layers. A `never` of what cannot be is warned of elsewhere."""
    assert arrow.span is not None
    if arrow.source.role == arrow.target.role:
        found.append(errors_circuit.to_itself(arrow.span, arrow.source.role))
        return False
    source, target = roles[arrow.source.role], roles.get(arrow.target.role)
    if source is None or (target is None and arrow.target.role != ANSWER):
        return False
    kind = target.kind if target else ANSWER
    if gap(source.kind, kind, arrow.direct) is None and not arrow.never:
        ends = [other for other in (*ROLE_KINDS, ANSWER) if gap(source.kind, other, direct=True)]
        found.append(errors_circuit.not_connected(arrow, source.kind, kind, ends))
        return False
    return True


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
