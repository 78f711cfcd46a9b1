"""A `circuit` block of the tree -> a checked Circuit: roles of known kinds, arrows that can be, nothing said twice."""

from __future__ import annotations

from collections.abc import Iterable

from circuitlang.language.program import errors, errors_circuit
from circuitlang.language.program.hypothesis import Arrow, Circuit, Role
from circuitlang.language.program.order import check_order, outside
from circuitlang.language.program.subject import Roles, check_wire
from circuitlang.language.program.vocabulary import ROLE_KINDS
from circuitlang.language.syntax import tree
from circuitlang.source.diagnostic import Diagnostic, Span

_RESERVED = ("circuit", "random", "node", "edge")


def check_circuit(
    written: Iterable[tree.Circuit], layers: int | None, found: list[Diagnostic]
) -> tuple[Circuit | None, Roles]:
    """The circuit, or None where none is written or something in it is wrong; and every role that is declared.
    `layers`: of the model, where that is known."""
    blocks = list(written)
    if not blocks:
        return None, {}
    mistakes = len(found)
    for other in blocks[1:]:
        found.append(errors_circuit.second_circuit(_word(other), blocks[0].span))
    roles = _roles(blocks[0], found)
    arrows = _arrows(blocks[0], roles, found)
    known = tuple(role for role in roles.values() if role is not None)
    circuit = Circuit(known, tuple(arrows), _word(blocks[0]))
    beyond = outside(circuit, layers) if layers is not None else []
    found += beyond or check_order(circuit, layers)
    found += _repeated(circuit)
    if any(problem.severity == "error" for problem in found[mistakes:]):
        return None, roles
    return circuit, roles


def _word(block: tree.Circuit) -> Span:
    return block.span.part(0, len("circuit"))


def _roles(block: tree.Circuit, found: list[Diagnostic]) -> dict[str, Role | None]:
    roles: dict[str, Role | None] = {}
    first: dict[str, Span] = {}
    for item in block.items:
        if not isinstance(item, tree.Role):
            continue
        name = item.name.text
        if name in first:
            found.append(errors.declared_twice("role", item.name.span, first[name]))
            continue
        first[name] = item.name.span
        roles[name] = _role(item, found)
    return roles


def _role(item: tree.Role, found: list[Diagnostic]) -> Role | None:
    mistakes = len(found)
    if item.name.text in _RESERVED:
        found.append(errors_circuit.reserved_role(item.name.span))
    if item.kind.text not in ROLE_KINDS:
        found.append(errors.unknown("kind of role", item.kind.span, ROLE_KINDS))
    layers, place = None, None
    if item.layers is not None:
        one = isinstance(item.layers, tree.Int)
        low = item.layers.value if isinstance(item.layers, tree.Int) else item.layers.low.value
        high = low if isinstance(item.layers, tree.Int) else item.layers.high.value
        layers, place = (low, high), item.layers.span
        if low < 0:
            found.append(errors_circuit.outside_model(place, item.name.text, None))
        elif not one and low > high:
            found.append(errors.empty_range(place))
    if len(found) > mistakes:
        return None
    doc = item.doc.text if item.doc else None
    return Role(item.name.text, item.kind.text, item.group, layers, doc, item.span, place)


def _arrows(block: tree.Circuit, roles: Roles, found: list[Diagnostic]) -> list[Arrow]:
    arrows: list[Arrow] = []
    for item in block.items:
        if isinstance(item, tree.Wire):
            arrows += check_wire(item, roles, False, found)
        elif isinstance(item, tree.Never):
            if len(item.wire.hops) > 1:
                hint = "write one `never` for each arrow that is not to be"
                found.append(errors_circuit.one_arrow(item.wire.span, "`never` speaks of", hint))
            else:
                arrows += check_wire(item.wire, roles, True, found)
    return arrows


def _repeated(circuit: Circuit) -> list[Diagnostic]:
    """Arrows that others already say, and those that are claimed to be and never to be."""
    found: list[Diagnostic] = []
    for place, arrow in enumerate(circuit.arrows):
        assert arrow.span is not None
        same = [a for i, a in enumerate(circuit.arrows) if a.never == arrow.never and i != place]
        # of two that say the same, the second is one too many
        said = [a for a in same if says(a, arrow) and (not says(arrow, a) or _before(a, arrow))]
        if said:
            found.append(errors_circuit.said_already(arrow.span, said[0]))
        if arrow.never:
            way = path(circuit, arrow)
            found += [errors_circuit.contradicts_never(arrow.span, arrow, way)] if way else []
    return found


def _before(a: Arrow, b: Arrow) -> bool:
    return a.span is not None and b.span is not None and a.span.start < b.span.start


def says(one: Arrow, other: Arrow) -> bool:
    """Whether the first arrow's existence (or, of `never`, its absence) says the second's."""
    if one.never:
        one, other = other, one
    return (
        one.source.role == other.source.role
        and one.target.role == other.target.role
        and other.target.part in (None, one.target.part)
        and (one.direct or not other.direct)
    )


def path(circuit: Circuit, never: Arrow) -> tuple[Arrow, ...]:
    """The claimed arrows that make up a path which is claimed never to be; none where they make none.

    A path does not go on through a channel: what is written to it in one layer may be read only in an earlier one.
    """
    if never.direct:
        return next(((a,) for a in circuit.claimed if says(a, never)), ())
    ways: list[tuple[Arrow, ...]] = [(a,) for a in circuit.claimed if a.source.role == never.source.role]
    seen = {never.source.role}
    while ways:
        way = ways.pop(0)
        last = way[-1].target
        if last.role == never.target.role and never.target.part in (None, last.part):
            return way
        kinds = {role.name: role.kind for role in circuit.roles}
        if last.role in seen or kinds.get(last.role) == "channel":
            continue
        seen.add(last.role)
        ways += [(*way, a) for a in circuit.claimed if a.source.role == last.role]
    return ()
