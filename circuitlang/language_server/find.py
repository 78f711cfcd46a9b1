"""A name in a file -> where it is declared and everywhere it is used, across the files of its project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from circuitlang.language_server.names import BLOCKS, NAMES, Key, Occurrence
from circuitlang.language_server.project import Project, Unit


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
