"""Datapoints made slowly, by closures alone, marks and all: what the generated code is tested and timed against."""

from __future__ import annotations

from circuitlang.program.task import Task
from circuitlang.prompts.case import Attempt, Cases
from circuitlang.prompts.draw import Drawer, Where
from circuitlang.prompts.prompt import Datapoint, Prompt, Split
from circuitlang.prompts.split import Feature
from circuitlang.prompts.stream import derive
from circuitlang.prompts.unroll import Grammar


class Reference:
    """The datapoints of a task under a seed. `feature`: that of the task's `Generator`."""

    def __init__(self, task: Task, seed: int, feature: Feature) -> None:
        grammar = Grammar(task.rules)
        self._drawer = Drawer(task, grammar)
        self._cases = Cases(task, grammar)
        self._key = derive("datapoints", task.text, seed)
        self._feature = feature

    def datapoint(self, split: Split, index: int, where: Where, attempts: int) -> Datapoint | None:
        """None when none of so many attempts succeeds."""
        held_out = None
        if self._drawer.holds_out:
            held_out = split == "test" and index % 2 == 1
        prompts = self._first(derive(self._key, split, index), where, held_out, split, attempts)
        return None if prompts is None else Datapoint(split, index, prompts, bool(held_out))

    def unsplit(self, index: int, where: Where, attempts: int) -> tuple[Prompt, ...] | None:
        return self._first(derive(self._key, "unsplit", index), where, None, None, attempts)

    def _first(
        self, start: bytes, where: Where, held_out: bool | None, split: Split | None, attempts: int
    ) -> tuple[Prompt, ...] | None:
        ranges, split_of = self._drawer.ranges(where), self._feature.split_of
        for attempt in range(attempts):
            key = start + attempt.to_bytes(4, "little")
            values = self._drawer.values(key, ranges, held_out)
            if values is None:
                continue
            made = Attempt(key, values, self._cases)
            texts = map(made.text, range(len(self._cases.plans)))
            if split is None or all(split_of(text) == split for text in texts):
                prompts = made.prompts()
                if prompts is not None:
                    assert held_out is None or values.held_out == held_out
                    return prompts
        return None
