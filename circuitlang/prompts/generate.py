"""Task + seed + split + index -> datapoint: minimal pairs, disjoint splits, any datapoint without the ones
before it.

A datapoint is drawn from its own key, again and again under the next attempt's number until its prompts
belong to the split that was asked for. Within an attempt every name has its own stream: the draws one, each
binding one, and the n-th use of a rule by a case one. What stands inside a rule is drawn from that use's
stream, so the text of a use does not depend on what else a case expands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from circuitlang.program.task import Task
from circuitlang.prompts.case import Attempt, Cases
from circuitlang.prompts.draw import Drawer
from circuitlang.prompts.prompt import Datapoint, Prompt, Split
from circuitlang.prompts.split import PROBES, Feature, choose_feature
from circuitlang.prompts.stream import derive
from circuitlang.prompts.unroll import Grammar
from circuitlang.source import Diagnostic, ProgramError

Where = Mapping[str, tuple[int, int]]  # param -> inclusive range to draw it from instead of its own

ATTEMPTS = 50_000  # draws until a split is declared empty; eight cases with nothing in common need 6,561


class SupportError(ProgramError):
    """The task has no datapoint of this kind, or so few that none was found."""

    def __init__(self, task: Task, wanted: str) -> None:
        super().__init__(
            [
                Diagnostic(
                    "CIR-203",
                    f"no {wanted} of task `{task.name}` was found in {ATTEMPTS:,} draws",
                    task.span,
                    hint="give its draws, params or rules more choices, so that every split has prompts",
                )
            ]
        )


class Generator:
    """The datapoints of a task under a seed. Splits do not depend on the seed: no two seeds' splits overlap
    either."""

    def __init__(self, task: Task, seed: int) -> None:
        self.task = task
        self.seed = seed
        self._key = derive("datapoints", task.text, seed)
        self._params = frozenset(task.param_names)
        grammar = Grammar(task.rules)
        self._drawer = Drawer(task, grammar)
        self._cases = Cases(task, grammar)

    @cached_property
    def feature(self) -> Feature:
        """What of a prompt decides its split; it depends on the task only, not on its wording or the seed."""
        probes = []
        for number in range(PROBES):
            key = derive("probe", number)
            values = self._drawer.values(key, {}, None)
            if values is not None:
                made = Attempt(key, values, self._cases)
                probes.append(tuple(made.text(i) for i in range(len(self.task.cases))))
        return choose_feature(self.task, probes)

    def datapoint(self, split: Split, index: int, where: Where | None = None) -> Datapoint:
        """Datapoint `index` of a split: a pure function of (task text, seed, split, index, where)."""
        held_out = self._held_out(split, index)
        where = self._checked(where)
        start = derive(self._key, split, index)
        split_of = self.feature.split_of
        cases = range(len(self.task.cases))
        for attempt in range(ATTEMPTS):
            key = start + attempt.to_bytes(4, "little")
            values = self._drawer.values(key, where, held_out)
            if values is None:
                continue
            made = Attempt(key, values, self._cases)
            for i in cases:
                if split_of(made.text(i)) != split:
                    break
            else:
                prompts = made.prompts()
                if prompts is not None:
                    return Datapoint(split, index, prompts, values.held_out)
        raise SupportError(self.task, _wanted(split, held_out))

    def datapoints(
        self, split: Split, indices: Iterable[int], where: Where | None = None
    ) -> Iterator[Datapoint]:
        """The datapoints with these indices, in this order."""
        for index in indices:
            yield self.datapoint(split, index, where)

    def unsplit(self, index: int, where: Where | None = None) -> tuple[Prompt, ...]:
        """The prompts of a draw from all splits together: for checks of the task itself, never for
        measurements."""
        where = self._checked(where)
        start = derive(self._key, "unsplit", index)
        for attempt in range(ATTEMPTS):
            key = start + attempt.to_bytes(4, "little")
            values = self._drawer.values(key, where, None)
            prompts = None if values is None else Attempt(key, values, self._cases).prompts()
            if prompts is not None:
                return prompts
        raise SupportError(self.task, "datapoint whose answers differ")

    def _checked(self, where: Where | None) -> Where:
        unknown = set(where or ()) - self._params
        if unknown:
            raise ValueError(f"task {self.task.name} has no param {', '.join(sorted(unknown))}")
        return where or {}

    def _held_out(self, split: Split, index: int) -> bool | None:
        if not self._drawer.holds_out:
            return None
        return split == "test" and index % 2 == 1


def _wanted(split: Split, held_out: bool | None) -> str:
    match held_out:
        case None:
            return f"datapoint for split `{split}`"
        case True:
            return f"datapoint for split `{split}` with a held-out choice"
        case False:
            return f"datapoint for split `{split}` without a held-out choice"
