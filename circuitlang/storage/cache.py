"""Results addressed by what went into them: small files, each whole or absent. Losing them loses only time."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from zipfile import BadZipFile

from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import write_whole

if TYPE_CHECKING:
    import hashlib

T = TypeVar("T")
PACKAGE = Path(__file__).parents[1]
_DIGEST = 32  # bytes of SHA-256 in front of every stored result, of its key and of what it is
COMPUTES = ("circuitlang.circuit.find", "circuitlang.claims.battery.checks")
"""The modules whose results are kept; what they import, and so on, is the code that decides numbers."""


@dataclass(frozen=True)
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


@lru_cache
def code_digest(*modules: str, package: Path = PACKAGE) -> str:
    """SHA-256 of the modules' code (`COMPUTES` unless told) and of all of the package that they import: another version
    of it finds nothing in the cache. Docstrings, comments on lines of their own and what messages say do not count."""
    found: dict[str, str] = {}
    left = list(modules or COMPUTES)
    while left:
        name = left.pop()
        if name not in found:
            source = _path(package, name).read_text("utf-8")
            tree = ast.parse(source)
            found[name] = "\n".join(_decisive(source, tree))
            left += _imported(package, tree)
    return key_of(*(f"{name}\n{text}" for name, text in sorted(found.items())))


def _path(package: Path, module: str) -> Path:
    """The file of a module of the package; it need not be there."""
    place = package.parent.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _imported(package: Path, tree: ast.AST) -> Iterator[str]:
    """The package's modules that a module imports, wherever it does; not those for type checking alone."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.split(".")[0] == package.name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package.name:
            for each in node.names:
                inner = f"{node.module}.{each.name}"
                yield inner if _path(package, inner).is_file() else str(node.module)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            yield node
            yield from _statements(node)


def _decisive(source: str, tree: ast.Module) -> Iterator[str]:
    """The lines that decide anything: of what is raised its kind, of a function that makes a diagnostic nothing."""
    instead: dict[int, str] = {}  # line -> what counts in its place
    for node in (tree, *_statements(tree)):
        lines: list[ast.stmt] = []
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            instead |= dict.fromkeys(range(node.lineno, (node.end_lineno or 0) + 1), "")
            instead[node.lineno] = f"raise {ast.unparse(node.exc.func)}"
        elif isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns) == "Diagnostic":
            lines = [node]
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            # also the text under a constant, which says what it is
            lines = [n for n in node.body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]
        for each in lines:
            instead |= dict.fromkeys(range(each.lineno, (each.end_lineno or 0) + 1), "")
    for number, line in enumerate(source.splitlines(), 1):
        line = instead.get(number, line)
        if line.strip() and not line.lstrip().startswith("#"):
            yield line


def _seal(key: str, content: bytes) -> bytes:
    return _sha256(key.encode() + content).digest()


def _sha256(data: bytes) -> hashlib._Hash:
    """Loaded where it is used: OpenSSL takes longer than most programs to check."""
    import hashlib

    return hashlib.sha256(data)
