"""Paths -> the program files that they name, and their text in canonical form."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from circuitlang.language.program.load import (
    read,
    read_text,
)
from circuitlang.language.syntax.format import format_file
from circuitlang.language.syntax.parse import parse
from circuitlang.source.diagnostic import CommandError, ProgramError
from circuitlang.storage.atomic import write_whole

if TYPE_CHECKING:
    pass


EXTENSIONS = (".cir", ".task")
Block = TypeVar("Block")


def programs(paths: Sequence[Path]) -> Iterator[Path]:
    """The program files that the paths name, folders searched, each once. CommandError for a folder without any."""
    seen: set[Path] = set()
    for path in paths:
        inside = sorted(_inside(path))
        if path.is_dir() and not inside:
            raise CommandError(f"{path}: there is no .cir or .task file in this folder")
        for file in inside if path.is_dir() else [path]:
            if file not in seen:
                seen.add(file)
                yield file


def _inside(folder: Path) -> Iterator[Path]:
    """The program files in a folder, but for hidden folders and Python's environments: those are not the user's."""
    for top, folders, files in os.walk(folder):
        folders[:] = [
            f for f in folders if not f.startswith(".") and not (Path(top, f) / "pyvenv.cfg").is_file()
        ]
        yield from (
            path for file in files if (path := Path(top, file)).suffix in EXTENSIONS and path.is_file()
        )


@dataclass(frozen=True)
class Formatted:
    """A file's text as it is and in canonical form. `path`: None for standard input."""

    name: str
    path: Path | None
    old: str
    new: str
    line_end: str

    @property
    def changed(self) -> bool:
        return self.old != self.new

    @property
    def data(self) -> bytes:
        """What to write: line ends stay those of the file."""
        return self.new.replace("\n", self.line_end).encode()

    def write(self) -> None:
        """Where a link leads to, the link stays."""
        if self.path is not None:
            write_whole(self.path.resolve(), self.data)


def format_files(paths: Sequence[Path]) -> tuple[list[Formatted], list[ProgramError | CommandError]]:
    """`fmt`: every file that is a program, and what is wrong with the others."""
    done: list[Formatted] = []
    problems: list[ProgramError | CommandError] = []
    for path in programs(paths):
        try:
            source = read(path)
            new = format_file(parse(source))
            done.append(Formatted(str(path), path, source.text, new, _line_end(path.read_bytes())))
        except (ProgramError, CommandError) as error:
            problems.append(error)
    return done, problems


def format_text(data: bytes, name: str) -> Formatted:
    """`fmt -`: the same for what an editor sends."""
    source = read_text(data, name)
    return Formatted(name, None, source.text, format_file(parse(source)), _line_end(data))


def _line_end(data: bytes) -> str:
    """As the first line has it."""
    return "\r\n" if data.partition(b"\n")[0].endswith(b"\r") else "\n"


def choose(named: Mapping[str, Block], name: str | None, kind: str, path: Path) -> Block:
    """The block of that name, or the only one. CommandError that lists what there is."""
    if name is None and len(named) == 1:
        return next(iter(named.values()))
    if name is not None and name in named:
        return named[name]
    known = ", ".join(sorted(named)) or "none"
    asked = f"there is no {kind} `{name}`" if name else f"there are {len(named)} {kind}s; say which"
    raise CommandError(f"{path}: {asked} (known: {known})")
