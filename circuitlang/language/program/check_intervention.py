"""The interventions of a quantity (`given keep(circuit), set(kind = -1.5, at=open)`) -> checked Interventions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from circuitlang.language.program import errors, errors_circuit, errors_claim, errors_spec
from circuitlang.language.program.check_arguments import EXPECTED
from circuitlang.language.program.check_circuit import says
from circuitlang.language.program.hypothesis import ANSWER, Arrow, Port
from circuitlang.language.program.order import check_order
from circuitlang.language.program.plugins import find_intervention
from circuitlang.language.program.signature import Crossing, InterventionKind
from circuitlang.language.program.spec import Intervention, Target
from circuitlang.language.program.subject import Subject, check_port, check_wire
from circuitlang.language.syntax import tree
from circuitlang.language.syntax.spell import spell

_WHOLE = ("circuit", "random")
_FORMS = {"role": "a role", "port": "a port", "arrow": "an arrow", "circuit": "the circuit"}


def check_interventions(written: tree.Quantity, subject: Subject) -> list[Intervention | None]:
    """Each of them, or None in its place where something in it is wrong; and whether they go together."""
    case = written.case.text if written.case else None
    done = [_intervention(item, case, subject) for item in written.given]
    each = [item for item in written.given if item.each]
    for item in each[1:]:
        subject.found.append(errors_claim.second_each(item.span, spell(each[0])))
    for place, (item, act) in enumerate(zip(written.given, done, strict=True)):
        for first, other in zip(written.given[:place], done[:place], strict=True):
            if act is not None and other is not None and _undo(act, other):
                subject.found.append(errors_claim.acted_on_twice(item.span, spell(first)))
                break
    return done


def _undo(one: Intervention, other: Intervention) -> bool:
    """Whether the two act on the same values; `keep` acts on what is outside its target, and what is done in one model
    is nothing to one that is crossed over to."""
    if "cross" in (one.kind, other.kind):
        return True
    if "keep" in (one.kind, other.kind):
        return one.kind == other.kind
    same = (one.target, one.each) == (other.target, other.each)
    return same and (one.at == other.at or None in (one.at, other.at))


def _intervention(written: tree.Intervention, case: str | None, subject: Subject) -> Intervention | None:
    kind = find_intervention(written.kind, subject.found)
    if kind is None:
        return None
    mistakes = len(subject.found)
    if subject.block not in kind.blocks:
        subject.found.append(errors_claim.wrong_block(written.kind.span, kind.blocks, subject.block))
        return None
    crossing = any(option.type == "site" for option in kind.options)
    act = (
        _crossing(written, kind, subject)
        if crossing
        else _each(written, kind, subject)
        if written.each
        else _one(written, kind, subject)
    )
    value = _value(written, kind, subject)
    at, to = _options(written, kind, case, subject)
    named = any(option.name.text == "to" for option in written.options)
    if kind.contrast and (to is not None or not named):
        subject.check_other(written.kind.span, kind.name, to, case)
    wrong = any(problem.severity == "error" for problem in subject.found[mistakes:])
    if wrong or act is None:
        return None
    return act if crossing else replace(act, value=value, at=at, to=to)


def _crossing(written: tree.Intervention, kind: InterventionKind, subject: Subject) -> Intervention | None:
    """From one of a bridge's models to the other, at one of its sites or at each."""
    target = next((form for form in kind.forms if form == spell(written.target)), None)
    if target is None or written.each:
        what = f"`each {spell(written.target)}`" if written.each else f"`{spell(written.target)}`"
        subject.found.append(errors_claim.bad_target(written.target.span, kind.name, what, kind.forms))
        return None
    site = None
    for option in written.options:
        value = option.value
        if option.name.text == "at":
            last = None if subject.layers is None else 2 * subject.layers
            right = isinstance(value, tree.Int) and 0 <= value.value <= (last or value.value)
            if not right:
                subject.found.append(errors_claim.wrong_argument(value.span, "at", EXPECTED["site"]))
            site = float(value.value) if isinstance(value, tree.Int) else None
    return Intervention(kind.name, cast("Crossing", target), value=site, span=written.span)


def _one(written: tree.Intervention, kind: InterventionKind, subject: Subject) -> Intervention | None:
    target = _target(written, kind, subject)
    if target is None:
        return None
    act = Intervention(kind.name, target, span=written.span)
    if act.form not in kind.forms:
        what = _FORMS.get(act.form, f"`{spell(written.target)}`")
        forms = [_word(form) for form in kind.forms]
        subject.found.append(errors_claim.bad_target(written.target.span, kind.name, what, forms))
        return None
    if isinstance(target, Port):
        return act if _fits(target.role, written, kind, subject) else None
    return act


def _word(form: str) -> str:
    return {"role": "ROLE", "port": "ROLE.PORT", "arrow": "ROLE -> ROLE"}.get(form, form)


def _target(written: tree.Intervention, kind: InterventionKind, subject: Subject) -> Target | None:
    target = written.target
    if isinstance(target, tree.Wire):
        return _arrow(target, subject)
    name = target.name.text
    if name in _WHOLE:
        if target.part is not None:
            subject.found.append(errors_circuit.no_ports(target.part.span, name, ""))
            return None
        return "circuit" if name == "circuit" else "random"
    if name == ANSWER:
        forms = [_word(form) for form in kind.forms]
        subject.found.append(errors_claim.bad_target(target.span, kind.name, "the answer", forms))
        return None
    if name not in subject.roles:
        known = [*(form for form in kind.forms if form in _WHOLE), *subject.roles]
        subject.found.append(errors.unknown("target", target.name.span, known))
        return None
    subject.used.add(name)
    return check_port(target, subject.roles, subject.found)


def _arrow(written: tree.Wire, subject: Subject) -> Arrow | None:
    """An arrow need not be one that the circuit claims, but it must be one that can be."""
    subject.used |= {port.name.text for port in (written.first, *(hop.port for hop in written.hops))}
    if len(written.hops) > 1:
        hint = "name them one after the other: `drop(a -> b), drop(b -> c)`"
        subject.found.append(errors_circuit.one_arrow(written.span, "an intervention takes", hint))
        return None
    arrows = check_wire(written, subject.roles, False, subject.found)
    if not arrows:
        return None
    (arrow,) = arrows
    circuit = subject.circuit
    if circuit is not None:
        never = next((a for a in circuit.arrows if a.never and says(arrow, replace(a, never=False))), None)
        if never is not None:
            subject.found.append(errors_circuit.contradicts_never(written.span, never, ()))
            return None
        order = check_order(replace(circuit, arrows=(*circuit.claimed, arrow)), subject.layers)
        if order:
            subject.found += order
            return None
    return arrow


def _each(written: tree.Intervention, kind: InterventionKind, subject: Subject) -> Intervention | None:
    """The members of the circuit or of a group, one at a time."""
    target = written.target
    name = target.name.text if isinstance(target, tree.Port) and target.part is None else ""
    members = {form.removeprefix("each ") for form in kind.forms if form.startswith("each ")}
    if name in ("node", "edge"):
        if name not in members:
            forms = [_word(form) for form in kind.forms]
            what = f"`each {name}`"
            subject.found.append(errors_claim.bad_target(target.span, kind.name, what, forms))
            return None
        return Intervention(kind.name, "circuit", "node" if name == "node" else "edge", span=written.span)
    if name not in subject.roles:
        groups = [role.name for role in subject.roles.values() if role is not None and role.group]
        subject.found.append(errors.unknown("member", target.span, ["node", "edge", *groups]))
        return None
    subject.used.add(name)
    role = subject.roles[name]
    if role is None:
        return None
    if not role.group:
        subject.found.append(errors_claim.each_of_one(target.span, name))
        return None
    if "ROLE" not in members:
        forms = [_word(form) for form in kind.forms]
        subject.found.append(errors_claim.bad_target(target.span, kind.name, "`each ROLE`", forms))
        return None
    act = Intervention(kind.name, Port(name, None, target.span), "role", span=written.span)
    return act if _fits(name, written, kind, subject) else None


def _fits(name: str, written: tree.Intervention, kind: InterventionKind, subject: Subject) -> bool:
    """Whether the role is of a kind that this can be done to."""
    role = subject.roles[name]
    if role is None or not kind.kinds or role.kind in kind.kinds:
        return True
    subject.found.append(errors_claim.unfit_role(written.target.span, name, role.kind, kind.name, kind.kinds))
    return False


def _value(written: tree.Intervention, kind: InterventionKind, subject: Subject) -> float | None:
    value = written.value
    if kind.value is None:
        if value is not None:
            subject.found.append(errors_spec.takes_no_value(value.span, kind.name))
        return None
    if value is None:
        subject.found.append(errors_claim.needs_value(written.target.span, kind.name))
        return None
    low, high = kind.value
    number = float(value.value)
    if not low <= number <= high:
        subject.found.append(errors_spec.out_of_range(value.span, kind.name, f"{low:g} to {high:g}"))
    elif number == kind.nothing:
        subject.found.append(errors_claim.changes_nothing(written.span))
    return number if math.isfinite(number) else None


def _options(
    written: tree.Intervention, kind: InterventionKind, case: str | None, subject: Subject
) -> tuple[str | None, str | None]:
    """The mark after `at=` and the case after `to=`."""
    known = {option.name: option for option in kind.options}
    seen: dict[str, tree.Named] = {}
    values: dict[str, str | None] = {}
    cases: Sequence[str] = subject.cases if case is None else (case,)
    for option in written.options:
        name = option.name.text
        if name not in known:
            subject.found.append(errors.unknown("option", option.name.span, known))
        elif name in seen:
            first = seen[name].name.span
            subject.found.append(errors.declared_twice("option", option.name.span, first))
        elif known[name].type == "site":
            pass  # read where its crossing is
        elif not isinstance(option.value, tree.Name):
            expected = EXPECTED[known[name].type]
            subject.found.append(errors_claim.wrong_argument(option.value.span, name, expected))
        elif known[name].type == "mark":
            values[name] = subject.check_mark(option.value.span, cases)
        else:
            values[name] = subject.check_case(option.value.span)
        seen.setdefault(name, option)
    return values.get("at"), values.get("to")
