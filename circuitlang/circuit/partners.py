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
    alike = _alike(batch.tokens[here], batch.tokens[there], min(end, other_end) + 1)
    marks, other_marks = _marks(batch.marks[here]), _marks(batch.marks[there])
    inner, other_inner = _innermost(marks), _innermost(other_marks)
    for position in range(alike, end + 1):
        name = inner.get(position)
        if name is not None:
            back = len(marks[name]) - marks[name].index(position)
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


def _alike(tokens: NDArray[np.int64], others: NDArray[np.int64], most: int) -> int:
    """How many tokens the two begin with in common."""
    apart = np.flatnonzero(tokens[:most] != others[:most])
    return int(apart[0]) if len(apart) else most


def _marks(marks: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {name: places for name, places in marks.items() if name not in (START, ENDING)}


def _innermost(marks: Mapping[str, tuple[int, ...]]) -> dict[int, str]:
    """Position -> the mark with the fewest tokens that covers it."""
    found: dict[int, str] = {}
    for name, places in sorted(marks.items(), key=lambda item: (-len(item[1]), item[0])):
        found |= dict.fromkeys(places, name)
    return found
