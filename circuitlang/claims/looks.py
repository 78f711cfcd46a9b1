"""Plan: after how many datapoints a claim is looked at, and at what error; and how many random circuits are.

Plain Python: read without a model, too.
"""

from __future__ import annotations

from dataclasses import dataclass

RANDOM_CIRCUITS = 99
"""A circuit that beats 99 draws is among the best hundredth."""
SCREENED = 32
"""Datapoints of `select` that every random circuit is measured on, to find the hardest ones to beat."""
JUDGED = 3
"""The hardest random circuits, judged on `test` like any member of an `each`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How far to look. `population`: how many datapoints there are at all, where that is known and not more than the
    last look; then all are measured, and no interval is needed. `weights`: in proportion to how often each of them is
    drawn; None: each as often as any other."""

    samples: tuple[int, int]
    confidence: float
    population: int | None = None
    weights: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        first, last = self.samples
        if not 1 <= first <= last:
            raise ValueError(f"samples need 1 <= first <= last, not {self.samples}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, not {self.confidence}")
        if self.weights is not None and len(self.weights) != self.population:
            raise ValueError(f"{len(self.weights)} weights for {self.population} datapoints")

    @property
    def exhaustive(self) -> bool:
        return self.population is not None and self.population <= self.samples[1]

    @property
    def looks(self) -> tuple[int, ...]:
        """Datapoints at each look."""
        if self.exhaustive and self.population:
            return (self.population,)
        first, last = self.samples
        sizes = [first]
        while sizes[-1] * 2 < last:
            sizes.append(sizes[-1] * 2)
        return tuple(sizes) if first == last else (*sizes, last)

    @property
    def alpha(self) -> float:
        """Probability that one look's interval misses, both sides together."""
        return (1 - self.confidence) / len(self.looks)
