"""A path -> the checked program of that file and of the files it uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from circuitlang.program import errors
from circuitlang.program.check import Unit, check
from circuitlang.program.once import Once
from circuitlang.program.program import Program
from circuitlang.source import CommandError, Diagnostic, ProgramError, Source
from circuitlang.syntax import tree
from circuitlang.syntax.parse import parse

MAX_DEPTH = 8  # files that use files
_NONE: Mapping[Path, str] = {}
_ROOT_MARKS = ("pyproject.toml", ".git")
_SPICE = re.compile(
    r"""^\s*(?:\*  # a comment, or the title
    | [RCLVIQMDX]\w*\s+\w+\s+\w+\s+[^\s"'{}=|]+\s*[^"'{}|]*$  # an element between two nodes
    | \.(?:tran|ac|dc|op|end|model|subckt|include|title|param|lib)\b)""",
    re.IGNORECASE | re.VERBOSE,
)


def load(
    path: Path | str, root: Path | None = None, once: Once | None = None, names: Mapping[Path, str] = _NONE
) -> Program:
    """Read, parse and check a file with everything it uses. `root`: the project, outside of which no file is
    used. `once`: what the same run read before. `names`: what messages call files, by their resolved paths.

    Raises CommandError if the file itself cannot be read and ProgramError with every mistake found.
    """
    path = Path(path)
    once = once or Once()
    target = path.resolve()
    try:
        source = once(_read, target, names.get(target, str(path)))
    except _Unreadable as reason:
        raise CommandError(f"{path}: {reason}") from None
    reading = _Reading((root or project_root(path)).resolve(), once, names)
    reading.add(source, target, ())
    if reading.found:
        raise ProgramError(reading.found)
    return check(reading.units, once)


def load_text(text: str, name: str = "text", root: Path | None = None) -> Program:
    """The same for a text that is no file; what it uses is relative to `root`, by default the current
    folder."""
    folder = (root or Path()).resolve()
    reading = _Reading(folder, Once(), _NONE)
    reading.add(Source(name, text), folder / name, ())
    if reading.found:
        raise ProgramError(reading.found)
    return check(reading.units)


def project_root(path: Path) -> Path:
    """The nearest folder above a file with a pyproject.toml or .git, otherwise the file's own folder."""
    folder = path.resolve().parent
    for candidate in (folder, *folder.parents):
        if any((candidate / mark).exists() for mark in _ROOT_MARKS):
            return candidate
    return folder


def read(path: Path) -> Source:
    """A file as text, line ends as newlines. Raises CommandError with one sentence if it is no program's
    text."""
    try:
        return _read(path, str(path))
    except _Unreadable as reason:
        raise CommandError(f"{path}: {reason}") from None


class _Unreadable(Exception):
    """Why a file is no program's text."""


def _read(path: Path, name: str) -> Source:
    if path.is_dir():
        raise _Unreadable("this is a folder, not a file")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise _Unreadable("there is no such file") from None
    except (OSError, ValueError) as error:
        raise _Unreadable(f"it cannot be read ({getattr(error, 'strerror', None) or error})") from None
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise _Unreadable("this is not a text file (its bytes are not UTF-8)") from None
    if "\0" in text:
        raise _Unreadable("this is not a text file (it contains zero bytes)")
    if is_spice(text):
        raise _Unreadable(
            "this looks like a SPICE netlist, which shares the extension .cir; "
            "a circuitlang file may begin with `circuitlang 1`"
        )
    return Source(name, text, path)


def is_spice(text: str) -> bool:
    """Whether the first lines are those of a SPICE netlist: no line of circuitlang begins like that."""
    lines = [line for line in text.splitlines() if line.strip()][:8]
    if not lines or re.match(r"\s*(?:circuitlang|use|task|corpus|model|spec|bridge|#)", lines[0]):
        return False
    return sum(bool(_SPICE.match(line)) for line in lines) >= min(2, len(lines))


@dataclass
class _Reading:
    """Files as they are found: a used file comes before the files that use it."""

    root: Path
    once: Once
    names: Mapping[Path, str]
    units: list[Unit] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    places: dict[Path, int | None] = field(default_factory=dict)  # None: could not be parsed

    def add(self, source: Source, path: Path, using: tuple[Path, ...]) -> int | None:
        """Read the files that a file uses, then append the file itself; its place in `units`."""
        try:
            file = self.once(parse, source)
        except ProgramError as error:
            self.found += error.diagnostics
            self.places[path] = None
            return None
        seen: set[int] = set()
        for use in file.items:
            if isinstance(use, tree.Use):
                place = self._use(use, path, (*using, path))
                if place is not None:
                    seen |= {place} | self.units[place].uses
        self.places[path] = len(self.units)
        self.units.append(Unit(source, file, frozenset(seen)))
        return self.places[path]

    def _use(self, use: tree.Use, path: Path, using: tuple[Path, ...]) -> int | None:
        span = use.path.span
        written = use.path.text
        if not written or "\0" in written:
            self.found.append(errors.cannot_use(span, "a path is expected"))
            return None
        target = (path.parent / written).resolve()
        if not target.is_relative_to(self.root):
            self.found.append(errors.outside_project(span, self.root.name))
        elif target in using:
            circle = [*using[using.index(target) :], target]
            self.found.append(errors.use_cycle(span, [part.name for part in circle]))
        elif target in self.places:
            return self.places[target]
        elif len(using) > MAX_DEPTH:
            self.found.append(errors.use_too_deep(span, MAX_DEPTH))
        else:
            try:
                # the name that messages show: relative to the project, unless it is the folder itself
                name = self.names.get(target) or target.relative_to(self.root).as_posix()
                source = self.once(_read, target, name)
            except _Unreadable as reason:
                self.found.append(errors.cannot_use(span, str(reason)))
                return None
            return self.add(source, target, using)
        return None
