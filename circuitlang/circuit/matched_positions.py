"""Where a position of a prompt has its counterpart in the prompt of another case, for values that are swapped.

By position where the two prompts are equally long, and as long as they are alike (but for `end`, which is the other's
`end`): what a causal model computes there is the same in both. After that by mark (the k-th last token of a mark is the
k-th last of the same mark) and, outside all marks, by distance from `end`. A position may have no counterpart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuitlang.prompts.encode import ENDING, START, Batch

NONE = -1


@dataclass(frozen=True)
class Partners:
    """`row` (prompt): the counterpart's row of the same batch. `position` (prompt, position): the counterpart's
    position there, `NONE` where there is none. `share`: of the prompts' positions that have one."""

    row: NDArray[np.int64]
    position: NDArray[np.int64]
    share: float


def partners(batch: Batch, to: int | None = None) -> Partners:
    """`to`: the case whose values are taken, by its number; None is the other one of two. In prompts of that very case
    every position is its own counterpart. Raises ValueError where None is asked of a task without exactly two cases."""
    if to is None and batch.cases != 2:
        raise ValueError(f"of {batch.cases} cases one has to be named")
    rows = np.arange(len(batch))
    case = rows % batch.cases
    row = rows - case + (1 - case if to is None else to)
    position = np.full(batch.tokens.shape, NONE, np.int64)
    for here, there in zip(rows, row, strict=True):
        position[here] = _positions(batch, int(here), int(there))
    inside = np.arange(batch.tokens.shape[1]) <= batch.end[:, None]
    return Partners(row, position, float((position[inside] != NONE).mean()))


def _positions(batch: Batch, here: int, there: int) -> NDArray[np.int64]:
    length = batch.tokens.shape[1]
    found = np.full(length, NONE, np.int64)
    end, other_end = int(batch.end[here]), int(batch.end[there])
    if end == other_end:
        found[: end + 1] = np.arange(end + 1)
        return found
    alike = common_prefix(batch.tokens[here], batch.tokens[there], min(end, other_end) + 1)
    marks, other_marks = named_marks(batch.marks[here]), named_marks(batch.marks[there])
    inner, other_inner = innermost(marks), innermost(other_marks)
    for position in range(alike, end + 1):
        if position in inner:
            name, back = inner[position]
            if back <= len(other_marks.get(name, ())):
                found[position] = other_marks[name][-back]
        else:
            other = other_end - (end - position)
            if other not in other_inner:
                found[position] = other
    found[found < alike] = NONE  # those are their own
    found[:alike] = np.arange(alike)
    found[end] = other_end
    return found


def common_prefix(tokens: NDArray[np.int64], others: NDArray[np.int64], most: int) -> int:
    """How many tokens, of the first `most`, the two begin with in common."""
    apart = np.flatnonzero(tokens[:most] != others[:most])
    return int(apart[0]) if len(apart) else most


def named_marks(marks: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The marks that the task's names make: not those that every prompt has."""
    return {name: places for name, places in marks.items() if name not in (START, ENDING)}


def innermost(marks: Mapping[str, tuple[int, ...]]) -> dict[int, tuple[str, int]]:
    """Position -> the mark with the fewest tokens that covers it, and its number there, the last one 1."""
    found: dict[int, tuple[str, int]] = {}
    for name, places in sorted(marks.items(), key=lambda item: (-len(item[1]), item[0])):
        found |= {position: (name, back) for back, position in enumerate(reversed(places), 1)}
    return found
