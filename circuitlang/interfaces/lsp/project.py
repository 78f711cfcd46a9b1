"""Open texts laid over the files of a project: what a file says now, the tree of it, what it uses and what uses it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from circuitlang.interfaces.lsp.names import Occurrence, occurrences
from circuitlang.interfaces.lsp.positions import Encoding, Text
from circuitlang.interfaces.lsp.salvage import salvage
from circuitlang.language.files import EXTENSIONS
from circuitlang.language.program.load import Reader, bytes_of, find_project, project_root, read
from circuitlang.language.syntax import tree
from circuitlang.language.syntax.parse import parse
from circuitlang.source.diagnostic import CommandError, ProgramError, Source

_SKIPPED = frozenset({"node_modules", "__pycache__", "build", "dist", "site-packages"})
_MOST_FOLDERS = 5_000  # of a project that are searched for programs


@dataclass(frozen=True)
class Unit:
    """One file as it is now. `whole`: it parses, so nothing is left out of the tree."""

    path: Path
    source: Source
    file: tree.File
    whole: bool
    names: tuple[Occurrence, ...]

    def at(self, offset: int) -> Occurrence | None:
        """The name or word that an offset stands in or touches."""
        touching = (name for name in self.names if name.span.start <= offset <= name.span.end)
        return next(touching, None)


@dataclass
class Project:
    """`open`: the texts that an editor holds, by their files' real paths."""

    encoding: Encoding = "utf-16"
    open: dict[Path, Text] = field(default_factory=dict)
    _units: dict[Path, Unit] = field(default_factory=dict)

    @property
    def reader(self) -> Reader:
        """What a file says now, as bytes."""
        return overlay(self.open)

    def unit(self, path: Path) -> Unit | None:
        """A file as it is now; None if it cannot be read or is no program's text."""
        try:
            source = read(path, self.reader)
        except (CommandError, ProgramError):
            self._units.pop(path, None)
            return None
        known = self._units.get(path)
        if known is None or known.source.text != source.text:
            known = self._units[path] = _unit(path, source)
        return known

    def uses(self, path: Path) -> list[Path]:
        """The file itself and the files whose names it sees, nearest first."""
        found, root = [path], project_root(path)
        for file in found:
            unit = self.unit(file)
            for target in used(unit, root) if unit else ():
                if target not in found:
                    found.append(target)
        return found

    def users(self, path: Path) -> list[Path]:
        """The file itself and the files of its project that see its names."""
        return [path, *(p for p in self.files(project_root(path)) if p != path and path in self.uses(p)[1:])]

    def files(self, root: Path) -> list[Path]:
        """The programs of a project, open or not; of a folder that is none, those beside one another."""
        opened = (path for path in self.open if path.is_relative_to(root) and path.suffix in EXTENSIONS)
        return sorted({*opened, *_programs(root)})

    def text(self, source: Source) -> Text:
        """A source as an editor counts it. (Its line ends are newlines; lines and columns are those of the file.)"""
        return Text(source.text, self.encoding)


def overlay(texts: Mapping[Path, Text]) -> Reader:
    """What reads a file: the open text, where there is one."""

    def reader(path: Path) -> bytes:
        text = texts.get(path)
        return bytes_of(path) if text is None else text.text.encode("utf-8")

    return reader


def used(unit: Unit, root: Path) -> Iterator[Path]:
    """The files that a file names, inside its project."""
    for item in unit.file.items:
        if isinstance(item, tree.Use):
            target = use_target(unit.path, item.path.text)
            if target is not None and target.is_relative_to(root):
                yield target


def use_target(path: Path, written: str) -> Path | None:
    """The file that a `use` in a file means."""
    try:
        return (path.parent / written).resolve() if written and "\0" not in written else None
    except (OSError, ValueError, RuntimeError):
        return None


def _unit(path: Path, source: Source) -> Unit:
    try:
        file, whole = parse(source), True
    except ProgramError:
        file, whole = salvage(source), False
    return Unit(path, source, file, whole, occurrences(file))


def _programs(root: Path) -> Iterator[Path]:
    most = _MOST_FOLDERS if find_project(root) == root.resolve() else 1
    for number, (folder, folders, files) in enumerate(os.walk(root)):
        if number >= most:
            return
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        for name in files:
            if Path(name).suffix in EXTENSIONS:
                yield Path(folder).resolve() / name
