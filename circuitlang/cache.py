"""Results addressed by what went into them: small files, each whole or absent. Losing them loses only time."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from circuitlang.record import record
from circuitlang.source import CommandError
from circuitlang.storage import write_whole

if TYPE_CHECKING:
    import hashlib

PACKAGE = Path(__file__).parent
_DIGEST = 32  # bytes of SHA-256 in front of every stored result
_COMPUTES = ("program", "prompts", "model", "circuit", "claims")  # folders whose code decides numbers


@record
class Cache:
    """`folder` None: nothing is kept or found."""

    folder: Path | None

    def get(self, key: str) -> bytes | None:
        if self.folder is None:
            return None
        try:
            stored = self._path(key).read_bytes()
        except OSError:
            return None
        content = stored[_DIGEST:]
        return content if _sha256(content).digest() == stored[:_DIGEST] else None  # damaged is absent

    def put(self, key: str, content: bytes) -> None:
        """Keeps a result; a folder that cannot be written costs the cache, not the check."""
        if self.folder is None:
            return
        try:
            write_whole(self._path(key), _sha256(content).digest() + content)
        except CommandError:
            return

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key[:2] / key[2:]


def key_of(*parts: str | int | float | Iterable[str]) -> str:
    """SHA-256 of the parts, each with its type and length, so that no two lists of parts collide."""
    digest = _sha256(b"")
    for part in parts:
        text = part if isinstance(part, str) else repr(part if isinstance(part, int | float) else tuple(part))
        data = f"{type(part).__name__}:{text}".encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def default_folder() -> Path | None:
    """Where results are kept unless told: $CIRCUITLANG_CACHE, else the user's cache folder, if there is one."""
    told = os.environ.get("CIRCUITLANG_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    if told:
        return Path(told)
    try:
        return (Path(base) if base else Path("~/.cache").expanduser()) / "circuitlang"
    except RuntimeError:  # no $HOME, and no entry for the user
        return None


@lru_cache(maxsize=1)
def code_digest() -> str:
    """SHA-256 of the code that computes numbers: another version of it finds nothing in the cache."""
    files = sorted(path for folder in _COMPUTES for path in (PACKAGE / folder).glob("*.py"))
    return key_of(*(f"{path.parent.name}/{path.name}\n{path.read_text('utf-8')}" for path in files))


def _sha256(data: bytes) -> hashlib._Hash:
    """Loaded where it is used: OpenSSL takes longer than most programs to check."""
    import hashlib

    return hashlib.sha256(data)
