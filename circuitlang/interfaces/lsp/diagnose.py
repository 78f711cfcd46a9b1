"""Open texts -> the diagnostics of every file that they lead to: what `check --no-run` says of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from circuitlang.checking.static import check_text
from circuitlang.language.program.load import Reader
from circuitlang.source.diagnostic import CommandError, Diagnostic, ProgramError, Source, Span


@dataclass(frozen=True)
class Checked:
    """The diagnostics of one file, and the bytes of every file that they follow from; None where there is none."""

    found: list[Diagnostic]
    read: Mapping[Path, bytes | None]

    def holds(self, reader: Reader) -> bool:
        """Whether all those files still say the same."""
        return all(_read(path, reader) == data for path, data in self.read.items())


def diagnose(path: Path, reader: Reader) -> Checked:
    """What `check --no-run` says of a file, where `reader` gives its text and those of the files it uses."""
    read: dict[Path, bytes | None] = {}

    def recorded(file: Path) -> bytes:
        read[file] = None
        read[file] = data = reader(file)
        return data

    try:
        found = check_text([path], reader=recorded)[1]
    except ProgramError as error:
        found = list(error.diagnostics)
    except CommandError as error:
        found = [Diagnostic("CIR-020", str(error), Span(Source(str(path), "", path), 0, 0))]
    return Checked(found, read)


def _read(path: Path, reader: Reader) -> bytes | None:
    try:
        return reader(path)
    except (OSError, ValueError):
        return None


def by_file(found: Iterable[tuple[Path, list[Diagnostic]]]) -> Mapping[Path, list[Diagnostic]]:
    """The diagnostics of all checked files by the file they speak of, each once."""
    files: dict[Path, dict[tuple[object, ...], Diagnostic]] = {}
    for path, diagnostics in found:
        files.setdefault(path, {})
        for each in diagnostics:
            source = each.span.source
            place = source.path.resolve() if source.path else path
            key = each.code, each.message, each.span.start, each.span.end
            files.setdefault(place, {}).setdefault(key, each)
    return {path: list(diagnostics.values()) for path, diagnostics in files.items()}


_MEANT = re.compile(r"did you mean `([^`]+)`\?")


def fix(diagnostic: Diagnostic) -> str | None:
    """What to write instead of the diagnostic's span."""
    found = _MEANT.fullmatch(diagnostic.hint or "")
    return found[1] if found else None
