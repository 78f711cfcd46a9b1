"""Files written whole or not at all: a temporary file beside the target, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from circuitlang.source import CommandError


def write_whole(path: Path, content: bytes | str) -> None:
    """Writes a file so that readers see the old one or the new one, also after a crash.

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
            temporary.chmod(0o644)
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
