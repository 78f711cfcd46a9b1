"""Typer: options in, one pipeline call, exit status out; no logic.

Exit status: 0 every claim holds, 1 a claim fails or is void, 2 the program or the command is wrong, 3 nothing fails but
something is undecided or not measured, 70 a bug of ours, 74 standard output could not be written, 128 and a signal's
number where one stopped it.
"""

# pyright: reportUnusedImport=false
# importing the modules of commands adds these to the app

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import suppress
from types import FrameType

from circuitlang import __version__
from circuitlang.interfaces.cli.console import WRONG, Unwritable, flush, settle, tell
from circuitlang.model.hardware import pin
from circuitlang.source.diagnostic import CommandError, ProgramError

BUG, UNWRITABLE = 70, 74
_NO_MEMORY = ("allocate memory", "failed to map segment", "start new thread", "not enough memory")
"""What libraries say where memory is too little, beside MemoryError."""


_OF_THE_SYSTEM = (
    errno.ENAMETOOLONG,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EMFILE,
    errno.EIO,
)
"""What no program can help: such a file, wherever it is met, is told and is no bug."""


class _Stopped(BaseException):
    """By a signal, whose number it has. Nothing takes it for an error, and every `finally` is run."""


def main() -> None:
    """The command. A user's mistake ends in a message and status 2, a bug of ours in a traceback and status 70."""
    settle()
    try:
        status = _run()
        flush()
    except Unwritable as error:
        _say(f"error: standard output cannot be written: {error}")
        status = UNWRITABLE
    sys.exit(status)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise _Stopped(number)


def _run() -> int:
    try:
        return _command()
    except ProgramError as error:
        tell(error.diagnostics)
        return WRONG
    except CommandError as error:
        from circuitlang.report.escape import visible

        _say(f"error: {visible(str(error))}")
        return WRONG
    except _Stopped as stopped:
        _say("\n" + "; ".join(["stopped", *getattr(stopped, "__notes__", ["what was finished is kept"])]))
        return 128 + int(stopped.args[0])
    except Unwritable:
        raise
    except Exception as error:  # the last resort: an uncaught exception would exit 1, like a claim that fails
        if isinstance(error, MemoryError) or any(part in str(error) for part in _NO_MEMORY):
            _say("error: there is too little memory")
            return WRONG
        if isinstance(error, OSError) and error.errno in _OF_THE_SYSTEM and error.filename is not None:
            from circuitlang.report.escape import visible

            _say(f"error: {visible(str(error.filename))[:200]}: {error.strerror}")
            return WRONG
        import traceback

        traceback.print_exc()
        _say(f"\nThis is a bug in circuitlang {__version__}; please report it.")
        return BUG


def _command() -> int:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        # one that is ignored, as nohup asks, stays so
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
            signal.signal(getattr(signal, name), _stop)
    try:
        os.getcwd()
    except FileNotFoundError:
        raise CommandError("the folder in which this runs does not exist any more") from None
    if "--native" not in sys.argv[1:]:
        pin()  # torch is loaded by what follows
    from circuitlang.interfaces.cli import (  # noqa: F401
        author_commands,
        compute_commands,
        models,
        result_commands,
        study_commands,
    )
    from circuitlang.interfaces.cli.app import app

    try:
        app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else WRONG if end.code else 0
    return 0


def _say(line: str) -> None:
    """On standard error, as far as that goes."""
    with suppress(Unwritable):
        sys.stderr.write(line + "\n")
