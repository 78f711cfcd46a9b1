"""Drift: what became of a lock's claims, as data: on the locked circuit, and on a fresh one where there is one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from circuitlang.claims.verdict import Outcome
from circuitlang.report.part import Part, Text

Kind = Literal["unchanged", "mended", "moved", "broken", "new", "gone"]
"""`unchanged`: the same verdict and the same number. `moved`: the same verdict, another number. `broken`, `mended`: a
worse and a better verdict. `new`, `gone`: the claim is not in the lock, or in the lock alone."""
ORDER: tuple[Kind, ...] = ("unchanged", "new", "gone", "mended", "moved", "broken")
"""From the least to the most that is to be said of a whole."""


class Changed(Part):
    """Something that went into a check and is not what it was: a hash, a version, the seed."""

    name: Text
    old: Text | None
    new: Text | None


class Reading(Part):
    """A verdict and its number with the interval, if there is one."""

    verdict: Outcome
    value: float | None = None
    low: float | None = None
    high: float | None = None


class ClaimDrift(Part):
    """One claim, or one metric of the model's competence, in the lock (`old`) and now (`new`)."""

    name: Text
    text: Text = ""
    drift: Kind
    old: Reading | None
    new: Reading | None


class CircuitDrift(Part):
    """What the claims say of one circuit, against the lock. `drift`: that of the whole, its worst."""

    circuit: Literal["locked", "fresh"] = Field(
        description="locked: the lock's nodes in this model; fresh: found anew in it"
    )
    drift: Kind
    verdict: Outcome = Field(description="the worst of the claims and of the model's competence")
    claims: tuple[ClaimDrift, ...]


class Shared(Part):
    """How much of a seed's locked circuit the fresh one has (Jaccard index: shared over all). It gates nothing."""

    seed: int
    nodes: float = Field(ge=0, le=1)
    edges: float = Field(ge=0, le=1)


class Drift(Part):
    """A check held against the lock of its spec. What is judged gates: with a frozen check the locked circuit,
    otherwise the fresh one, and then what is said of the locked circuit informs."""

    frozen: bool = Field(description="whether the locked circuit is what the report's verdict is about")
    same_model: bool = Field(description="then numbers are compared to four digits, else by their intervals")
    locked_verdict: Outcome = Field(description="of the whole spec, when the lock was made")
    changed: tuple[Changed, ...] = Field(default=(), description="what went in and is another now")
    circuits: tuple[CircuitDrift, ...] = ()
    overlap: tuple[Shared, ...] = ()
    note: Text = ""
