"""A `claim` of the tree -> a checked Claim: metric, interventions, conditions and the number fit each
other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

from circuitlang.program import errors, errors_spec
from circuitlang.program.expression import Choice, Expression, Repeat, Sequence
from circuitlang.program.signature import InterventionKind, Metric
from circuitlang.program.sizes import MAX_TEXT, too_large
from circuitlang.program.spec import Claim, Intervention, Quantity
from circuitlang.program.task import Task
from circuitlang.program.vocabulary import INTERVENTIONS, METRICS
from circuitlang.source import Diagnostic
from circuitlang.syntax import tree
from circuitlang.syntax.spell import spell

EACH_NOT_BUILT = ("edge",)


def _targets(kind: InterventionKind) -> tuple[str, ...]:
    return tuple(form for form in kind.built if not form.startswith("each "))


def _members(kind: InterventionKind) -> tuple[str, ...]:
    return tuple(form.removeprefix("each ") for form in kind.built if form.startswith("each "))


_Relation = Literal["<", "<=", ">", ">=", "=="]
_WORDS = {
    "nats": "a loss in nats",
    "share": "a share of datapoints",
    "count": "a count",
    "activation": "a value",
    "ratio": "a ratio",
}


def check_claim(
    claim: tree.Claim, task: Task | None, roles: frozenset[str], found: list[Diagnostic]
) -> Claim | None:
    """The claim, or None where something in it is wrong."""
    mistakes = len(found)
    left = check_quantity(claim.left, task, roles, found)
    metric = METRICS.get(claim.left.metric.text)
    right: float | Quantity | None
    if isinstance(claim.right, tree.Quantity):
        right = check_quantity(claim.right, task, roles, found)
        _comparable(claim.left, claim.right, found)
    else:
        right = float(claim.right.value)
        if metric is not None and metric.built:
            _bound(claim, claim.right, metric, found)
    if metric is not None and not metric.counts and claim.relation == "==":
        found.append(errors_spec.exact_relation(claim.span, metric.name))
    if any(problem.severity == "error" for problem in found[mistakes:]) or left is None or right is None:
        return None
    text = f"{spell(claim.left)} {claim.relation} {spell(claim.right)}"
    return Claim(claim.name.text, left, cast(_Relation, claim.relation), right, text, claim.span)


def check_quantity(
    written: tree.Quantity, task: Task | None, roles: frozenset[str], found: list[Diagnostic]
) -> Quantity | None:
    """One side of a claim, or None where something in it is wrong."""
    metric = _metric(written, found)
    interventions = [_intervention(each, roles, found) for each in written.given]
    if metric is not None and metric.given == "must" and not written.given:
        found.append(errors_spec.needs_intervention(written.metric.span))
    if metric is not None and metric.given == "never" and written.given:
        found.append(errors_spec.takes_no_intervention(written.given[0].span, metric.name))
    if len(written.given) > 1:
        found.append(errors_spec.not_built(written.given[1].span, "several interventions at once"))
    conditions: list[tree.Node] = [*written.where, *([written.case] if written.case else [])]
    if metric is not None and metric.counts and conditions:
        found.append(errors_spec.takes_no_condition(conditions[0].span, metric.name))
    where = _where(written.where, task, found)
    if written.case is not None and task is not None:
        cases = [case.name for case in task.cases]
        if written.case.text not in cases:
            found.append(errors.unknown("case", written.case.span, cases))
    done = tuple(intervention for intervention in interventions if intervention is not None)
    if metric is None or len(done) < len(interventions):
        return None
    case = written.case.text if written.case else None
    return Quantity(metric.name, done, where, case, spell(written))


def _metric(written: tree.Quantity, found: list[Diagnostic]) -> Metric | None:
    name = written.metric
    metric = METRICS.get(name.text)
    if metric is None:
        found.append(errors.unknown("metric", name.span, METRICS))
    elif not metric.built:
        found.append(errors_spec.not_built(name.span, metric.name))
        return None
    elif written.arguments:
        found.append(errors_spec.takes_no_arguments(written.arguments[0].span, metric.name))
    return metric


def _intervention(
    written: tree.Intervention, roles: frozenset[str], found: list[Diagnostic]
) -> Intervention | None:
    kind = INTERVENTIONS.get(written.kind.text)
    if kind is None:
        found.append(errors.unknown("intervention", written.kind.span, INTERVENTIONS))
        return None
    if not kind.built:
        found.append(errors_spec.not_built(written.kind.span, kind.name))
        return None
    mistakes = len(found)
    if written.value is not None:
        found.append(errors_spec.takes_no_value(written.value.span, kind.name))
    for option in written.options:
        found.append(errors_spec.not_built(option.span, f"{option.name.text}="))
    target = _each(written, kind, roles, found) if written.each else _target(written, kind, roles, found)
    if len(found) > mistakes or target is None:
        return None
    return Intervention(
        kind.name, cast(Literal["circuit", "random"], target), "node" if written.each else None
    )


def _target(
    written: tree.Intervention, kind: InterventionKind, roles: frozenset[str], found: list[Diagnostic]
) -> str | None:
    """`circuit` or `random`; a role or an arrow is refused as not built, anything else as unknown."""
    port = written.target
    if isinstance(port, tree.Wire):
        found.append(errors_spec.not_built(port.span, "arrows"))
    elif port.name.text in roles or (port.part is not None and port.name.text not in _targets(kind)):
        found.append(errors_spec.not_built(port.span, "roles"))
    elif port.name.text not in _targets(kind) or port.part is not None:
        found.append(errors.unknown("target", port.span, [*_targets(kind), *roles]))
    return port.name.text if isinstance(port, tree.Port) else None


def _each(
    written: tree.Intervention, kind: InterventionKind, roles: frozenset[str], found: list[Diagnostic]
) -> str | None:
    """The members of the circuit, one at a time."""
    port = written.target
    name = port.name.text if isinstance(port, tree.Port) and port.part is None else ""
    if name in _members(kind):
        return "circuit"
    every = [each for other in INTERVENTIONS.values() for each in _members(other)]
    if isinstance(port, tree.Wire) or port.part is not None or name in (*EACH_NOT_BUILT, *roles, *every):
        found.append(errors_spec.not_built(port.span, f"{kind.name}(each {spell(port)})"))
    else:
        found.append(errors.unknown("member", port.span, [*every, *EACH_NOT_BUILT, *roles]))
    return None


def _where(
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
        elif low <= high and too_large(task.rules, _bodies(task), {name.text: high}):
            found.append(errors.too_long(value.span, MAX_TEXT))
    return pins


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


def _bound(
    claim: tree.Claim, right: tree.Number | tree.Percent, metric: Metric, found: list[Diagnostic]
) -> None:
    """The number must be one that the metric can have, and in its unit."""
    value = right.value
    if metric.unit == "share" and not 0 <= value <= 1:
        found.append(
            errors_spec.bound_impossible(right.span, metric.name, "a share from 0 to 1 (0% to 100%)")
        )
    elif metric.unit != "share" and isinstance(right, tree.Percent):
        found.append(errors_spec.bound_impossible(right.span, metric.name, _WORDS[metric.unit]))
    elif metric.low is not None and value < metric.low:
        found.append(errors_spec.bound_impossible(right.span, metric.name, f"never below {metric.low:g}"))
    elif metric.counts and not isinstance(right, tree.Int):
        found.append(errors_spec.bound_impossible(right.span, metric.name, "a whole number"))
    elif (metric.low == value and claim.relation in ("<", ">=")) or (
        metric.high == value and claim.relation in (">", "<=")
    ):
        found.append(errors_spec.says_nothing(right.span, metric.name))


def _comparable(left: tree.Quantity, right: tree.Quantity, found: list[Diagnostic]) -> None:
    """Two quantities have one unit, and only the left one is taken for each member."""
    for intervention in right.given:
        if intervention.each:
            found.append(errors_spec.each_on_right(intervention.span))
    a, b = METRICS.get(left.metric.text), METRICS.get(right.metric.text)
    if a is not None and b is not None and a.unit != b.unit:
        found.append(errors_spec.units_differ(right.span, _WORDS[a.unit], _WORDS[b.unit]))
