"""A path -> the checked program of that file and of the files it uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

from circuitlang.language.program import errors
from circuitlang.language.program.check import Memo, Unit, check
from circuitlang.language.program.program import Program
from circuitlang.language.syntax import mistakes, tree
from circuitlang.language.syntax.parse import MAX_BYTES, parse
from circuitlang.source.diagnostic import CommandError, Diagnostic, ProgramError, Source, Span, reason_of

Reader = Callable[[Path], bytes]  # a file's bytes, or OSError: an editor puts its open texts over the files

MAX_DEPTH = 8  # files that use files
_NONE: Mapping[Path, str] = {}
_ROOT_MARKS = ("pyproject.toml", ".git")


def bytes_of(path: Path) -> bytes:
    """A file's bytes, as many as a program may have and one more, that what is too large is not read."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def load(
    path: Path | str,
    root: Path | None = None,
    reader: Reader = bytes_of,
    memo: Memo | None = None,
    names: Mapping[Path, str] = _NONE,
) -> Program:
    """Read, parse and check a file with everything it uses. `root`: the project, outside of which no file is
    used. `reader`: where the bytes of every file come from. `memo`: what the same run read before. `names`: what
    messages call files, by their resolved paths.

    Raises CommandError if the file itself cannot be read and ProgramError with every mistake found.
    """
    path = Path(path)
    memo = memo or Memo()
    target = path.resolve()
    try:
        source = memo(_read, target, names.get(target, str(path)), reader)
    except _Unreadable as reason:
        raise CommandError(f"{path}: {reason}") from None
    reading = _Reading((root or project_root(path)).resolve(), reader, memo, names)
    reading.add(source, target, {})
    if reading.found:
        raise ProgramError(reading.found)
    return check(reading.units, memo)


def load_text(text: str, name: str = "text", root: Path | None = None) -> Program:
    """The same for a text that is no file; what it uses is relative to `root`, by default the current
    folder."""
    folder = (root or Path()).resolve()
    reading = _Reading(folder)
    reading.add(Source(name, text), folder / name, {})
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


def read(path: Path, reader: Reader = bytes_of) -> Source:
    """A file as text, line ends as newlines. Raises CommandError with one sentence if it cannot be read, and
    ProgramError if it is not text."""
    try:
        return _read(path, str(path), reader)
    except _Unreadable as reason:
        raise CommandError(f"{path}: {reason}") from None


class _Unreadable(Exception):
    """Why a file cannot be read."""


def _read(path: Path, name: str, reader: Reader) -> Source:
    try:
        if path.is_dir():
            raise _Unreadable("this is a folder, not a file")
        data = reader(path)
    except FileNotFoundError:
        raise _Unreadable("there is no such file") from None
    except (OSError, ValueError) as error:
        raise _Unreadable(f"it cannot be read ({reason_of(error)})") from None
    return _source(data, name, path)


def read_text(data: bytes, name: str) -> Source:
    """The bytes of standard input as text, as `read` makes it of a file."""
    return _source(data, name, None)


def _source(data: bytes, name: str, path: Path | None) -> Source:
    if len(data) > MAX_BYTES:
        raise ProgramError([mistakes.too_large(Span(Source(name, "", path), 0, 0), MAX_BYTES)])
    try:
        return Source(name, text_of(data), path)
    except UnicodeDecodeError as error:
        raise ProgramError([not_utf8(data, error.start, name, path)]) from None


@dataclass
class _Reading:
    """Files as they are found: a used file comes before the files that use it."""

    root: Path
    reader: Reader = bytes_of
    memo: Memo = field(default_factory=Memo)
    names: Mapping[Path, str] = field(default_factory=dict)
    units: list[Unit] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    places: dict[Path, int | None] = field(default_factory=dict)  # None: could not be parsed

    def add(self, source: Source, path: Path, using: Mapping[Path, Span]) -> int | None:
        """Read the files that a file uses, then append the file itself; its place in `units`. `using`: the files
        on the way here, each with the `use` that led on."""
        try:
            file = self.memo(parse, source)
        except ProgramError as error:
            self.found += error.diagnostics
            self.places[path] = None
            return None
        seen: set[int] = set()
        for use in file.items:
            if isinstance(use, tree.Use):
                place = self._use(use, path, {**using, path: use.path.span})
                if place is not None:
                    seen |= {place} | self.units[place].uses
        self.places[path] = len(self.units)
        self.units.append(Unit(source, file, frozenset(seen)))
        return self.places[path]

    def _use(self, use: tree.Use, path: Path, using: Mapping[Path, Span]) -> int | None:
        span = use.path.span
        written = use.path.text
        if not written or not written.isprintable() or "\\" in written:
            why = "a path is expected" if not written else "a path is written with `/` between plain names"
            self.found.append(errors.cannot_use(span, why))
            return None
        if "://" in written or written.startswith("~") or PureWindowsPath(written).drive:
            what = "an address" if "://" in written else "a path of one machine"
            self.found.append(errors.outside_project(span, self.root.name, f"this is {what}"))
            return None
        try:
            target = (path.parent / written).resolve()
            special = target.exists() and not (target.is_file() or target.is_dir())
        except (OSError, RuntimeError):  # names that are too long, links in a circle
            self.found.append(errors.cannot_use(span, "this path leads nowhere"))
            return None
        if not target.is_relative_to(self.root):
            self.found.append(errors.outside_project(span, self.root.name))
        elif target in using:
            circle = list(using)[list(using).index(target) :]
            names = [part.name for part in (*circle, target)]
            self.found.append(errors.use_cycle(span, names, [using[part] for part in circle[:-1]]))
        elif target in self.places:
            return self.places[target]
        elif len(using) > MAX_DEPTH:
            self.found.append(errors.use_too_deep(span, MAX_DEPTH))
        elif special:
            self.found.append(errors.cannot_use(span, "this is a device or a pipe, not a file"))
        else:
            try:
                # the name that messages show: relative to the project, unless it is the folder itself
                name = self.names.get(target) or target.relative_to(self.root).as_posix()
                source = self.memo(_read, target, name, self.reader)
            except _Unreadable as reason:
                self.found.append(errors.cannot_use(span, str(reason)))
                return None
            except ProgramError as error:
                for problem in error.diagnostics:
                    self.found.append(errors.cannot_use(span, problem.message, problem.span))
                return None
            return self.add(source, target, using)
        return None


_SAVE = "save the file as UTF-8"
_MARKS = {  # what such files begin with; the longer before those that they begin with
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def text_of(data: bytes) -> str:
    """The text without a byte order mark, line ends as newlines. Raises UnicodeDecodeError, also at a zero byte."""
    zero = data.find(b"\0")
    if zero >= 0:
        data[:zero].decode("utf-8")  # what is wrong before it comes first
        raise UnicodeDecodeError("utf-8", data, zero, zero + 1, "a zero byte")
    return _lines(data.decode("utf-8"))  # the codec utf-8-sig would count an error's place without the mark


def _lines(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def not_utf8(data: bytes, at: int, name: str, path: Path | None) -> Diagnostic:
    """What is wrong with a file that is no text in UTF-8 from this byte on."""
    mark = next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), None)
    if mark is not None:
        return mistakes.not_text(Span(Source(name, "", path), 0, 0), f"it begins like {mark}", _SAVE)
    zeros = data[:1000].count(0)
    if zeros:
        why, hint = "it contains zero bytes", "this is no text, or text in another encoding"
        if 3 * zeros > len(data[:1000]) > 3:
            why, hint = "every other byte is zero, as in UTF-16", _SAVE
        return mistakes.not_text(Span(Source(name, "", path), 0, 0), why, hint)
    before = _lines(data[:at].decode("utf-8"))
    text = before + _lines(data[at:].decode("latin-1"))
    why = f"byte {at + 1} is 0x{data[at]:02x}"
    place = Span(Source(name, text, path), len(before), len(before) + 1)
    return mistakes.not_text(place, why, f"{_SAVE}; here it is read as Latin-1")
