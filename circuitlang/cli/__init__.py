"""Typer: options in, one pipeline call, exit status out; no logic.

Exit status: 0 every claim holds, 1 a claim fails or is void, 2 the program or the command is wrong, 3 nothing fails but
something is undecided or not measured, 70 a bug of ours.
"""

from __future__ import annotations

import sys
import traceback

from circuitlang import __version__
from circuitlang.cli import edit, run, write
from circuitlang.cli.app import WRONG, app, errors, tell
from circuitlang.report.escape import visible
from circuitlang.source import CommandError, ProgramError

BUG = 70
COMMANDS = (edit, run, write)  # importing them adds their commands to the app


def main() -> None:
    """The command. A user's mistake ends in a message and status 2, a bug of ours in a traceback and status 70."""
    try:
        app()
    except ProgramError as error:
        tell(error.diagnostics)
        sys.exit(WRONG)
    except CommandError as error:
        errors.print(f"error: {visible(str(error))}", markup=False)
        sys.exit(WRONG)
    except KeyboardInterrupt:
        errors.print("\nstopped; what was finished is kept", markup=False)
        sys.exit(WRONG)
    except BrokenPipeError:
        sys.exit(WRONG)
    except Exception:  # the last resort: an uncaught exception would exit 1, like a claim that fails
        traceback.print_exc()
        errors.print(f"\nThis is a bug in circuitlang {__version__}; please report it.", markup=False)
        sys.exit(BUG)
