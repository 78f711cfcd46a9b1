"""Prompt -> donor: another prompt of the same task, and where in it each position has its counterpart.

A resample ablation gives the nodes outside a circuit the values that they have on another input (Chan et al. 2022).
Here that input is another datapoint of the same task and split, with the same params pinned, its case drawn at random
and independently of the prompt's own: what all prompts have in common stays, and what tells their answers apart is
scrambled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from circuitlang.circuit.matched_positions import common_prefix, innermost, named_marks
from circuitlang.prompts.encode import Batch, encode
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Datapoint
from circuitlang.prompts.stream import Stream, derive
from circuitlang.prompts.tokenizer import Tokenizer
from circuitlang.source.diagnostic import CommandError

FAR = 1 << 40
"""Donors are drawn from so many datapoints of the split: from other ones than those that are measured, which are
counted from 0."""
TRIES = 64
"""Donors that are drawn for a prompt, until one is of another datapoint than its own."""
Cases = Literal["any", "other"]
"""Which cases a donor is drawn from: all, or all but the prompt's own."""


class NoDonor(CommandError):
    """A prompt to which no other datapoint was found."""


@dataclass(frozen=True)
class Matched:
    """Where a batch's positions have their counterparts. `position` (prompt, position): in the donor's prompt; where
    there is none (the donor is shorter), its first. `shares`: of the prompts' positions, by `mark`, by common `prefix`,
    by distance from the `end`; what is missing to 1 has no counterpart."""

    position: NDArray[np.int64]
    shares: dict[str, float]


@dataclass(frozen=True)
class Donors:
    """Draws a donor for every prompt: a pure function of the seed and the prompt, so that a prompt's own number does
    not depend on the batch that it stands in. Equal prompts of a batch have one donor."""

    generator: Generator
    tokenizer: Tokenizer
    context: int
    seed: int = 0
    cases: Cases = "any"

    def of(self, batch: Batch) -> Batch:
        """One donor a row. Raises NoDonor where a split has one datapoint only."""
        found: list[Datapoint | None] = [None] * len(batch)
        left = list(range(len(batch)))
        for attempt in range(TRIES):
            drawn = [self._drawn(batch, row, attempt) for row in left]
            encoded = encode(drawn, self.tokenizer, self.context)
            again = []
            for number, row in enumerate(left):
                found[row] = drawn[number]
                tokens = encoded.tokens[number, : encoded.end[number] + 1]
                if _of_datapoint(batch, row, tokens):
                    again.append(row)
            left = again
            if not left:
                break
        else:
            raise NoDonor(
                f"of {TRIES} prompts drawn from the split `{batch.split}` none differs from the prompt: an ablation by "
                "`resample` needs another one; write `ablate = mean`, or give the task more choices"
            )
        prompts = [each for each in found if each is not None]
        return replace(encode(prompts, self.tokenizer, self.context), split=batch.split, where=batch.where)

    def _drawn(self, batch: Batch, row: int, attempt: int) -> Datapoint:
        own = batch.tokens[row, : batch.end[row] + 1].tobytes()
        pins = " ".join(f"{name}={low}..{high}" for name, low, high in batch.where)
        stream = Stream(derive("donor", self.seed, batch.split, pins, own, attempt))
        where = {name: (low, high) for name, low, high in batch.where}
        datapoint = self.generator.datapoint(batch.split, FAR + stream.below(FAR), where or None)
        count = len(datapoint.prompts)
        if self.cases == "any" or count == 1:
            case = stream.below(count)
        else:
            own_case = row % batch.cases if batch.cases == count else 0
            case = (own_case + 1 + stream.below(count - 1)) % count
        return replace(datapoint, prompts=(datapoint.prompts[case],))


def _of_datapoint(batch: Batch, row: int, tokens: NDArray[np.int64]) -> bool:
    """Whether these are the tokens of one of the prompts of the row's own datapoint."""
    first = row - row % batch.cases
    return any(
        batch.end[other] + 1 == len(tokens) and bool((batch.tokens[other, : len(tokens)] == tokens).all())
        for other in range(first, first + batch.cases)
    )


def within(batch: Batch, draw: np.random.Generator) -> NDArray[np.int64]:
    """(prompt) a row of the same batch as donor, of another datapoint and any case. For a search, which draws a new
    batch at every step. Raises NoDonor for a batch of one datapoint."""
    if batch.datapoints < 2:
        raise NoDonor(
            "a search that ablates by `resample` needs at least two datapoints a step: raise `batch`"
        )
    own = np.arange(len(batch)) // batch.cases
    other = (own + draw.integers(1, batch.datapoints, len(batch))) % batch.datapoints
    return other * batch.cases + draw.integers(0, batch.cases, len(batch))


def match(batch: Batch, donors: Batch, rows: Sequence[int] | NDArray[np.int64] | None = None) -> Matched:
    """Of each prompt's positions the counterparts in its donor, which is row `rows[i]` of `donors` (None: row i).

    By mark where both have it (the k-th last token of a mark is the k-th last of the same mark, or its first where it
    is shorter), else by common prefix, else by distance from the end. The end is always the donor's end.
    """
    rows = range(len(batch)) if rows is None else rows
    found = np.zeros(batch.tokens.shape, np.int64)
    counts = dict.fromkeys(("mark", "prefix", "end"), 0)
    for row, other in enumerate(rows):
        end, other_end = int(batch.end[row]), int(donors.end[other])
        places = np.arange(other_end - end, other_end + 1)
        alike = common_prefix(batch.tokens[row], donors.tokens[other], min(end, other_end) + 1)
        places[:alike] = np.arange(alike)
        marks, others = named_marks(batch.marks[row]), named_marks(donors.marks[other])
        by_mark = 0
        for position, (name, back) in innermost(marks).items():
            if there := others.get(name):
                places[position] = there[-min(back, len(there))]
                by_mark += position >= alike
        places[end] = other_end
        lost = int((places < 0).sum())
        counts["mark"] += by_mark
        counts["prefix"] += alike
        counts["end"] += end + 1 - alike - by_mark - lost
        found[row, : end + 1] = places.clip(min=0)
    total = int(batch.end.sum()) + len(batch)
    return Matched(found, {name: count / total for name, count in counts.items()})
