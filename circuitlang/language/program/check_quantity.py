"""One side of a claim -> a checked Quantity: the metric, its arguments, what is done to the model, on which prompts."""

from __future__ import annotations

from collections.abc import Mapping

from circuitlang.language.program import errors_claim, errors_spec
from circuitlang.language.program.check_arguments import check_arguments
from circuitlang.language.program.check_intervention import check_interventions
from circuitlang.language.program.check_where import check_where
from circuitlang.language.program.expression import Text
from circuitlang.language.program.plugins import find_metric
from circuitlang.language.program.signature import Metric
from circuitlang.language.program.spec import Argument, Intervention, Quantity
from circuitlang.language.program.subject import Subject
from circuitlang.language.program.task import Case
from circuitlang.language.syntax import tree
from circuitlang.language.syntax.spell import spell


def check_quantity(written: tree.Quantity, subject: Subject) -> tuple[Metric | None, Quantity | None]:
    """The metric, where it is known, and the quantity, or None where something in it is wrong."""
    found = subject.found
    mistakes = len(found)
    metric = _metric(written, subject)
    arguments = check_arguments(written, metric, subject) if metric is not None else {}
    done = check_interventions(written, subject)
    if metric is not None:
        _fitting(written, metric, subject)
    where = check_where(written.where, subject.task, found)
    if written.case is not None:
        subject.check_case(written.case.span)
    acts = tuple(act for act in done if act is not None)
    if metric is not None and metric.contrast and len(acts) == len(done):
        arguments = _contrast(written, metric, arguments, acts, subject)
    if metric is None or any(problem.severity == "error" for problem in found[mistakes:]):
        return metric, None
    case = written.case.text if written.case else None
    return metric, Quantity(metric.name, acts, where, case, spell(written), arguments, written.metric.span)


def _metric(written: tree.Quantity, subject: Subject) -> Metric | None:
    metric = find_metric(written.metric, subject.found)
    if metric is not None and subject.block not in metric.blocks:
        subject.found.append(errors_claim.wrong_block(written.metric.span, metric.blocks, subject.block))
        return None
    return metric


def _fitting(written: tree.Quantity, metric: Metric, subject: Subject) -> None:
    """Whether it is measured under an intervention or not, and on prompts or not."""
    found = subject.found
    if metric.given == "must" and not written.given:
        found.append(errors_spec.needs_intervention(written.metric.span))
    if metric.given != "never":
        return
    if written.given:
        found.append(errors_spec.takes_no_intervention(written.given[0].span, metric.name))
    conditions: list[tree.Node] = [*written.where, *([written.case] if written.case else [])]
    if conditions:
        found.append(errors_spec.takes_no_condition(conditions[0].span, metric.name))


def _contrast(
    written: tree.Quantity,
    metric: Metric,
    arguments: Mapping[str, Argument],
    acts: tuple[Intervention, ...],
    subject: Subject,
) -> dict[str, Argument]:
    """The arguments with the other case: where it is not named, the one that an intervention brings in."""
    name = next((parameter.name for parameter in metric.parameters if parameter.type == "case"), None)
    span = next(
        (
            argument.value.span
            for argument in written.arguments
            if isinstance(argument, tree.Named) and argument.name.text == name
        ),
        None,
    )
    if span is not None and name not in arguments:
        return dict(arguments)  # what is written there was refused already
    brought = {act.to for act in acts if act.to is not None}
    to = arguments.get(name) if name else None
    to = to if isinstance(to, str) else next(iter(brought)) if len(brought) == 1 else None
    case = written.case.text if written.case else None
    if subject.check_other(written.metric.span, metric.name, to, case, span):
        _can_flip(written, to, case, subject)
    return {**arguments, name: to} if name and to else dict(arguments)


def _can_flip(written: tree.Quantity, to: str | None, case: str | None, subject: Subject) -> None:
    """Whether the other case's answer is among the choices of some case that is measured."""
    if subject.task is None:
        return
    cases = {each.name: each for each in subject.task.cases}
    if case is not None and case not in cases:
        return
    measured = [each for name, each in cases.items() if case in (None, name) and name != to]
    others = [each for name, each in cases.items() if to in (None, name)]
    pairs = [(one, other) for one in measured for other in others if one is not other]
    opposites = any(each.negated for each in cases.values())
    if pairs and not any(_choice(one, other, opposites) for one, other in pairs):
        one, other = pairs[0]
        subject.found.append(errors_claim.never_flips(written.metric.span, one.name, other.name))


def _choice(one: Case, other: Case, opposites: bool) -> bool:
    """Whether the other case's answer can be chosen in this one: as a foil, or in a task with `answer not` as the
    opposite."""
    if opposites:
        return one.negated != other.negated
    return one.foil is None or _said(one, one.foil.parts) == _said(other, other.answer.parts)


def _said(case: Case, parts: tuple[object, ...]) -> tuple[object, ...]:
    """A template with the case's bindings put in their places."""
    bindings: Mapping[str, object] = case.bindings
    return tuple(
        part if isinstance(part, Text) else bindings.get(getattr(part, "name", ""), part) for part in parts
    )
