"""The two consoles, and what is said of checked files. Plain lines do without rich, which takes long to load."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from circuitlang.language.program.program import Program
from circuitlang.report.escape import harmless_to_ci, no_command
from circuitlang.source.diagnostic import Diagnostic
from circuitlang.source.visible import visible

if TYPE_CHECKING:
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
