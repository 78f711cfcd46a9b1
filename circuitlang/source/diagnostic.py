"""Where a thing was written and what is wrong with it: Source, Span, Diagnostic, ProgramError; excerpts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from circuitlang.source.visible import columns, no_command, shown, visible

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


Style = Literal["", "place", "error", "warning", "message", "related", "help"]


@dataclass(frozen=True)
class Source:
    """One program text. `name` is what messages call it: the path as the user wrote it."""

    name: str
    text: str = field(repr=False)
    path: Path | None = field(default=None, repr=False, compare=False)

    @cached_property
    def line_starts(self) -> list[int]:
        """Offset of the first character of every line."""
        return [0, *(i + 1 for i, character in enumerate(self.text) if character == "\n")]

    def line_text(self, line: int) -> str:
        """The text of a line (1-based), without its newline."""
        start = self.line_starts[line - 1]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open character range [start, end) of a source. Offsets count characters, from 0."""

    source: Source = field(repr=False)
    start: int
    end: int

    @property
    def line(self) -> int:
        """1-based, as editors count."""
        return bisect_right(self.source.line_starts, self.start)

    @property
    def column(self) -> int:
        """1-based, in characters."""
        return self.start - self.source.line_starts[self.line - 1] + 1

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def head(self) -> Span:
        """Its part on its first line: of a block, `task NAME {`."""
        return self.part(0, len(self.text.partition("\n")[0].rstrip()))

    def part(self, start: int, end: int) -> Span:
        """The sub-range at offsets relative to this span's own start."""
        return Span(self.source, self.start + start, self.start + end)


@dataclass(frozen=True)
class Diagnostic:
    """One thing wrong with a program. `code` (CIR-nnn) never changes meaning once released.

    `related`: other places that the message speaks of, each with a few words, as "first declared here".
    """

    code: str
    message: str
    span: Span
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"
    related: tuple[tuple[Span, str], ...] = ()

    def render(self) -> str:
        """The message, the source lines, the exact spans underlined, and the advice, as plain text."""
        return "".join(text for text, _ in self.pieces())

    def pieces(self) -> Iterator[tuple[str, Style]]:
        """The text of `render`, part by part, each with what it is."""
        span = self.span
        yield visible(f"{span.source.name}:{span.line}:{span.column}: "), "place"
        yield f"{self.severity}[{self.code}]", self.severity
        yield f": {visible(self.message)}", "message"
        places = [(span, ""), *self.related]
        margin = " " * max(len(str(row[0])) for place, _ in places for row in _rows(place))
        sources = dict.fromkeys(place.source for place, _ in places)
        for source in sources:
            if source is not span.source:
                first = next(place for place, _ in places if place.source is source)
                yield f"\n  {margin}--> {visible(source.name)}:{first.line}:{first.column}", "place"
            here = [place for place in places if place[0].source is source]
            if source.text:
                yield from self._excerpts(sorted(here, key=lambda place: place[0].line), margin)
        if self.hint:
            yield f"\n  {margin} = help: ", "help"
            yield visible(self.hint), ""

    def _excerpts(self, places: list[tuple[Span, str]], margin: str) -> Iterator[tuple[str, Style]]:
        """The lines of the places in one source. Of a place of many lines, the first and the last."""
        previous = (0, "")
        for place, words in places:
            primary = place is self.span
            rows = _rows(place)
            for number, start, end in rows:
                line, column, width = excerpt(place.source.line_text(number), start, end)
                if previous[0] and number > previous[0] + 1:
                    yield f"\n  {'…':>{len(margin)}} |", "place"
                if previous != (number, line):
                    yield f"\n  {number:>{len(margin)}} | ", "place"
                    yield line, ""
                previous = number, line
                yield f"\n  {margin} | ", "place"
                yield " " * column, ""
                last = (number, start, end) == rows[-1]
                said = f" {visible(words)}" if words and last else ""
                yield f"{('^' if primary else '-') * width}{said}", self.severity if primary else "related"


def _rows(span: Span) -> list[tuple[int, int, int]]:
    """The first and the last line of a span: (line, first column from 0, last column + 1)."""
    source = span.source
    first = span.line
    last = bisect_right(source.line_starts, max(span.start, span.end - 1))
    if first == last:
        return [(first, span.column - 1, span.column - 1 + span.end - span.start)]
    text = source.line_text(last)
    indent = len(text) - len(text.lstrip())
    return [
        (first, span.column - 1, len(source.line_text(first))),
        (last, indent, span.end - source.line_starts[last - 1]),
    ]


class ProgramError(Exception):
    """The user's program is wrong. Carries every diagnostic found, in source order."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(
            sorted(diagnostics, key=lambda d: (d.span.source.name, d.span.start, d.code))
        )
        super().__init__("\n\n".join(d.render() for d in self.diagnostics))

    def __reduce__(self) -> tuple[type[ProgramError], tuple[tuple[Diagnostic, ...]]]:
        """What a process hands to another."""
        return ProgramError, (self.diagnostics,)


def reason_of(error: Exception) -> str:
    """Why something outside cannot be used, on one line: what the system says, or else what was raised."""
    return getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__


class Unmeasurable(Exception):
    """What is asked has no number, for a reason that lies in the task, the model or the circuit. One clear sentence:
    it becomes a verdict's note. Whatever else is raised while something is measured is a bug."""


class CommandError(Exception):
    """Something outside the program's text is wrong: a file, a folder, a checkpoint, an option. One clear sentence."""
