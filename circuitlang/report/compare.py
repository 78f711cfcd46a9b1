"""A lock's report + what is found now -> what became of each claim, and of the model's competence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose
from typing import Literal

from circuitlang.report.drift import ORDER, Changed, CircuitDrift, ClaimDrift, Kind, Reading
from circuitlang.report.report import Report
from circuitlang.report.results import ClaimResult, TaskResult, overall_outcome

FOUR_DIGITS = 5e-4
"""Relative: numbers of one model that differ by less differ by the kind of processor, not by what was computed."""
_NEXT_TO_NOTHING = 1e-6  # in any unit: where numbers are around 0, digits say nothing


def compare(
    old: Report,
    task: TaskResult,
    claims: Sequence[ClaimResult],
    circuit: Literal["locked", "fresh"],
    same_model: bool,
) -> CircuitDrift:
    """`task`, `claims`: what is found now. Claims are the same where name and words are. Where nothing was judged now,
    for the model is not competent, every claim is broken."""
    found = [
        *_rows(_competence(old.task), _competence(task), same_model),
        *_rows(_claims(old.claims), _claims(claims), same_model, judged=bool(claims)),
    ]
    kinds: list[Kind] = ["unchanged", *(each.drift for each in found)]
    return CircuitDrift(
        circuit=circuit,
        drift=max(kinds, key=ORDER.index),
        verdict=overall_outcome(task, claims),
        claims=tuple(found),
    )


def against_lock(report: Report) -> Literal["worse", "same", "better"]:
    """A frozen check's verdicts, held against the lock's. A number that moved within its verdict is the same."""
    drift = report.drift
    assert drift is not None, "a frozen check says what moved"
    kinds = {claim.drift for circuit in drift.circuits for claim in circuit.claims}
    now, then = report.verdict.severity, drift.locked_verdict.severity
    if "broken" in kinds or now > then:
        return "worse"
    return "better" if "mended" in kinds or now < then else "same"


def same_number(old: Reading, new: Reading, same_model: bool) -> bool:
    """Of one model: equal to four digits, with the interval. Of two: neither interval leaves out the other's mean."""
    if old.value is None or new.value is None:
        return old.value is new.value
    pairs = [(old.value, new.value)]
    if same_model:
        pairs += [
            (a, b) for a, b in ((old.low, new.low), (old.high, new.high)) if a is not None and b is not None
        ]
        return all(equal(a, b) for a, b in pairs)
    inside = _holds(old, new.value) or _holds(new, old.value)
    return inside or equal(old.value, new.value)


def equal(a: float, b: float) -> bool:
    """To four digits; around 0 next to nothing is nothing."""
    return isclose(a, b, rel_tol=FOUR_DIGITS, abs_tol=_NEXT_TO_NOTHING)


def _holds(reading: Reading, value: float) -> bool:
    return reading.low is not None and reading.high is not None and reading.low <= value <= reading.high


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Changed, ...]:
    """What differs, by name; None on the side that does not have it."""
    names = sorted(old.keys() | new.keys())
    return tuple(
        Changed(name=name, old=old.get(name), new=new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    )


def short(text: str | None) -> str:
    """A hash as far as people compare it; what is no hash, whole."""
    return "not there" if text is None else text[:12] if len(text) == 64 else text


_Named = dict[tuple[str, str], Reading]


def _claims(claims: Sequence[ClaimResult]) -> _Named:
    return {
        (claim.name, claim.text): Reading(
            verdict=claim.verdict, value=claim.value, low=claim.low, high=claim.high
        )
        for claim in claims
    }


def _competence(task: TaskResult) -> _Named:
    return {
        (f"the model's {name}", ""): Reading(
            verdict=task.outcome, value=found.value, low=found.low, high=found.high
        )
        for name, found in task.intervals.items()
    }


def _rows(old: _Named, new: _Named, same_model: bool, judged: bool = True) -> list[ClaimDrift]:
    """In the order of the new ones; those that are in the lock alone come last."""
    keys = [*new, *(key for key in old if key not in new)]
    return [
        ClaimDrift(
            name=key[0],
            text=key[1],
            drift=_kind(old.get(key), new.get(key), same_model, judged),
            old=old.get(key),
            new=new.get(key),
        )
        for key in keys
    ]


def _kind(old: Reading | None, new: Reading | None, same_model: bool, judged: bool) -> Kind:
    if new is None:
        return "gone" if judged else "broken"
    if old is None:
        return "new"
    if new.verdict is not old.verdict:
        return "broken" if new.verdict.severity > old.verdict.severity else "mended"
    return "unchanged" if same_number(old, new, same_model) else "moved"
