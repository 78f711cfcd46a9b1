"""The standard streams and two consoles, and what is said of checked files. rich is loaded where lines need it."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, TextIO

from circuitlang.language.program.program import Program
from circuitlang.report.escape import harmless_to_ci, no_command
from circuitlang.source.diagnostic import Diagnostic, reason_of
from circuitlang.source.visible import visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.console import Console
    from rich.text import Text

WRONG = 2  # the exit status where the program or the command is wrong


@cache
def errors() -> Console:
    """Standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


@cache
def output() -> Console:
    """Standard output."""
    from rich.console import Console

    return Console(highlight=False, emoji=False)


def in_colour(to: Console | None = None) -> bool:
    """Whether a console, standard output unless told, is to be written to in colour: NO_COLOR and TERM=dumb say no."""
    to = to or output()
    return to.is_terminal and not to.no_color and not to.is_dumb_terminal


def say(lines: Iterable[str | Text]) -> None:
    """Lines of a result: no markup, no wrapping, and nothing that commands a terminal or a CI runner, whatever name of
    a file or a model stands in one."""
    for line in lines:
        if isinstance(line, str):
            sys.stdout.write(harmless_to_ci("\n".join(map(visible, line.split("\n")))) + "\n")
        else:
            output().print(line, soft_wrap=True)


def say_json(data: object) -> None:
    """A result for machines. What a CI runner would take for a command is spelled otherwise, and means the same."""
    sys.stdout.write(no_command(json.dumps(data, indent=1, allow_nan=False), r"\u005b") + "\n")


def tell(found: Sequence[Diagnostic], form: str = "text") -> None:
    """Print diagnostics. A format for machines says that there are none, too."""
    from circuitlang.report import diagnostics

    if form == "text":
        if found:
            sys.stderr.write(diagnostics.text(found, in_colour(errors())))
        return
    from circuitlang.report.junit import junit_of_diagnostics
    from circuitlang.report.sarif import sarif_text

    printers = {
        "concise": diagnostics.concise,
        "json": diagnostics.json_text,
        "github": diagnostics.github,
        "sarif": sarif_text,
        "junit": junit_of_diagnostics,
    }
    sys.stdout.write(printers[form](found))


def say_checked(programs: Sequence[Program]) -> None:
    """That no mistake was found, and in how much."""
    count = sum(len(program.source.text.splitlines()) for program in programs)
    plural = "s" * (len(programs) != 1)
    say([f"{len(programs)} file{plural}, {count} lines: no mistakes found."])


# A reader that went away is quiet: what is written goes nowhere from then on, and the exit status is the verdict's. A
# device that cannot take what is written is an error of its own (`Unwritable`): commands take an OSError for one of the
# files that they read.


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
