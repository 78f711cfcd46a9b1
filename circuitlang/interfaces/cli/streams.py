"""The standard streams where nobody reads them, they are closed, or their device is full: a verdict is none the worse.

A reader that went away is quiet: what is written goes nowhere from then on, and the exit status is the verdict's. A
device that cannot take what is written is an error of its own (`Unwritable`): commands take an OSError for one of the
files that they read.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from circuitlang.source.diagnostic import reason_of

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Unwritable(Exception):
    """Standard output cannot be written; says why."""


class _Raw(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            _discard(self.fileno())
        except OSError as error:
            _discard(self.fileno())  # or every further flush would say the same
            raise Unwritable(reason_of(error)) from None
        return memoryview(data).nbytes


def _discard(stream: int) -> None:
    """From now on what is written to the stream goes nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, stream)
    if null != stream:
        os.close(null)


def settle() -> None:
    """The process's own streams become such; those that somebody put in their place stay."""
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:  # closed: whatever is opened next would take its number, and what is printed
            _discard(stream)
    sys.stdout = _settled(sys.stdout, sys.__stdout__, 1)
    sys.stderr = _settled(sys.stderr, sys.__stderr__, 2)


def _settled(now: TextIO, own: TextIO | None, number: int) -> TextIO:
    if now is not own:
        return now
    encoding = getattr(own, "encoding", None) or "utf-8"
    handler = getattr(own, "errors", None) or "strict"
    if own is not None:
        own.flush()
    raw = _Raw(number, "w", closefd=False)
    live = number == 2 or os.isatty(number)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, handler, line_buffering=live)


def flush() -> None:
    """All that was printed goes where it goes; Unwritable where it cannot."""
    if not sys.stdout.closed:  # as the language server leaves it
        sys.stdout.flush()
    with suppress(Unwritable):
        sys.stderr.flush()
