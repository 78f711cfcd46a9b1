"""Drift from a lock, and the status of locks -> lines that the terminal and report.md share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from circuitlang.claims.verdict import Outcome
from circuitlang.report.compare import short
from circuitlang.report.drift import ORDER, Changed, CircuitDrift, ClaimDrift, Drift, Reading
from circuitlang.report.escape import harmless_to_ci, visible
from circuitlang.report.words import spread

HEADS = ("claim", "drift", "locked", "now")
_NAMES = {"locked": "the locked circuit", "fresh": "the circuit found anew"}


def head(drift: Drift) -> str:
    return f"drift from the lock, whose verdict was {drift.locked_verdict.value}"


def summary(drift: Drift) -> list[str]:
    """Sentences without a full stop: what went in and is another now, what became of each circuit, and the rest."""
    found = []
    if drift.changed:
        each = (f"{c.name} {short(c.old)}, now {short(c.new)}" for c in drift.changed)
        found.append(f"not what it was: {'; '.join(each)}")
    for circuit in drift.circuits:
        counts = Counter(row.drift for row in circuit.claims)
        said = ", ".join(f"{counts[kind]} {kind}" for kind in reversed(ORDER) if counts[kind])
        gates = "" if drift.frozen or circuit.circuit == "fresh" else ", which only informs"
        found.append(f"{_NAMES[circuit.circuit]} in this model{gates}: {said or 'nothing to compare'}")
    for shared in drift.overlap:
        found.append(
            f"seed {shared.seed}: the two circuits share {shared.nodes:.0%} of their nodes and {shared.edges:.0%} of "
            "their edges, which decides nothing"
        )
    return [*found, *([drift.note] if drift.note else [])]


def rows(circuit: CircuitDrift) -> list[tuple[str, ...]]:
    """Under `HEADS`, what is not as it was."""
    return [
        (row.name, still(row), _reading(row.old), _reading(row.new))
        for row in circuit.claims
        if row.drift != "unchanged"
    ]


def title(circuit: CircuitDrift) -> str:
    return f"{_NAMES[circuit.circuit]}: what is not as it was"


def still(row: ClaimDrift) -> str:
    """A row's drift in words: a number that moved still holds, or still does not."""
    if row.drift != "moved" or row.new is None:
        return row.drift
    return (
        "moved, still holds" if row.new.verdict is Outcome.PASS else f"moved, still {row.new.verdict.value}"
    )


def _reading(reading: Reading | None) -> str:
    if reading is None:
        return "–"
    if reading.value is None or reading.low is None or reading.high is None:
        return reading.verdict.value
    value, interval = spread(reading.value, reading.low, reading.high)
    return f"{reading.verdict.value} {value}{f' ({interval})' if interval else ''}"


State = Literal["up to date", "out of date", "unreadable", "no spec", "no lock"]
FINE: tuple[State, ...] = ("up to date", "no lock")


@dataclass(frozen=True, slots=True)
class LockStatus:
    """`path`: the spec's file, or a lock's without one. `verdict`: when the lock was made. `changed`: what went into
    the lock and is another now. `note`: one sentence more."""

    path: str
    spec: str
    state: State
    verdict: str = ""
    changed: tuple[Changed, ...] = ()
    note: str = ""


def lock_status_lines(found: Sequence[LockStatus]) -> Iterator[str]:
    """A line each, with what differs below it."""
    names = [harmless_to_ci(visible(f"{each.path}  {each.spec}".rstrip())) for each in found]
    wide = max(map(len, names), default=0)
    for name, each in zip(names, found, strict=True):
        facts = (each.state, f"locked as {each.verdict}" if each.verdict else "", each.note)
        yield f"{name:<{wide}}  {visible('; '.join(filter(None, facts)))}"
        for one in each.changed:
            yield harmless_to_ci(visible(f"    {one.name}: {short(one.old)}, now {short(one.new)}"))


def lock_status_data(found: Sequence[LockStatus]) -> list[dict[str, Any]]:
    return [
        {
            "path": each.path,
            "spec": each.spec,
            "state": each.state,
            "verdict": each.verdict or None,
            "changed": [one.model_dump() for one in each.changed],
            "note": each.note,
        }
        for each in found
    ]
