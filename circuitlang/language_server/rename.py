"""A declared name and a new one -> the edits of every file of the project that keep the program's meaning."""

from __future__ import annotations

import re
from pathlib import Path

from circuitlang.language_server.find import Place, declarations, references
from circuitlang.language_server.names import MARKS, NAMES, TARGETS, Key, Occurrence
from circuitlang.language_server.project import Project, Unit
from circuitlang.source import CommandError
from circuitlang.syntax.parse import keywords

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def renamable(project: Project, unit: Unit, offset: int) -> Occurrence:
    """The name at an offset. CommandError where there is none, or none that a file declares."""
    found = unit.at(offset)
    if found is None or found.key.kind not in NAMES:
        raise CommandError("only a name that a program declares can be renamed")
    if not declarations(project, unit.path, found.key):
        raise CommandError(f"`{found.key.name}` is declared nowhere")
    return found


def rename(project: Project, unit: Unit, offset: int, new: str) -> list[Place]:
    """Every place whose name becomes `new`. CommandError, with one sentence, where that would change the meaning."""
    key = renamable(project, unit, offset).key
    if new == key.name:
        return []
    _allowed(key, new)
    places = references(project, unit.path, key)
    other = Key(key.kind, new, key.owner)
    home = declarations(project, unit.path, key)[0].unit.path
    for path in project.users(home):
        there = project.unit(path)
        if there is not None and not there.whole:
            text = f"{path.name} has mistakes, so not every `{key.name}` can be found; mend it first"
            raise CommandError(text)
        taken = declarations(project, path, other)
        if taken:
            raise CommandError(f"there is already a {_noun(key)} `{new}`{_in(taken[0], unit.path)}")
    return places


def _allowed(key: Key, new: str) -> None:
    if not _NAME.fullmatch(new):
        raise CommandError(f"`{new}` is no name: letters, digits and `_`, not beginning with a digit")
    if new in keywords():
        raise CommandError(f"`{new}` is a keyword and cannot be a name")
    if key.kind == "name" and new in MARKS:
        raise CommandError(f"`{new}` is the name of a mark")
    if key.kind == "role" and new in TARGETS:
        raise CommandError(f"`{new}` is a word of interventions")


def _noun(key: Key) -> str:
    return f"name in {key.owner}," if key.kind == "name" else key.kind


def _in(place: Place, path: Path) -> str:
    return "" if place.unit.path == path else f" in {place.unit.path.name}"
