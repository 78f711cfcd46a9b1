"""A circuit -> the eleven checks that every circuit goes through, whatever its spec claims (docs/verdicts.md).

Claims ask what the author asks; the battery asks what has gone wrong before: a circuit whose attention is not the
model's, one that is better than the model, one that works under its own ablation only (Gao et al. 2025, section 7).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import NamedTuple

from circuitlang.claims.battery.agreement import agreement, calibration, held_out, needed_edges, norms
from circuitlang.claims.battery.check_result import Answer, Check
from circuitlang.claims.battery.interchange import attention, interchange
from circuitlang.claims.battery.necessity import NEGLIGIBLE, idle_nodes, necessity, redundancy
from circuitlang.claims.battery.robustness import ablations
from circuitlang.claims.battery.runs import Context as Context
from circuitlang.claims.judge import UNMEASURED, reason
from circuitlang.claims.measure import Where, where_of
from circuitlang.claims.verdict import Interval, Outcome
from circuitlang.language.program.spec import Claim
from circuitlang.storage.cache import key_of


class _Row(NamedTuple):
    compute: Callable[[Context], Answer]
    gates: bool
    text: str


CHECKS: Mapping[str, _Row] = {
    "agreement": _Row(
        agreement, True, "Does the circuit choose what the model chooses, and is it no better than the model?"
    ),
    "robustness to the ablation": _Row(
        ablations, True, "Does the circuit work however the complement is ablated?"
    ),
    "needed edges": _Row(
        needed_edges,
        True,
        "Does it still work where every weight that is not drawn reads the ablation's value?",
    ),
    "frozen norms": _Row(norms, False, "Does it still work where it cannot move the norms?"),
    "interchange": _Row(
        interchange, True, "Are its values the model's own, and do they do the same in the model?"
    ),
    "attention": _Row(attention, True, "Do its heads attend as they do in the model?"),
    "held-out prompts": _Row(
        held_out, False, "Does it do as well, and as badly, as the model where prompts are unlike the others?"
    ),
    "necessity": _Row(
        necessity, True, "Does the model miss it more than as many other live nodes at the same sites?"
    ),
    "redundancy": _Row(redundancy, False, "Does anything take over once the circuit is ablated?"),
    "calibrated loss": _Row(
        calibration, False, "How much of its loss is only the size and balance of its logits?"
    ),
    "nodes with negligible effect": _Row(
        idle_nodes, False, f"Which nodes have an ablation effect under {NEGLIGIBLE:g} nats inside it?"
    ),
}
"""By name, in the order of the report: what computes a check, whether it gates, and what it asks."""


def battery(
    context: Context, report: Callable[[str, float], None] = lambda check, share: None
) -> tuple[Check, ...]:
    """All eleven. What was measured before is read from the meter's cache. `report(check, share done)`."""
    found = []
    for number, name in enumerate(CHECKS):
        report(name, number / len(CHECKS))
        found.append(_kept(context, name))
    return tuple(found)


def claimed_wheres(claims: Iterable[Claim]) -> tuple[Where, ...]:
    """The values of params that claims name, each once, in their order."""
    found = (where_of(side) for claim in claims for side in claim.quantities)
    return tuple(dict.fromkeys(where for where in found if where))


def measured(context: Context, name: str) -> Check:
    """One check; `not measured` where it cannot be computed, or where a number is not finite."""
    compute, gates, text = CHECKS[name]
    try:
        answer = compute(context)
    except UNMEASURED as error:
        answer = Answer(Outcome.NOT_MEASURED, {}, reason(error))
    return Check(name, text, gates, *answer)


def _kept(context: Context, name: str) -> Check:
    """From the cache where it is there."""
    settings = repr(asdict(context.settings))
    costs = [f"{found.node} {found.cost!r}" for found in context.graph.nodes]
    unneeded = [f"{source} {target}" for source, target in context.graph.unneeded]
    key = key_of(
        "check", context.meter.key, name, costs, unneeded, settings, context.seed, repr(context.wheres)
    )
    known = context.meter.cache.found(key, _read)
    if known is not None:
        return known
    check = measured(context, name)
    if check.outcome is not Outcome.NOT_MEASURED:
        context.meter.cache.put(key, json.dumps(asdict(check)).encode())
    return check


def _read(data: bytes) -> Check:
    facts = json.loads(data)
    outcome = None if facts["outcome"] is None else Outcome(facts["outcome"])
    numbers = {name: Interval(**found) for name, found in facts["numbers"].items()}
    needs = {name: (relation, bound) for name, (relation, bound) in facts["needs"].items()}
    return Check(facts["name"], facts["text"], facts["gates"], outcome, numbers, facts["note"], needs)
