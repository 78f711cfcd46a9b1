"""A corpus -> the real files that it names: of the project, of Python's own library, of installed packages."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from circuitlang.language.program.recipe import Corpus, Files
from circuitlang.source.diagnostic import CommandError

_NOT_LIBRARY = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test"})
"""Folders of Python's library and of packages whose files are not taken: others' code, and tests."""


def real_files(corpus: Corpus, root: Path) -> list[tuple[str, str]]:
    """(name, text) of every real file of the corpus, in the order of its `files` entries, then by path."""
    return [document for entry in corpus.files for document in files_of(entry, root)]


def files_of(entry: Files, root: Path) -> list[tuple[str, str]]:
    """(name, text) of the files of one `files` entry, sorted by path. Bytes that are not UTF-8 are skipped
    and line ends are newlines, so that the text depends on the files alone. Raises CommandError where there are none.
    """
    if entry.leads_out:
        raise CommandError(f"the pattern `{entry.pattern}` must lie inside the project.")
    named = sorted(_named(entry, root))
    if not named:
        raise CommandError(f"no file matches `{entry.pattern}`.")
    return [(entry.prefix + name, _read(path)) for name, path in named]


def _named(entry: Files, root: Path) -> Iterator[tuple[str, Path]]:
    own: frozenset[str] | None = None
    if entry.package:
        base, own = _package(entry, *entry.package)
    else:
        base = Path(sysconfig.get_path("stdlib")) if entry.library else root
    for path in matching(base, entry.glob):
        relative = path.relative_to(base)
        others = entry.prefix and _NOT_LIBRARY.intersection(relative.parts)
        if not others and (own is None or relative.as_posix() in own):
            yield relative.as_posix(), path


def _package(entry: Files, name: str, version: str) -> tuple[Path, frozenset[str]]:
    """Where packages are installed, and which files there are this one's."""
    advice = f"pip install '{name}=={version}'"
    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise CommandError(
            f"`{entry.pattern}` is text of a package that is not installed: {advice}"
        ) from None
    if found.version != version:
        raise CommandError(f"`{entry.pattern}`: version {found.version} is installed, other text: {advice}")
    return Path(str(found.locate_file(""))), frozenset(file.as_posix() for file in found.files or ())


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "ignore").replace("\r\n", "\n").replace("\r", "\n")


def matching(folder: Path, pattern: str) -> Iterator[Path]:
    """The files inside the folder whose path from there matches: `*`, `?` and `[…]` within one name, `**` for any
    folders. Links count where they lead inside, but `**` follows none. In no order; each once.

    Why not `Path.glob`: it lists folders outside through links, and fails on some patterns with errors of its own.
    """
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
