"""Control: what became of one null, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SEARCHED = ("nonsense", "shuffled_answers", "shuffled_weights", "one_answer")
"""The nulls that are searched for a circuit; random circuits need no search."""


@dataclass(frozen=True)
class Control:
    """What became of one null.

    voids         whether a claim that it reaches is void; otherwise it only informs
    nodes, edges  of the smallest circuit that reaches the target; None where none does
    loss_at_size  nats per prompt on `select`, of a circuit with at most the real one's nodes and edges
    ratio         its nodes over the real circuit's, both at the target
    reaches       names of the claims that it reaches
    close         whether the ratio is under the margin, where one is asked of it
    note          why there is no number, or what else there is to say
    """

    name: str
    text: str
    voids: bool
    nodes: int | None = None
    edges: int | None = None
    loss_at_size: float | None = None
    ratio: float | None = None
    reaches: tuple[str, ...] = ()
    close: bool = False
    note: str = ""


def held(claim: str, controls: Sequence[Control]) -> str | None:
    """`held`, or the nulls that reach a claim and must not; None where none was run."""
    reached = [control.name for control in controls if control.voids and claim in control.reaches]
    return ", ".join(reached) or "held" if controls else None
