"""A `claim` of the tree -> a checked Claim: metric, interventions, conditions and the number fit each other."""

from __future__ import annotations

from typing import Literal, cast

from circuitlang.language.program import errors_claim, errors_spec
from circuitlang.language.program.check_quantity import check_quantity
from circuitlang.language.program.signature import Metric
from circuitlang.language.program.spec import Claim, Quantity
from circuitlang.language.program.subject import Subject
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
