"""A name in a file -> where it is declared, everywhere it is used, and what renaming it changes, across a project."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from circuitlang.interfaces.lsp.names import BLOCKS, MARKS, NAMES, TARGETS, Key, Occurrence
from circuitlang.interfaces.lsp.project import Project, Unit
from circuitlang.language.syntax.parse import keywords
from circuitlang.source.diagnostic import CommandError


@dataclass(frozen=True)
class Place:
    """One occurrence of a name in one file."""

    unit: Unit
    occurrence: Occurrence


def declarations(project: Project, path: Path, key: Key) -> list[Place]:
    """Where a name that a file sees is declared: one file's, the nearest. A binding is declared once per case."""
    for file in project.uses(path):
        unit = project.unit(file)
        if unit is None or not _declares(unit, key):
            continue
        found = [Place(unit, o) for o in unit.names if o.key == key and o.item is not None]
        if found:
            return found
    return []


def _declares(unit: Unit, key: Key) -> bool:
    """Whether the file has the block that the key belongs to."""
    if key.kind not in NAMES:
        return False
    kind, _, name = (key.owner or f"{key.kind} {key.name}").partition(" ")
    return any(
        BLOCKS.get(type(item)) == kind and item.name.text == name  # type: ignore[union-attr]
        for item in unit.file.items
        if type(item) in BLOCKS
    )


def references(project: Project, path: Path, key: Key) -> list[Place]:
    """Everywhere a name stands, declarations included: in the file that declares it and in all that use that file."""
    declared = declarations(project, path, key)
    home = declared[0].unit.path if declared else path
    found: list[Place] = []
    for file in project.users(home):
        unit = project.unit(file)
        if unit is None or not any(o.key == key for o in unit.names):
            continue
        places = declarations(project, file, key)
        if not places or places[0].unit.path == home:
            found += [Place(unit, o) for o in unit.names if o.key == key]
    return found


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
