"""A line of a program and a part of it -> the line for reading, cut where it is long, and where that part stands."""

from __future__ import annotations

from circuitlang.source.visible import columns, no_command, shown

WIDEST = 100  # columns of a line that are shown at most
_BEFORE = 40  # columns that are kept before the part, where a line is cut
_TAB = "    "


def excerpt(line: str, start: int, end: int) -> tuple[str, int, int]:
    """The line as it is shown, and the column (from 0) and the number of columns of its characters [start, end).

    Tabs become blanks, what cannot be seen is spelled out, wide and combining characters take the columns that they
    take on a terminal. The cost does not grow with the length of the line.
    """
    left, right = _window(line, min(start, len(line)))
    head = "…" if left else ""
    before = head + "".join(_cell(line, at) for at in range(left, min(start, right)))
    inside = "".join(_cell(line, at) for at in range(start, min(end, right)))
    after = "".join(_cell(line, at) for at in range(max(start, min(end, right)), right))
    tail = "…" if right < len(line) else ""
    return before + inside + after + tail, columns(before), max(1, columns(inside))


def _window(line: str, start: int) -> tuple[int, int]:
    """The characters [left, right) that are shown: all of them, or those around `start` that fit."""
    right, used = _extend(line, 0, 0)
    if right == len(line):
        return 0, right
    left, used = start, 0
    while left > 0 and (used := used + columns(_cell(line, left - 1))) <= _BEFORE:
        left -= 1
    right, used = _extend(line, start, min(used, _BEFORE))
    while right == len(line) and left > 0 and (used := used + columns(_cell(line, left - 1))) <= WIDEST:
        left -= 1
    return left, right


def _extend(line: str, start: int, used: int) -> tuple[int, int]:
    """How far one can read from `start` until all columns are used, and how many are."""
    at = start
    while at < len(line) and used + columns(_cell(line, at)) <= WIDEST and at - start < 4 * WIDEST:
        used += columns(_cell(line, at))
        at += 1
    return at, used


def _cell(line: str, at: int) -> str:
    character = line[at]
    if character == "\t":
        return _TAB
    if character == "[":
        return no_command(line[: at + 1])[at:]
    return shown(character)
