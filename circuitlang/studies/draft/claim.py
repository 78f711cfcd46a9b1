"""Roles of a draft -> its claims: what may be said of them, with the far end of what was measured on `select` and a
margin beyond it as the bound."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from circuitlang.circuit.find import SELECTED
from circuitlang.claims.assess import Assessor
from circuitlang.claims.interval import interval
from circuitlang.claims.kind import kind_of_claim
from circuitlang.claims.metrics import measured
from circuitlang.claims.verdict import UNMEASURED, Interval
from circuitlang.language.program.spec import Claim
from circuitlang.language.program.task import Task
from circuitlang.studies.draft.guess import Guess
from circuitlang.studies.draft.spec_text import ClaimText

FRESH = 512
"""Datapoints of `select` that a bound is measured on: those behind the ones on which the search chose."""
SHARE_MARGIN = 0.03
"""How far beyond the interval a bound on a share lies."""
NATS_MARGIN = 0.2
"""How far beyond it a bound on a loss lies, as a share of the interval's end."""
CONFIDENCE = 0.99
CAUSAL = 0.5
"""The share of choices that must flip for a role to be claimed to decide them."""
HARM = 0.3
"""Nats that a model without the circuit must lose for the circuit to be claimed to be necessary."""
_LEAST: Mapping[tuple[bool, str], float] = {
    (True, ">="): 0.3,
    (True, "<="): 0.5,
    (False, ">="): 0.7,
    (False, "<="): 0.3,
}
"""Of a head and of others, the bound on attention or on an area under the curve that still says something."""


def candidates(task: Task, roles: Sequence[Guess]) -> Iterator[tuple[ClaimText, str, float]]:
    """What may be claimed, with the unit, and the least bound that says something: of `<=`, the most."""
    even = 1 / max(2, len(task.cases))
    yield ClaimText("sufficient", "loss given keep(circuit)", "<=", "1"), "nats", math.inf
    yield ClaimText("right", "accuracy given keep(circuit)", ">=", "90%"), "share", even
    yield ClaimText("faithful", "agreement given keep(circuit)", ">=", "90%"), "share", even
    yield ClaimText("necessary", "loss given drop(circuit)", ">=", "0.5"), "nats", HARM
    for each in roles:
        name = each.role.name
        for sight in each.sights:
            if sight.says_something:
                for verb, quantity, relation in sight.claims:
                    claim = ClaimText(f"{name}_{verb}", quantity.replace("ROLE", name), relation, "60%")
                    yield claim, "share", _LEAST[each.is_head, relation]
        needed = f"loss given keep(circuit), drop({name})"
        yield ClaimText(f"{name}_needed", needed, ">", "loss given keep(circuit)"), "difference", 0.0
        swapped = f"flip given keep(circuit), swap({name})"
        yield ClaimText(f"{name}_decides", swapped, ">=", "50%"), "share", CAUSAL


def bounded(assessor: Assessor, claim: Claim, text: ClaimText, unit: str, least: float) -> ClaimText | None:
    """The claim with the bound that its measurement gives; None where that would say nothing."""
    found = measure(assessor, claim)
    if found is None:
        return None
    said = f"{found.value:.3g} ({found.low:.3g} … {found.high:.3g})"
    if unit == "difference":
        more = f"Measured on `select`: {said} nats more."
        return replace(text, comment=more) if found.low > least else None
    relation: Literal["<=", ">="] = "<=" if text.relation == "<=" else ">="
    bound = bound_of(found, relation, unit)
    if (bound > least) if relation == "<=" else (bound < least):
        return None
    return replace(text, right=spelt(bound, unit), comment=f"Measured on `select`: {said}.")


def measure(assessor: Assessor, claim: Claim) -> Interval | None:
    """The claim's left side on prompts of `select` that the search did not see; where the right side is a quantity too,
    how far the left one is above it. None where it cannot be measured."""
    sides = [side for side in next(iter(assessor.pairs(claim).values())) if side is not None]
    metric = measured(claim.left.metric)
    try:
        values = [
            metric(replace(side, setting=side.setting.on_select), SELECTED + FRESH)[SELECTED:]
            for side in sides
        ]
        found = values[0] - values[1] if len(values) == 2 else values[0]
        return interval(found, kind_of_claim(claim, assessor.meter.cases), 1 - CONFIDENCE)
    except UNMEASURED:
        return None


def beats_random(assessor: Assessor, claim: Claim) -> bool:
    """Whether the claim holds against the hardest random circuit on a few datapoints of `select`."""
    return (assessor.margin_on_select(claim) or 0.0) > 0


def bound_of(found: Interval, relation: Literal["<=", ">="], unit: str) -> float:
    """Rounded away from what was measured, to a hundredth; of a share within [0, 1], of a loss not under 0."""
    end = found.high if relation == "<=" else found.low
    margin = SHARE_MARGIN if unit == "share" else NATS_MARGIN * abs(end)
    if relation == "<=":
        rounded = math.ceil(100 * (end + margin) - 1e-9) / 100
        return min(1.0, rounded) if unit == "share" else rounded
    return max(0.0, math.floor(100 * (end - margin) + 1e-9) / 100)


def spelt(bound: float, unit: str) -> str:
    """As a claim writes it."""
    return f"{100 * bound:.0f}%" if unit == "share" else f"{bound:g}"
