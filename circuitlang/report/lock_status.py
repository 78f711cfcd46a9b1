"""LockStatus: how a spec stands to its lock; as lines to read and as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from circuitlang.report.compare import short
from circuitlang.report.drift import Changed
from circuitlang.report.escape import harmless_to_ci, visible

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
