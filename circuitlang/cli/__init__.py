"""Typer: options in, one pipeline call, exit status out; no logic.

Exit status: 0 every claim holds, 1 a claim fails or is void, 2 the program or the command is wrong, 3 nothing fails but
something is undecided or not measured, 70 a bug of ours.
"""

from __future__ import annotations

import sys

from circuitlang import __version__
from circuitlang.cli.console import WRONG, tell
from circuitlang.source import CommandError, ProgramError

BUG = 70


def main() -> None:
    """The command. A user's mistake ends in a message and status 2, a bug of ours in a traceback and status 70."""
    try:
        # importing them adds their commands to the app
        from circuitlang.cli import draft, edit, export, frontier, hold, models, run, view, write  # noqa: F401
        from circuitlang.cli.app import app

        app()
    except ProgramError as error:
        tell(error.diagnostics)
        sys.exit(WRONG)
    except CommandError as error:
        from circuitlang.report.escape import visible

        sys.stderr.write(f"error: {visible(str(error))}\n")
        sys.exit(WRONG)
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; what was finished is kept\n")
        sys.exit(WRONG)
    except BrokenPipeError:
        sys.exit(WRONG)
    except Exception:  # the last resort: an uncaught exception would exit 1, like a claim that fails
        import traceback

        traceback.print_exc()
        sys.stderr.write(f"\nThis is a bug in circuitlang {__version__}; please report it.\n")
        sys.exit(BUG)
