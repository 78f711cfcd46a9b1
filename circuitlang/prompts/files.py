"""A corpus -> the real files that it names: of the project, of Python's own library, of installed packages."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from circuitlang.program.corpus import Corpus, Files
from circuitlang.prompts.matching import matching
from circuitlang.source import CommandError

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
