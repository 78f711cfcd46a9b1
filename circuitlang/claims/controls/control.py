"""Control: what became of one null, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SEARCHED = ("nonsense", "shuffled_answers", "shuffled_weights", "one_answer")
"""The nulls that are searched for a circuit; random circuits need no search."""


@dataclass(frozen=True)
class Control:
    """What became of one null.

    voids         whether a claim that it passes is void
    gates         whether it affects the verdict at all: by its claims, or by its size
    nodes, edges  of the smallest circuit that reaches the target; None where none does
    loss_at_size  nats per prompt on `select`, of a circuit with at most the real one's nodes and edges
    ratio         its nodes over the real circuit's, both at the target
    reaches       names of the claims that it passes
    close         whether it needs less than `margin` times the circuit's nodes, where that is asked of it
    note          why there is no number, or what else there is to say
    """

    name: str
    text: str
    voids: bool
    gates: bool = False
    nodes: int | None = None
    edges: int | None = None
    loss_at_size: float | None = None
    ratio: float | None = None
    reaches: tuple[str, ...] = ()
    close: bool = False
    note: str = ""


def held(claim: str, controls: Sequence[Control]) -> str | None:
    """`held`, or the gating nulls that pass a claim; None where none was run."""
    reached = [control.name for control in controls if control.voids and claim in control.reaches]
    return ", ".join(reached) or "held" if controls else None
