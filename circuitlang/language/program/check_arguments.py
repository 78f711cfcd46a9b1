"""The arguments of a metric (`(detector, at=open, between=(double, single))`) -> values by parameter."""

from __future__ import annotations

from collections.abc import Sequence

from circuitlang.language.program import errors, errors_claim, errors_spec
from circuitlang.language.program.hypothesis import ANSWER, Port
from circuitlang.language.program.signature import Metric, Parameter
from circuitlang.language.program.spec import Argument
from circuitlang.language.program.subject import Subject, check_port
from circuitlang.language.syntax import tree

EXPECTED = {
    "mark": "a mark of the task",
    "mark or text": "a mark of the task or, over pretraining text, a text in quotes",
    "case": "a case of the task",
    "two cases": "two cases, as (double, single)",
    "number": "a number",
    "site": "a site of the bridge: a whole number from 0 to twice the number of layers",
}


def check_arguments(written: tree.Quantity, metric: Metric, subject: Subject) -> dict[str, Argument]:
    """What is right of the arguments, by the name of their parameters."""
    found = subject.found
    if written.arguments and not metric.parameters:
        found.append(errors_spec.takes_no_arguments(written.arguments[0].span, metric.name))
        return {}
    values: dict[str, Argument | None] = {}
    known = {parameter.name: parameter for parameter in metric.parameters}
    case = written.case.text if written.case else None
    named: dict[str, tree.Named] = {}
    for place, argument in enumerate(written.arguments):
        if isinstance(argument, tree.Port):
            if place == 0 and metric.role is not None:
                values[metric.role.name] = _role(argument, metric, metric.role, subject)
            else:
                found.append(errors_claim.unnamed_argument(argument.span, metric.signature))
        elif argument.name.text not in known or known[argument.name.text].type == "role":
            names = [name for name, parameter in known.items() if parameter.type != "role"]
            found.append(errors.unknown("argument", argument.name.span, names))
        elif argument.name.text in named:
            first = named[argument.name.text].name.span
            found.append(errors.declared_twice("argument", argument.name.span, first))
        else:
            named[argument.name.text] = argument
    between = next((name for name in named if known[name].type == "two cases"), None)
    cases: Sequence[str] = subject.cases if case is None else (case,)
    if between is not None:
        pair = _two_cases(named[between], subject)
        values[between] = pair
        cases = pair or subject.cases
        if written.case is not None:
            found.append(errors_claim.case_besides_between(written.case.span))
    over = any(known[name].type == "choice" and _word(each) == "text" for name, each in named.items())
    for name, argument in named.items():
        if name != between:
            values[name] = _value(argument, known[name], subject, cases, between is not None, over)
    if over:
        _over_text(written, named.get(between or ""), subject)
    _lacking(written, metric, values, subject)
    _looks_ahead(metric, values, named, subject)
    return {name: value for name, value in values.items() if value is not None}


def _lacking(
    written: tree.Quantity, metric: Metric, values: dict[str, Argument | None], subject: Subject
) -> None:
    for parameter in metric.parameters:
        if parameter.required and parameter.name not in values:
            name = "a role" if parameter.type == "role" else f"`{parameter.name}`"
            subject.found.append(errors_claim.lacks_argument(written.metric.span, name, metric.signature))


def _looks_ahead(
    metric: Metric, values: dict[str, Argument | None], named: dict[str, tree.Named], subject: Subject
) -> None:
    """Between the first token and the last, attention goes one way only."""
    if metric.name == "attention" and (values.get("from"), values.get("to")) == ("start", "end"):
        subject.found.append(errors_claim.looks_ahead(named["from"].span))


def _role(written: tree.Port, metric: Metric, parameter: Parameter, subject: Subject) -> Port | None:
    found = subject.found
    name = written.name.text
    if name in ("circuit", "random", ANSWER) and name not in subject.roles:
        found.append(errors.unknown("role", written.name.span, subject.roles))
        return None
    port = check_port(written, subject.roles, found)
    subject.used.add(name)
    role = subject.roles.get(name)
    if port is None or role is None:
        return None
    if port.part is not None and written.part is not None:
        found.append(errors_claim.wrong_argument(written.span, metric.name, "of a role as a whole"))
        return None
    if parameter.kinds and role.kind not in parameter.kinds:
        found.append(errors_claim.unfit_role(written.span, name, role.kind, metric.name, parameter.kinds))
        return None
    if role.group:
        found.append(errors_claim.group_for_metric(written.span, name, metric.name))
        return None
    return port


def _over_text(written: tree.Quantity, between: tree.Named | None, subject: Subject) -> None:
    """Pretraining text has no cases and no params, and is measured on the untouched model."""
    what = [
        ("cases", between.span if between else None),
        ("cases", written.case.span if written.case else None),
        ("params", written.where[0].span if written.where else None),
    ]
    for noun, span in what:
        if span is not None:
            subject.found.append(
                errors_claim.over_text(span, f"pretraining text has no {noun}", "leave this out")
            )
    for act in written.given:
        why = "over pretraining text the untouched model is measured"
        subject.found.append(errors_claim.over_text(act.span, why, "leave out `given`"))


def _word(written: tree.Named) -> str:
    return written.value.text if isinstance(written.value, tree.Name) else ""


def _value(
    written: tree.Named,
    parameter: Parameter,
    subject: Subject,
    cases: Sequence[str],
    every: bool,
    over_text: bool,
) -> Argument | None:
    value = written.value
    match parameter.type, value:
        case "mark or text", tree.Name() if over_text:
            why = f"pretraining text has no marks, and `{value.text}` is one"
            hint = f'write the text that the tokens hold, as `{parameter.name}="["`'
            subject.found.append(errors_claim.over_text(value.span, why, hint))
            return None
        case "mark or text", tree.Name():
            return subject.check_mark(value.span, cases, every)
        case "mark or text", tree.String(text=text) if text and over_text:
            return text
        case "mark or text", tree.String(text=text) if text:
            why = "in a task's prompts tokens are named by a mark, not by their text"
            hint = "write a mark, or `over=text` for pretraining text"
            subject.found.append(errors_claim.over_text(value.span, why, hint))
            return None
        case "choice", tree.Name() if value.text in parameter.choices:
            return value.text
        case "mark", tree.Name():
            return subject.check_mark(value.span, cases, every)
        case "case", tree.Name():
            return subject.check_case(value.span)
        case "number", tree.Int() | tree.Float() | tree.Fraction() | tree.Percent():
            return float(value.value)
    expected = " or ".join(f"`{choice}`" for choice in parameter.choices) or EXPECTED[parameter.type]
    subject.found.append(errors_claim.wrong_argument(value.span, parameter.name, expected))
    return None


def _two_cases(written: tree.Named, subject: Subject) -> tuple[str, str] | None:
    value = written.value
    names = value.values if isinstance(value, tree.Several) else ()
    if len(names) != 2 or not all(isinstance(name, tree.Name) for name in names):
        name = written.name.text
        subject.found.append(errors_claim.wrong_argument(value.span, name, EXPECTED["two cases"]))
        return None
    first, second = (subject.check_case(name.span) for name in names)
    if first is None or second is None:
        return None
    if first == second:
        why = f"case `{first}` cannot be told from itself"
        subject.found.append(errors_claim.same_case(value.span, why))
        return None
    return first, second
