"""Task + seed + split + index -> datapoint: minimal pairs, disjoint splits, any datapoint without the ones
before it.

A datapoint is drawn from its own key, again and again under the next attempt's number until its prompts
belong to the split that was asked for. Within an attempt every name has its own stream: the draws one, each
binding one, and the n-th use of a rule by a case one. What stands inside a rule is drawn from that use's
stream, so the text of a use does not depend on what else a case expands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from circuitlang.language.program.task import Task
from circuitlang.prompts.case import Attempt, Cases
from circuitlang.prompts.draw import Drawer, Range, Where
from circuitlang.prompts.prompt import SPLITS, Datapoint, Prompt, Split
from circuitlang.prompts.split import LONG, PROBES, Feature, choose_feature
from circuitlang.prompts.stream import Source, derive, numbered
from circuitlang.prompts.unroll import Grammar
from circuitlang.source.diagnostic import Diagnostic, ProgramError

ATTEMPTS = 50_000  # draws until a split is declared empty; eight cases with nothing in common need 6,561
FEWEST = 200  # of them, where texts are long
WORK = 20_000_000  # characters of their prompts and values; some ten seconds


class SupportError(ProgramError):
    """The task has no datapoint of this kind, or so few that none was found."""

    def __init__(self, task: Task, wanted: str, attempts: int = ATTEMPTS) -> None:
        super().__init__(
            [
                Diagnostic(
                    "CIR-203",
                    f"no {wanted} of task `{task.name}` was found in {attempts:,} draws",
                    task.span.head,
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
        grammar = Grammar(task.rules)
        self._drawer = Drawer(task, grammar)
        self._cases = Cases(task, grammar)
        key = derive("datapoints", task.text, seed)
        self._keys = {name: numbered(key, name) for name in (*SPLITS, "unsplit")}
        self._ranges = self._drawer.ranges({})

    def __reduce__(self) -> tuple[type[Generator], tuple[Task, int]]:
        """What a process hands to another: everything else follows."""
        return Generator, (self.task, self.seed)

    @cached_property
    def feature(self) -> Feature:
        """What of a prompt decides its split; it depends on the task only, not on its wording or the seed."""
        return choose_feature(self.task, self._probes[0])

    @cached_property
    def _probes(self) -> tuple[list[tuple[str, ...]], int]:
        """The prompts of some draws, and the characters of one of them on average, values that no prompt shows
        included."""
        probes: list[tuple[str, ...]] = []
        length = 0
        for number in range(PROBES):
            key = derive("probe", number)
            values = self._drawer.values(key, self._ranges, None)
            if values is not None:
                made = Attempt(key, values, self._cases)
                probes.append(tuple(map(made.text, range(len(self.task.cases)))))
                length += sum(map(len, (*probes[-1], *values.texts.values())))
            if length > LONG and len(probes) >= 8:
                break
        return probes, length // max(1, len(probes))

    @cached_property
    def _attempts(self) -> int:
        """Draws until a split is declared empty."""
        return min(ATTEMPTS, max(FEWEST, WORK // max(1, self._probes[1])))

    def datapoint(self, split: Split, index: int, where: Where | None = None) -> Datapoint:
        """Datapoint `index` of a split: a pure function of (task text, seed, split, index, where)."""
        held_out = self._held_out(split, index)
        prompts = self._first(self._keys[split](index), where, held_out, self._belongs[split])
        if prompts is None:
            raise SupportError(self.task, _wanted(split, held_out), self._attempts)
        return Datapoint(split, index, prompts, bool(held_out))

    def datapoints(
        self, split: Split, indices: Iterable[int], where: Where | None = None
    ) -> Iterator[Datapoint]:
        """The datapoints with these indices, in this order."""
        for index in indices:
            yield self.datapoint(split, index, where)

    def unsplit(self, index: int, where: Where | None = None) -> tuple[Prompt, ...]:
        """The prompts of a draw from all splits together: for checks of the task itself, never for
        measurements."""
        prompts = self._first(self._keys["unsplit"](index), where, None, _always)
        if prompts is None:
            raise SupportError(self.task, "datapoint whose answers differ", self._attempts)
        return prompts

    @cached_property
    def _belongs(self) -> dict[str, Callable[[str], bool]]:
        """Whether a text belongs to a split."""
        return {split: self.feature.belongs(split) for split in SPLITS}

    def attempt(
        self, source: Source, split: Split | None, held_out: bool | None, where: Where | None = None
    ) -> Datapoint | None:
        """A datapoint of what a source gives, numbered 0; None where that is none, or none of the split (of one
        split, where that is None). `held_out`: with a held-out choice, or without."""
        values = self._drawer.values(b"", self._pinned(where or {}), held_out, source)
        prompts = None if values is None else Attempt(b"", values, self._cases, source).prompts()
        if values is None or prompts is None:
            return None
        found: set[Split] = {self.feature.split_of(prompt.text) for prompt in prompts}
        its = found.pop()
        if found or split not in (None, its):
            return None
        return Datapoint(its, 0, prompts, values.held_out)

    def _first(
        self, start: bytes, where: Where | None, held_out: bool | None, belongs: Callable[[str], bool]
    ) -> tuple[Prompt, ...] | None:
        """The prompts of the first attempt that succeeds."""
        ranges = self._ranges if where is None else self._pinned(where)
        for attempt in range(ATTEMPTS):
            if attempt >= FEWEST and attempt >= self._attempts:
                break
            prompts = self._attempt(start + attempt.to_bytes(4, "little"), ranges, held_out, belongs)
            if prompts is not None:
                return prompts
        return None

    def _attempt(
        self, key: bytes, ranges: tuple[Range, ...], held_out: bool | None, belongs: Callable[[str], bool]
    ) -> tuple[Prompt, ...] | None:
        values = self._drawer.values(key, ranges, held_out)
        if values is None:
            return None
        made = Attempt(key, values, self._cases)
        texts = map(
            made.text, range(len(self.task.cases))
        )  # one by one: most that do not belong differ in the first
        return made.prompts() if all(map(belongs, texts)) else None

    def _pinned(self, where: Where) -> tuple[Range, ...]:
        unknown = set(where) - set(self.task.param_names)
        if unknown:
            raise ValueError(f"task {self.task.name} has no param {', '.join(sorted(unknown))}")
        return self._drawer.ranges(where)

    @property
    def holds_out(self) -> bool:
        """Whether some choices are held out for `test`."""
        return self._drawer.holds_out

    def _held_out(self, split: Split, index: int) -> bool | None:
        if not self._drawer.holds_out:
            return None
        return split == "test" and index % 2 == 1


def _always(text: str) -> bool:
    return True


def _wanted(split: Split, held_out: bool | None) -> str:
    match held_out:
        case None:
            return f"datapoint for split `{split}`"
        case True:
            return f"datapoint for split `{split}` with a held-out choice"
        case False:
            return f"datapoint for split `{split}` without a held-out choice"
