"""What all commands share: the app, its options, the two consoles, and the bar for whoever watches."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from math import inf
from time import monotonic, strftime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from circuitlang import __version__
from circuitlang.interfaces.cli.console import WRONG, errors, say, tell
from circuitlang.source.diagnostic import ProgramError

if TYPE_CHECKING:
    from circuitlang.source.progress import Told


_PANELS = {
    "Write": ("new", "preview", "fmt", "explain", "lsp"),
    "Check": ("check", "plan", "prune", "draft"),
    "Look": ("view", "diff", "drift", "show", "export", "predict"),
    "Models": ("models", "train", "frontier"),
    "CI": ("status",),
}
"""What the commands are for, in the order of use."""


class _InOrder(TyperGroup):
    """`--help` lists the commands by what they are for."""

    def list_commands(self, ctx: Any) -> list[str]:
        for panel, names in _PANELS.items():
            for name in names:
                self.commands[name].rich_help_panel = panel  # pyright: ignore[reportAttributeAccessIssue]
        listed = [name for names in _PANELS.values() for name in names]
        return [*listed, *(name for name in self.commands if name not in listed)]


app = typer.Typer(
    name="circuitlang",
    cls=_InOrder,
    help="Write down what a circuit is claimed to do; find out whether it is true.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


LINE_SECONDS = 30.0
"""Time between two lines of progress in a log."""

DeviceOption = Annotated[
    Device, typer.Option(help="Where the model runs; auto takes a GPU where there is one.")
]
MistakesOption = Annotated[
    MistakeFormat, typer.Option("--format", help="How mistakes in the program are printed.")
]
Native = Annotated[
    bool,
    typer.Option(
        "--native",  # read in `main`, before torch is loaded
        help="Compute with all that this processor has: last digits differ from other machines'.",
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the prompts.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="How many searches run at a time; default: as many as there are cores."),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        envvar="DASK_SCHEDULER_ADDRESS",
        metavar="ADDRESS",
        help="Dask's scheduler, whose workers search in place of processes here.",
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ignore the cache of earlier results.")]
Name = Annotated[
    str | None, typer.Argument(help="Which block of the file; may be left out where there is one.")
]


@contextmanager
def mistakes_as(form: str) -> Iterator[None]:
    """Mistakes in a program are printed in this format, and end the command."""
    try:
        yield
    except ProgramError as error:
        tell(error.diagnostics, form)
        raise typer.Exit(WRONG) from None


@contextmanager
def watched(lines: bool = False, kept: str = "") -> Iterator[Told]:
    """A progress bar where somebody watches; where not, a line per stage, or for what takes hours `lines` from time to
    time. Silence in all but one of the processes of torchrun. `kept`: what stays of it where a signal stops it."""
    from circuitlang.model.training.processes import speaks
    from circuitlang.source.progress import quiet

    try:
        if not speaks():
            yield quiet
        elif not errors().is_terminal:
            yield _line_by_line() if lines else _stage_by_stage()
        else:
            from circuitlang.interfaces.progress import bar

            with bar() as told:
                yield told
    except BaseException as error:
        if kept and not isinstance(error, Exception):  # a signal
            error.add_note(kept)
        raise


def kept_in_cache(fresh: bool) -> str:
    """What stays of a search or a check that a signal stops."""
    from circuitlang.storage.cache import default_folder

    folder = None if fresh else default_folder()
    if folder is None:
        return "nothing is kept, as there is no cache"
    return f"circuits and measurements that were finished are in {folder}, and the same command goes on from there"


def _stage_by_stage() -> Told:
    """Progress for a log: a line for the first thing told of each stage, by its first word."""
    seen: set[str] = set()

    def told(stage: str, share: float) -> None:
        name = re.split(r"[ :,]", stage, maxsplit=1)[0]
        if name not in seen:
            seen.add(name)
            sys.stderr.write(f"{strftime('%H:%M:%S')}  {name}\n")
            sys.stderr.flush()

    return told


def _line_by_line() -> Told:
    """Progress for a log: the first thing told, then one every LINE_SECONDS."""
    last, began, before = -inf, monotonic(), None

    def told(stage: str, share: float) -> None:
        nonlocal last, before
        before = share if before is None else before  # what was done when it was cut off
        if monotonic() - last >= LINE_SECONDS:
            last = monotonic()
            rest = (last - began) * (1 - share) / (share - before) if share > before else None
            left = "" if rest is None else f"  {rest / 60:.0f} min left"
            sys.stderr.write(f"{strftime('%H:%M:%S')}  {share:4.0%}{left}  {stage}\n")
            sys.stderr.flush()

    return told


def _version(asked: bool) -> None:
    if asked:
        say([f"circuitlang {__version__}"])
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...
