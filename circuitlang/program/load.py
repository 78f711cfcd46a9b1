"""A path -> the checked program of that file and of the files it uses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from circuitlang.program import errors
from circuitlang.program.check import Unit, check
from circuitlang.program.program import Program
from circuitlang.source import CommandError, Diagnostic, ProgramError, Source
from circuitlang.syntax import tree
from circuitlang.syntax.parse import parse

Reader = Callable[[Path], bytes]  # a file's bytes, or OSError: an editor puts its open texts over the files

MAX_DEPTH = 8  # files that use files
_ROOT_MARKS = ("pyproject.toml", ".git")
_SPICE = re.compile(
    r"""^\s*(?:\*  # a comment, or the title
    | [RCLVIQMDX]\w*\s+\w+\s+\w+\s+[^\s"'{}=|]+\s*[^"'{}|]*$  # an element between two nodes
    | \.(?:tran|ac|dc|op|end|model|subckt|include|title|param|lib)\b)""",
    re.IGNORECASE | re.VERBOSE,
)


def load(path: Path | str, root: Path | None = None, reader: Reader = Path.read_bytes) -> Program:
    """Read, parse and check a file with everything it uses. `root`: the project, outside of which no file is
    used. `reader`: where the bytes of every file come from.

    Raises CommandError if the file itself cannot be read and ProgramError with every mistake found.
    """
    path = Path(path)
    source = read(path, reader)
    folder = (root or project_root(path)).resolve()
    reading = _Reading(folder, reader)
    reading.add(source, path.resolve(), ())
    if reading.found:
        raise ProgramError(reading.found)
    return check(reading.units)


def load_text(text: str, name: str = "text", root: Path | None = None) -> Program:
    """The same for a text that is no file; what it uses is relative to `root`, by default the current
    folder."""
    folder = (root or Path()).resolve()
    reading = _Reading(folder)
    reading.add(Source(name, text), folder / name, ())
    if reading.found:
        raise ProgramError(reading.found)
    return check(reading.units)


def project_root(path: Path) -> Path:
    """The nearest folder above a file with a pyproject.toml or .git, otherwise the file's own folder."""
    folder = path.resolve().parent
    return find_project(folder) or folder


def find_project(folder: Path) -> Path | None:
    """The nearest folder, this one or above, with a pyproject.toml or .git."""
    folder = folder.resolve()
    for candidate in (folder, *folder.parents):
        if any((candidate / mark).exists() for mark in _ROOT_MARKS):
            return candidate
    return None


def read(path: Path, reader: Reader = Path.read_bytes) -> Source:
    """A file as text, line ends as newlines. Raises CommandError with one sentence if it is no program's
    text."""
    try:
        return _read(path, str(path), reader)
    except _Unreadable as reason:
        raise CommandError(f"{path}: {reason}") from None


class _Unreadable(Exception):
    """Why a file is no program's text."""


def _read(path: Path, name: str, reader: Reader) -> Source:
    if path.is_dir():
        raise _Unreadable("this is a folder, not a file")
    try:
        data = reader(path)
    except FileNotFoundError:
        raise _Unreadable("there is no such file") from None
    except (OSError, ValueError) as error:
        raise _Unreadable(f"it cannot be read ({getattr(error, 'strerror', None) or error})") from None
    return Source(name, _decoded(data), path)


def read_text(data: bytes, name: str) -> Source:
    """The bytes of standard input as text, as `read` makes it of a file."""
    try:
        return Source(name, _decoded(data))
    except _Unreadable as reason:
        raise CommandError(f"{name}: {reason}") from None


def _decoded(data: bytes) -> str:
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
    return text


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
    reader: Reader = Path.read_bytes
    units: list[Unit] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    places: dict[Path, int | None] = field(default_factory=dict)  # None: could not be parsed

    def add(self, source: Source, path: Path, using: tuple[Path, ...]) -> int | None:
        """Read the files that a file uses, then append the file itself; its place in `units`."""
        try:
            file = parse(source)
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
                source = _read(target, target.relative_to(self.root).as_posix(), self.reader)
            except _Unreadable as reason:
                self.found.append(errors.cannot_use(span, str(reason)))
                return None
            return self.add(source, target, using)
        return None
