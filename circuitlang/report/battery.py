"""BatteryResult: what a report says of one check of the battery."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from circuitlang.claims.battery.check_result import Check
from circuitlang.claims.verdict import Outcome
from circuitlang.report.part import Measured, Part, Text


class BatteryResult(Part):
    """One of the checks that every circuit goes through. `gates`: whether it counts in the verdict."""

    name: Text
    text: Text = ""
    gates: bool = False
    verdict: Outcome | None = Field(
        default=None, description="null: it only informs; not measured: it could not be computed"
    )
    measured: Measured | None = Field(default=None, description="the most telling of the numbers")
    numbers: dict[Text, Measured] = Field(default_factory=dict)
    note: Text = ""
    locked: bool = Field(default=False, description="as the lock has it; not run this time")

    @classmethod
    def of(cls, check: Check) -> Self:
        numbers = {name: Measured.of(found, check.needs.get(name)) for name, found in check.numbers.items()}
        return cls(
            name=check.name,
            text=check.text,
            gates=check.gates,
            verdict=check.outcome,
            measured=next(iter(numbers.values()), None),
            numbers=numbers,
            note=check.note,
        )
