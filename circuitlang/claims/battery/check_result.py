"""Check: what one check of the battery found out about a circuit, whatever the spec claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from circuitlang.claims.verdict import Interval, Outcome

Threshold = tuple[Literal["<", "<=", ">", ">="], float]
"""What a number needs to be: a relation and a bound in the number's own unit."""


class Answer(NamedTuple):
    """What a check computes; its name and question stand beside it in claims/battery/checks.py."""

    outcome: Outcome | None
    numbers: Mapping[str, Interval]
    note: str = ""
    needs: Mapping[str, Threshold] = {}


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the battery (docs/verdicts.md).

    name, text  what it is called, and what it asks
    gates       whether its outcome counts in the verdict
    outcome     None: it only informs. `not measured` where it could not be computed, and `note` says why
    numbers     by name, the most telling first; in nats, shares or counts, as the name says
    note        one or more sentences: which head, node or ablation is the worst, and what was left out
    needs       the threshold of each number that has one
    """

    name: str
    text: str
    gates: bool
    outcome: Outcome | None
    numbers: Mapping[str, Interval] = field(default_factory=dict)
    note: str = ""
    needs: Mapping[str, Threshold] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.gates and self.outcome is None:
            raise ValueError(f"{self.name}: a check that gates has an outcome")
        if self.outcome in (Outcome.PASS, Outcome.UNDECIDED) and not self.numbers:
            raise ValueError(f"{self.name}: {self.outcome} without a number")


def worst_over_seeds(checks: Mapping[int, Iterable[Check]]) -> tuple[Check, ...]:
    """`checks`: pruning seed -> its circuit's checks. Of every check the worst seed's, of equals the first's."""
    found: dict[str, tuple[int, Check]] = {}
    for seed, each in checks.items():
        for check in each:
            if check.name not in found or _severity(check) > _severity(found[check.name][1]):
                found[check.name] = seed, check
    if len(checks) < 2:
        return tuple(check for _, check in found.values())
    return tuple(
        replace(check, note="; ".join(filter(None, (f"seed {seed}", check.note))))
        for seed, check in found.values()
    )


def _severity(check: Check) -> int:
    return -1 if check.outcome is None else check.outcome.severity
