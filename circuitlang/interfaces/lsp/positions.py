"""Offsets of a text <-> an editor's positions, and an editor's changes applied to a text.

An editor counts lines from 0, ended by `\\n`, `\\r\\n` or `\\r` and by nothing else, and inside a line in units of the
encoding that was agreed on, UTF-16 unless said otherwise. Positions behind a line's end mean its end.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from lsprotocol import types

Encoding = Literal["utf-8", "utf-16", "utf-32"]
_LINE_END = re.compile(r"\r\n|\r|\n")


def units(text: str, encoding: Encoding) -> int:
    """The length of a text in an editor's units."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-16":
        return len(text) + sum(character > "\uffff" for character in text)
    return len(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True)
class Text:
    """A text and the unit in which an editor counts it."""

    text: str
    encoding: Encoding = "utf-16"

    @cached_property
    def _lines(self) -> list[tuple[int, int]]:
        """Where every line begins, and where its line end does."""
        lines, start = [], 0
        for match in _LINE_END.finditer(self.text):
            lines.append((start, match.start()))
            start = match.end()
        return [*lines, (start, len(self.text))]

    @cached_property
    def _starts(self) -> list[int]:
        return [start for start, _ in self._lines]

    def offset(self, position: types.Position) -> int:
        """The offset of a position; inside a character of several units, the character's own."""
        if position.line >= len(self._lines):
            return len(self.text)
        start, end = self._lines[position.line]
        line = self.text[start:end]
        if line.isascii() or self.encoding == "utf-32":
            return start + min(position.character, len(line))
        left = position.character
        for index, character in enumerate(line):
            left -= units(character, self.encoding)
            if left < 0:
                return start + index
        return end

    def position(self, offset: int) -> types.Position:
        line = bisect_right(self._starts, offset) - 1
        start, end = self._lines[line]
        return types.Position(line, units(self.text[start : min(offset, end)], self.encoding))

    def range(self, start: int, end: int) -> types.Range:
        return types.Range(self.position(start), self.position(end))

    def changed(self, changes: Iterable[types.TextDocumentContentChangeEvent]) -> Text:
        """The text after an editor's changes, each a range and what replaces it, or the whole text."""
        text = self
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                start, end = text.offset(change.range.start), text.offset(change.range.end)
                new = text.text[:start] + change.text + text.text[max(start, end) :]
            else:
                new = change.text
            text = Text(new, self.encoding)
        return text
