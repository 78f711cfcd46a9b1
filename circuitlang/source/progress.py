"""Progress of what takes long: who is told of it, and the seconds of each stage."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

Told = Callable[[str, float], None]


def quiet(_stage: str, _share: float) -> None:
    """Progress that nobody watches."""


class Clock:
    """Wall-clock seconds of each stage, and what to tell whoever watches."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.seconds: dict[str, float] = {}
        self._last = monotonic()

    def lap(self, stage: str) -> None:
        now = monotonic()
        self.seconds[stage] = now - self._last
        self._last = now

    def within(self, stage: str, what: str, number: int, count: int) -> Told:
        """Progress of one circuit of `count`, as progress of the stage."""

        def told(step: str, share: float) -> None:
            self.told(f"{stage}: {what}, {step}", (number + share) / count)

        return told
