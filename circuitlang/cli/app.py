"""What all commands share: the app, its options, the two consoles, and the bar for whoever watches."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from circuitlang import __version__, authoring, pipeline
from circuitlang.report import diagnostics
from circuitlang.source import Diagnostic, ProgramError

app = typer.Typer(
    name="circuitlang",
    help="Write down what a circuit is claimed to do; find out whether it is true.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
WRONG = 2  # the exit status where the program or the command is wrong
errors = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
output = Console(highlight=False, emoji=False)


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


class MistakeFormat(StrEnum):
    """How mistakes and warnings are printed: text on standard error, all others on standard output."""

    TEXT = "text"
    CONCISE = "concise"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


DeviceOption = Annotated[
    Device, typer.Option(help="Where the model runs; auto takes a GPU where there is one.")
]
MistakesOption = Annotated[
    MistakeFormat, typer.Option("--format", help="How mistakes in the program are printed.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the prompts.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ignore the cache of earlier results.")]
Name = Annotated[
    str | None, typer.Argument(help="Which block of the file; may be left out where there is one.")
]


def say(lines: Iterable[str | Text]) -> None:
    """Lines of a result, as they are: no markup, no wrapping."""
    for line in lines:
        output.print(line, markup=False, soft_wrap=True)


def tell(found: Sequence[Diagnostic], form: str = "text") -> None:
    """Print diagnostics. A format for machines says that there are none, too."""
    if form == "text":
        colour = errors.is_terminal and not errors.no_color and not errors.is_dumb_terminal
        sys.stderr.write(diagnostics.text(found, colour))
    else:
        sys.stdout.write(_PRINTERS[form](found))


_PRINTERS = {
    "concise": diagnostics.concise,
    "json": diagnostics.json_text,
    "github": diagnostics.github,
    "sarif": authoring.sarif_text,
    "junit": authoring.junit_text,
}


@contextmanager
def mistakes_as(form: str) -> Iterator[None]:
    """Mistakes in a program are printed in this format, and end the command."""
    try:
        yield
    except ProgramError as error:
        tell(error.diagnostics, form)
        raise typer.Exit(WRONG) from None


@contextmanager
def watched() -> Iterator[pipeline.Told]:
    """A progress bar where somebody watches, silence where not."""
    if not errors.is_terminal:
        yield pipeline.quiet
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        bar = progress.add_task("starting", total=1.0)

        def told(stage: str, share: float) -> None:
            progress.update(bar, description=escape(stage), completed=share)

        yield told


def _version(asked: bool) -> None:
    if asked:
        output.print(f"circuitlang {__version__}", markup=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...
