"""A folder and a pattern -> the files inside that match; nothing outside is looked at, whatever links there are.

Why not `Path.glob`: it lists folders outside through links, and fails on some patterns with errors of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath


def matching(folder: Path, pattern: str) -> Iterator[Path]:
    """The files inside the folder whose path from there matches: `*`, `?` and `[…]` within one name, `**` for any
    folders. Links count where they lead inside, but `**` follows none. In no order; each once."""
    parts = PurePosixPath(pattern).parts
    inside = folder.resolve()
    waiting, seen, found = [(folder, 0)], set[tuple[Path, int]](), set[Path]()
    while waiting:
        place, at = waiting.pop()
        if at == len(parts) or (place, at) in seen:
            continue
        seen.add((place, at))
        any_folder, last = parts[at] == "**", at == len(parts) - 1
        if any_folder:
            waiting.append((place, at + 1))
        for entry in _entries(place):
            path = place / entry.name
            if any_folder:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((path, at))
            elif fnmatchcase(entry.name, parts[at]) and (
                not entry.is_symlink() or _leads_inside(path, inside)
            ):
                if last and path.is_file() and path not in found:
                    found.add(path)
                    yield path
                elif not last and path.is_dir():
                    waiting.append((path, at + 1))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _leads_inside(path: Path, inside: Path) -> bool:
    try:
        return path.resolve().is_relative_to(inside)
    except (OSError, RuntimeError):  # a link to itself
        return False
