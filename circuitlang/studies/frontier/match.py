"""Losses of dense models by width -> the width to train next, and the two models that a sparse one lies between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Between:
    """A loss between those of two dense models of neighbouring widths. `share`: how far it is from the narrower one's
    to the wider one's, 0 to 1."""

    narrow: int
    wide: int
    share: float

    @property
    def width(self) -> float:
        """Of a dense model of equal loss; no model has it. Geometric, as widths are compared by ratio."""
        return self.narrow ** (1 - self.share) * self.wide**self.share


def between(losses: Mapping[int, float], goal: float) -> Between | None:
    """The narrowest pair of neighbours, of those that were trained, whose losses have `goal` between them."""
    widths = sorted(losses)
    for narrow, wide in pairwise(widths):
        if losses[narrow] >= goal >= losses[wide]:
            apart = losses[narrow] - losses[wide]
            return Between(narrow, wide, (losses[narrow] - goal) / apart if apart else 0.0)
    return None


def next_width(losses: Mapping[int, float], goal: float, step: int, most: int) -> int | None:
    """The dense width to train next, a multiple of `step` up to `most`, so that `goal` comes to lie between two
    neighbouring multiples; None when it does, or cannot."""
    found = between(losses, goal)
    if found is not None:
        return None if found.wide - found.narrow <= step else _middle(found.narrow, found.wide, step)
    if not losses:
        return min(2 * step, most)
    if min(losses.values()) > goal:  # all are worse
        wider = min(2 * max(losses), most)
        return wider if wider > max(losses) else None
    narrower = _middle(0, min(losses), step)
    return narrower if 0 < narrower < min(losses) else None


def _middle(low: int, high: int, step: int) -> int:
    return (low + high) // (2 * step) * step
