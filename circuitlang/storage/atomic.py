"""Files written whole or not at all: a temporary file beside the target, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from circuitlang.source.diagnostic import CommandError, reason_of

Fill = Callable[[Path], object]
"""Writes the file that it is given."""


LARGEST = 2**25
"""Bytes of a file that is read as a whole: a tokenizer of 250,000 tokens has two thirds of it, a report of a check a
tenth."""


def read_whole(path: Path, most: int = LARGEST) -> bytes:
    """A file's bytes. OSError where it cannot be read, has more than `most` bytes, or is no file on a disk: a
    device may never end, a pipe never begin."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:
        kind = os.fstat(handle)
        if not stat.S_ISREG(kind.st_mode):
            raise OSError("it is not a file on a disk")
        if kind.st_size > most or len(data := file.read(most + 1)) > most:
            raise OSError(f"it has more than {most:,} bytes, the most that are read of such a file")
    return data


def read_text(path: Path, most: int = LARGEST) -> str:
    """The same as text. ValueError where it is not UTF-8."""
    return read_whole(path, most).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def write_whole(path: Path, content: bytes | str) -> None:
    """Writes a file so that readers see the old one or the new one, also after a crash. Permissions stay.

    Raises CommandError with the system's reason where it cannot be written; then nothing is left behind.
    """
    write_all({path: content})


def write_all(files: Mapping[Path, bytes | str]) -> None:
    """Like `write_whole`, of several files: none is replaced before all of the new ones are on the disk."""
    _replace_all({path: _writing(content) for path, content in files.items()})


def replace_whole(path: Path, fill: Fill) -> None:
    """Like `write_whole`, for writers that want a path."""
    _replace_all({path: fill})


def _writing(content: bytes | str) -> Fill:
    data = content.encode() if isinstance(content, str) else content
    return lambda temporary: temporary.write_bytes(data)


def _replace_all(fills: Mapping[Path, Fill]) -> None:
    temporaries: dict[Path, Path] = {}
    current = Path()
    try:
        for current, fill in fills.items():
            current.parent.mkdir(parents=True, exist_ok=True)
            temporary = temporaries[current] = _beside(current)
            temporary.touch()  # with the permissions that the user gives to new files
            mode = (current if current.exists() else temporary).stat().st_mode
            fill(temporary)
            _settle(temporary, stat.S_IMODE(mode))
        for current, temporary in temporaries.items():
            temporary.replace(current)
        for folder in dict.fromkeys(path.parent for path in fills):
            _settle_folder(folder)
    except OSError as error:
        raise CommandError(f"cannot write {current}: {reason_of(error)}") from error
    finally:  # also where somebody stops it
        _remove(temporaries.values())


def _beside(path: Path) -> Path:
    """A name for the unfinished file."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _settle(temporary: Path, mode: int) -> None:
    """A finished file on the disk, with the permissions of the one that it will replace."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.chmod(mode)


def _settle_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Raises CommandError where another process is at work in a folder; until the end no other begins to. The folder is
    made where it is missing, and gone again where nothing was written into it.

    The system's own lock of the folder: it leaves no file behind and ends with the process, however that ends. Where a
    system has no such lock, nothing is said.
    """
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:
        yield
        return
    missing = _missing(folder)
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            flock(handle, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"another check is writing into {folder}: wait until it has ended, or give this one another folder"
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)
        _remove_empty(missing)


def _missing(folder: Path) -> list[Path]:
    """Those of a folder and the ones above it that are not there, the lowest first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # somebody has written there
            folder.rmdir()


def require_writable(folder: Path) -> None:
    """Raises CommandError where files could not be written into a folder, before anything is computed for them. The
    folder is not made: a command that is stopped leaves no empty one."""
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"cannot write into {folder}: it is a file, not a folder")
    missing = _missing(folder)
    probe = folder / f".{secrets.token_hex(4)}.part"
    try:
        write_whole(probe, b"")
    except CommandError as error:
        why = reason_of(error.__cause__) if isinstance(error.__cause__, OSError) else str(error)
        raise CommandError(f"cannot write into the folder {folder}: {why}") from None
    finally:
        with suppress(OSError):
            probe.unlink()
        _remove_empty(missing)


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
            temporaries.append(_beside(current))
            temporaries[-1].write_text(text, encoding="utf-8")
        for temporary, current in zip(temporaries, files, strict=True):
            _place(temporary, current)
            made.append(current)
        done = True
    except OSError as error:
        reason = "it exists already" if isinstance(error, FileExistsError) else reason_of(error)
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
