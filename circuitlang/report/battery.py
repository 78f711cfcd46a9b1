"""What a report says of one check of the battery, and of one null."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from circuitlang.claims.battery.check_result import Check
from circuitlang.claims.verdict import Control, Outcome
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


class ControlResult(Part):
    """A null that went through the same pruning and the same claims. Sizes and losses as of a circuit."""

    name: Text
    text: Text = ""
    verdict: Outcome | None = Field(
        default=None,
        description="void where it passes a claim that it must not; fail where it gates and needs less than `margin` "
        "times the circuit's nodes; null: neither",
    )
    gates: bool = Field(default=True, description="whether it affects the verdict, or is informational")
    nodes: int | None = Field(
        default=None, description="needed at the real circuit's loss; null: loss not reached"
    )
    edges: int | None = None
    loss_at_size: float | None = Field(
        default=None, description="reached with as many nodes as the real circuit"
    )
    ratio: float | None = Field(
        default=None, description="its nodes over the real circuit's, at the same loss"
    )
    reaches: tuple[Text, ...] = Field(default=(), description="names of the claims that it passes")
    note: Text = ""
    locked: bool = Field(default=False, description="as the lock has it; not run this time")

    @classmethod
    def of(cls, control: Control) -> Self:
        reached = control.voids and control.reaches
        failed = control.close and control.gates
        return cls(
            name=control.name,
            text=control.text,
            gates=control.gates,
            verdict=Outcome.FAIL if failed else Outcome.VOID if reached else None,
            nodes=control.nodes,
            edges=control.edges,
            loss_at_size=control.loss_at_size,
            ratio=control.ratio,
            reaches=control.reaches,
            note=control.note,
        )
