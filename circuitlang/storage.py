"""Files written whole or not at all: a temporary file beside the target, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from circuitlang.source import CommandError


def write_whole(path: Path, content: bytes | str) -> None:
    """Writes a file so that readers see the old one or the new one, also after a crash. Permissions stay.

    Raises CommandError with the system's reason where it cannot be written; then nothing is left behind.
    """
    data = content.encode() if isinstance(content, str) else content

    def fill(temporary: Path) -> None:
        temporary.write_bytes(data)

    replace_whole(path, fill)


def replace_whole(path: Path, fill: Callable[[Path], None]) -> None:
    """Like `write_whole`, for writers that want a path: `fill` writes the file it is given."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fill(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}") from error


def require_writable(folder: Path) -> None:
    """Raises CommandError where files could not be written into a folder, before anything is computed for them."""
    probe = folder / f".{secrets.token_hex(4)}.part"
    write_whole(probe, b"")
    probe.unlink(missing_ok=True)


def create_whole(files: Mapping[Path, str]) -> None:
    """Writes new files, each whole, all of them or none. CommandError where one exists or cannot be written.

    A hard link is made only where nothing is, whoever else writes at the same time.
    """
    folders: list[Path] = []
    temporaries: list[Path] = []
    made: list[Path] = []
    current, done = Path(), False
    try:
        for current, text in files.items():
            folders += [path for path in reversed(current.parents) if not path.exists()]
            current.parent.mkdir(parents=True, exist_ok=True)
            temporaries.append(current.with_name(f".{current.name}.{secrets.token_hex(4)}.part"))
            temporaries[-1].write_text(text, encoding="utf-8")
        for temporary, current in zip(temporaries, files, strict=True):
            _place(temporary, current)
            made.append(current)
        done = True
    except OSError as error:
        reason = "it exists already" if isinstance(error, FileExistsError) else error.strerror or error
        raise CommandError(f"cannot write {current}: {reason}") from error
    finally:  # also where somebody stops it
        _remove(temporaries if done else [*temporaries, *made])
        for folder in () if done else reversed(folders):
            with suppress(OSError):
                folder.rmdir()


def _place(temporary: Path, path: Path) -> None:
    """Gives a finished file its name, unless something has it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        with path.open("xb") as file:
            file.write(temporary.read_bytes())


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):  # where a folder could not be made there is none
            path.unlink(missing_ok=True)
