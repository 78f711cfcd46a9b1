"""A `claim` of the tree -> a checked Claim: metric, interventions, conditions and the number fit each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, cast

from circuitlang.language.program import errors, errors_claim, errors_spec
from circuitlang.language.program.check_arguments import check_arguments
from circuitlang.language.program.check_intervention import check_interventions
from circuitlang.language.program.expression import Choice, Expression, Repeat, Sequence, Text
from circuitlang.language.program.plugins import find_metric
from circuitlang.language.program.signature import Metric
from circuitlang.language.program.sizes import MAX_TEXT, too_large
from circuitlang.language.program.spec import Argument, Claim, Intervention, Quantity
from circuitlang.language.program.subject import Subject
from circuitlang.language.program.task import Case, Task
from circuitlang.language.syntax import tree
from circuitlang.language.syntax.spell import spell
from circuitlang.source.diagnostic import Diagnostic

_Relation = Literal["<", "<=", ">", ">=", "=="]
_WORDS = {
    "nats": "a loss in nats",
    "share": "a share of datapoints",
    "count": "a count",
    "activation": "a value",
    "ratio": "a ratio",
}


def check_claim(claim: tree.Claim, subject: Subject) -> Claim | None:
    """The claim, or None where something in it is wrong."""
    found = subject.found
    mistakes = len(found)
    metric, left = check_quantity(claim.left, subject)
    if isinstance(claim.right, tree.Quantity):
        other, right = check_quantity(claim.right, subject)
        _comparable(claim, claim.right, metric, other, found)
    else:
        right = float(claim.right.value)
        if metric is not None:
            _bound(claim, claim.right, metric, found)
    if metric is not None and not metric.counts and claim.relation == "==":
        found.append(errors_spec.exact_relation(claim.span, metric.name))
    if isinstance(claim.right, tree.Quantity):
        for side, quantity in ((claim.left, left), (claim.right, right)):
            if isinstance(quantity, Quantity) and quantity.over_text:
                why = (
                    "what is measured over pretraining text has no datapoint in common with another quantity"
                )
                found.append(errors_claim.over_text(side.span, why, "compare it with a number"))
    if any(problem.severity == "error" for problem in found[mistakes:]) or left is None or right is None:
        return None
    text = f"{spell(claim.left)} {claim.relation} {spell(claim.right)}"
    return Claim(claim.name.text, left, cast(_Relation, claim.relation), right, text, claim.span)


def _bound(
    claim: tree.Claim, right: tree.Number | tree.Percent, metric: Metric, found: list[Diagnostic]
) -> None:
    """The number must be one that the metric can have, and in its unit."""
    value = right.value
    if metric.unit == "share" and not 0 <= value <= 1:
        found.append(
            errors_spec.bound_impossible(
                right.span, metric.name, "a share from 0 to 1 (0% to 100%)", _as_percent(right)
            )
        )
    elif metric.unit != "share" and isinstance(right, tree.Percent):
        found.append(errors_spec.bound_impossible(right.span, metric.name, _WORDS[metric.unit]))
    elif metric.low is not None and value < metric.low:
        found.append(errors_spec.bound_impossible(right.span, metric.name, f"never below {metric.low:g}"))
    elif metric.counts and not isinstance(right, tree.Int):
        found.append(errors_spec.bound_impossible(right.span, metric.name, "a whole number"))
    elif isinstance(right, tree.Percent) and 0 < float(value) < 0.01 and claim.relation in (">", ">="):
        found.append(errors_spec.below_a_percent(right.span, metric.name, float(value)))
    elif (metric.low == value and claim.relation in ("<", ">=")) or (
        metric.high == value and claim.relation in (">", "<=")
    ):
        found.append(errors_spec.says_nothing(right.span, metric.name))


def _as_percent(right: tree.Number | tree.Percent) -> str | None:
    """What was meant by a number that would be a share with `%`."""
    return (
        f"write {spell(right)}%"
        if isinstance(right, tree.Int | tree.Float) and 1 < right.value <= 100
        else None
    )


def _comparable(
    claim: tree.Claim,
    right: tree.Quantity,
    metric: Metric | None,
    other: Metric | None,
    found: list[Diagnostic],
) -> None:
    """Two quantities have one unit and are not the same one, and only the left one is taken for each member."""
    for intervention in right.given:
        if intervention.each:
            found.append(errors_spec.each_on_right(intervention.span))
    if metric is None or other is None:
        return
    if metric.unit != other.unit:
        found.append(errors_spec.units_differ(right.span, _WORDS[metric.unit], _WORDS[other.unit]))
    elif claim.left == right:
        found.append(errors_spec.says_nothing(right.span, metric.name))


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


def check_where(
    written: Iterable[tree.Condition], task: Task | None, found: list[Diagnostic]
) -> dict[str, tuple[int, int]]:
    """Pinned params. A pin may lie beyond the param's range."""
    pins: dict[str, tuple[int, int]] = {}
    spans = {}
    for condition in written:
        name, value = condition.name, condition.value
        low = value.value if isinstance(value, tree.Int) else value.low.value
        high = value.value if isinstance(value, tree.Int) else value.high.value
        if low > high:
            found.append(errors.empty_range(value.span))
        if name.text in spans:
            found.append(errors.declared_twice("condition", name.span, spans[name.text]))
        spans.setdefault(name.text, name.span)
        pins[name.text] = low, high
        if task is None:
            continue
        if name.text not in task.param_names:
            found.append(errors.unknown("param", name.span, task.param_names))
        elif low < 0 and name.text in _counters(task):
            found.append(errors_spec.pinned_below_zero(value.span, name.text))
        elif low <= high and makes_too_long(task, {name.text: high}):
            found.append(errors.too_long(value.span, MAX_TEXT))
    return pins


def makes_too_long(task: Task, pins: Mapping[str, int]) -> bool:
    """Whether a text could have more characters than any may, with these params pinned."""
    return bool(too_large(task.rules, _bodies(task), pins))


def _bodies(task: Task) -> dict[str, Expression]:
    """What a task expands besides its rules."""
    bodies = {name: draw.body for draw in task.draws for name in draw.names}
    return bodies | {
        f"{case.name} {name}": body for case in task.cases for name, body in case.bindings.items()
    }


def _counters(task: Task) -> frozenset[str]:
    """The params that count repetitions."""
    waiting = [*(rule.body for rule in task.rules.values()), *_bodies(task).values()]
    found: set[str] = set()
    while waiting:
        match waiting.pop():
            case Repeat(body, _, _, count, _):
                found |= {count} if count is not None else set()
                waiting.append(body)
            case Sequence(items):
                waiting += items
            case Choice(options):
                waiting += options
    return frozenset(found)
