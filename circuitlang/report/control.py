"""ControlResult: what a report says of one null."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from circuitlang.claims.control import Control
from circuitlang.claims.verdict import Outcome
from circuitlang.report.part import Part, Text


class ControlResult(Part):
    """A null that went through the same pruning and the same claims. Sizes and losses as of a circuit."""

    name: Text
    text: Text = ""
    verdict: Outcome | None = Field(
        default=None,
        description="void where it reaches a claim that it must not; fail where its size is too near and the spec is "
        "strict; null: only informs",
    )
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
    reaches: tuple[Text, ...] = Field(default=(), description="names of the claims that it reaches")
    note: Text = ""
    locked: bool = Field(default=False, description="as the lock has it; not run this time")

    @classmethod
    def of(cls, control: Control, strict: bool) -> Self:
        """`strict`: a size under the margin fails the spec."""
        reached = control.voids and control.reaches
        failed = control.close and strict
        return cls(
            name=control.name,
            text=control.text,
            verdict=Outcome.FAIL if failed else Outcome.VOID if reached else None,
            nodes=control.nodes,
            edges=control.edges,
            loss_at_size=control.loss_at_size,
            ratio=control.ratio,
            reaches=control.reaches,
            note=control.note,
        )
