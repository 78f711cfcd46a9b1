"""A claim's number, interval and bar -> a drawing to scale, as numbers for the template."""

from __future__ import annotations

import math
from dataclasses import dataclass

from circuitlang.report.results import ClaimResult
from circuitlang.report.words import number

WIDTH = 300.0
_PADDING = 0.18  # of the drawn range, on both sides


@dataclass(frozen=True)
class Scale:
    """Places from 0 to WIDTH. `held`: from where to where the claim holds; `equal`: only at the bar itself."""

    low: float
    high: float
    value: float
    bar: float
    held: tuple[float, float]
    equal: bool
    said: str  # the bar's number


def scale(claim: ClaimResult) -> Scale | None:
    """None where there is no number, or nothing to hold it against."""
    if claim.value is None or claim.low is None or claim.high is None or claim.bound is None:
        return None
    ends = (claim.low, claim.high, claim.value, claim.bound)
    least, most = min(ends), max(ends)
    room = (most - least) * _PADDING or max(abs(most) * _PADDING, 1.0)
    first, last = least - room, most + room
    if not math.isfinite(last - first):
        return None

    def place(value: float) -> float:
        return round(WIDTH * (value - first) / (last - first), 1)

    bar = place(claim.bound)
    upward = claim.relation in (">", ">=")
    return Scale(
        place(claim.low),
        place(claim.high),
        place(claim.value),
        bar,
        (bar, WIDTH) if upward else (0.0, bar),
        claim.relation == "==",
        number(claim.bound),
    )
