"""Ports and arrows of the tree -> checked ones: roles that exist, sides that heads have, kinds that meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

from circuitlang.language.program import errors, errors_circuit
from circuitlang.language.program.hypothesis import ANSWER, Arrow, Port, Role
from circuitlang.language.program.order import gap
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
