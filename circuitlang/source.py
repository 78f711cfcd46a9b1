"""Where a thing was written and what is wrong with it: Source, Span, Diagnostic, ProgramError."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from circuitlang.record import record


@record
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

    def part(self, start: int, end: int) -> Span:
        """The sub-range at offsets relative to this span's own start."""
        return Span(self.source, self.start + start, self.start + end)


@record
class Diagnostic:
    """One thing wrong with a program. `code` (CIR-nnn) never changes meaning once released."""

    code: str
    message: str
    span: Span
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"

    def render(self) -> str:
        """The message, the source line, the exact span underlined, and the advice, as plain text."""
        span = self.span
        line, column = span.line, span.column
        text = span.source.line_text(line)
        width = max(1, min(span.end, span.start + len(text) - column + 1) - span.start)
        number = str(line)
        indent = "".join("\t" if character == "\t" else " " for character in text[: column - 1])
        rows = [
            f"{span.source.name}:{line}:{column}: {self.severity}[{self.code}]: {self.message}",
            f"  {number} | {text}",
            f"  {' ' * len(number)} | {indent}{'^' * width}",
        ]
        if self.hint:
            rows.append(f"  {' ' * len(number)} = help: {self.hint}")
        return "\n".join(rows)


class ProgramError(Exception):
    """The user's program is wrong. Carries every diagnostic found, in source order."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(
            sorted(diagnostics, key=lambda d: (d.span.source.name, d.span.start, d.code))
        )
        super().__init__("\n\n".join(d.render() for d in self.diagnostics))


class CommandError(Exception):
    """Something outside the program's text is wrong: a file, a folder, a checkpoint, an option. One clear sentence."""
