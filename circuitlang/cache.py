"""Results addressed by what went into them: small files, each whole or absent. Losing them loses only time."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from zipfile import BadZipFile

from circuitlang.record import record
from circuitlang.source import CommandError
from circuitlang.storage import write_whole

if TYPE_CHECKING:
    import hashlib

T = TypeVar("T")
PACKAGE = Path(__file__).parent
_DIGEST = 32  # bytes of SHA-256 in front of every stored result, of its key and of what it is
_COMPUTES = ("program", "prompts", "model", "circuit", "claims")  # folders whose code decides numbers


@record
class Cache:
    """`folder` None: nothing is kept or found; nor where others could have written what is found (`distrusted`)."""

    folder: Path | None

    def __post_init__(self) -> None:
        if distrusted(self.folder):
            self.__dict__["folder"] = None

    def get(self, key: str) -> bytes | None:
        if self.folder is None:
            return None
        try:
            stored = self._path(key).read_bytes()
        except OSError:
            return None
        content = stored[_DIGEST:]
        return (
            content if _seal(key, content) == stored[:_DIGEST] else None
        )  # damaged, or another's, is absent

    def found(self, key: str, read: Callable[[bytes], T]) -> T | None:
        """What `read` makes of a result; None where there is none, or none that this program wrote."""
        stored = self.get(key)
        if stored is None:
            return None
        try:
            return read(stored)
        except (ValueError, LookupError, TypeError, AttributeError, OSError, EOFError, BadZipFile):
            return None

    def put(self, key: str, content: bytes) -> None:
        """Keeps a result; a folder that cannot be written costs the cache, not the check."""
        if self.folder is None:
            return
        try:
            write_whole(self._path(key), _seal(key, content) + content)
        except CommandError:
            return

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key[:2] / key[2:]


def distrusted(folder: Path | None) -> str:
    """Why results in a folder are not believed: they are another user's, or everybody may write there. Empty: they are,
    or there are none."""
    if folder is None or not hasattr(os, "getuid"):
        return ""
    try:
        found = folder.stat()
    except OSError:
        return ""
    if found.st_uid not in (os.getuid(), 0):
        return f"the cache {folder} belongs to another user, and was not used"
    if found.st_mode & stat.S_IWOTH:
        return f"the cache {folder} can be written by everybody, and was not used (chmod o-w)"
    return ""


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


def _seal(key: str, content: bytes) -> bytes:
    return _sha256(key.encode() + content).digest()


def _sha256(data: bytes) -> hashlib._Hash:
    """Loaded where it is used: OpenSSL takes longer than most programs to check."""
    import hashlib

    return hashlib.sha256(data)
