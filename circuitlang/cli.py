"""Typer: options in, one pipeline call, exit status out; no logic.

Exit status: 0 every claim holds, 1 a claim fails or is void, 2 the program or the command is wrong, 3 nothing fails but
something is undecided or not measured, 70 a bug of ours.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import unified_diff
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from circuitlang import __version__, authoring, pipeline, training
from circuitlang.prompts.prompt import Split
from circuitlang.report.escape import visible
from circuitlang.report.github import github
from circuitlang.report.junit import junit
from circuitlang.report.listing import card_lines, prompt_lines, prompts_data
from circuitlang.report.terminal import terminal
from circuitlang.source import CommandError, ProgramError
from circuitlang.storage import write_whole

WRONG, BUG = 2, 70

app = typer.Typer(
    name="circuitlang",
    help="Write down what a circuit is claimed to do; find out whether it is true.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
errors = Console(stderr=True, highlight=False, soft_wrap=True)
output = Console(highlight=False)


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


class ReportFormat(StrEnum):
    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    JUNIT = "junit"


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Stage(StrEnum):
    TREE = "tree"
    PROGRAM = "program"
    PROMPTS = "prompts"
    GRAPH = "graph"
    NAMES = "names"


class SplitName(StrEnum):
    TRAIN = "train"
    SELECT = "select"
    TEST = "test"


SPLITS: dict[SplitName, Split] = {
    SplitName.TRAIN: "train",
    SplitName.SELECT: "select",
    SplitName.TEST: "test",
}

Specs = Annotated[list[Path], typer.Argument(help="Spec files (.cir); with --no-run also tasks and folders.")]
DeviceOption = Annotated[
    Device, typer.Option(help="Where the model runs; auto takes a GPU where there is one.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the prompts.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ignore the cache of earlier results.")]
Name = Annotated[
    str | None, typer.Argument(help="Which block of the file; may be left out where there is one.")
]


def main() -> None:
    """The command. A user's mistake ends in a message and status 2, a bug of ours in a traceback and status 70."""
    try:
        app()
    except ProgramError as error:
        errors.print(str(error), markup=False)
        count = sum(d.severity == "error" for d in error.diagnostics)
        errors.print(f"\n{count} mistake{'s' if count != 1 else ''} found.", markup=False)
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


def say(lines: Iterable[str]) -> None:
    """Lines of a result, as they are: no markup, no wrapping."""
    for line in lines:
        output.print(line, markup=False, soft_wrap=True)


@contextmanager
def watched() -> Iterator[pipeline.Told]:
    """A progress bar where somebody watches, silence where not."""
    if not errors.is_terminal:
        yield pipeline.quiet
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        bar = progress.add_task("starting", total=1.0)

        def told(stage: str, share: float) -> None:
            progress.update(bar, description=escape(stage), completed=share)

        yield told


@app.command()
def check(
    specs: Specs,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Only what can be found without computing.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report's files; default runs/SPECNAME.")
    ] = None,
    format: Annotated[ReportFormat, typer.Option(help="What is printed.")] = ReportFormat.TEXT,
    device: DeviceOption = Device.AUTO,
    seed: SeedOption = 0,
    fresh: Fresh = False,
) -> None:
    """Judge the claims of specs: prompts, pruning, claims, diagram, report.

    Example: `circuitlang check specs/bracket_depth.cir`
    """
    programs, warnings = authoring.check_text(specs)
    for warning in warnings:
        errors.print(warning.render() + "\n", markup=False)
    if no_run:
        count = sum(len(p.source.text.splitlines()) for p in programs)
        output.print(f"{len(programs)} files, {count} lines: no mistakes found.", markup=False)
        return
    found = [(spec, program) for program in programs for spec in program.specs.values()]
    if not found:
        raise CommandError("there is no spec in these files; `check --no-run` checks tasks and corpora")
    if out is not None and len(found) > 1:
        raise CommandError(f"--out takes the files of one spec, and there are {len(found)}")
    with watched() as told:
        options = pipeline.Options(device.value, seed, fresh, command=tuple(sys.argv[1:]), told=told)
        reports = [
            pipeline.check_and_write(spec, program, out or Path("runs") / spec.name, options)
            for spec, program in found
        ]
    for (report, notes), (_spec, program) in zip(reports, found, strict=True):
        if format is ReportFormat.TEXT:
            sys.stdout.write(terminal(report, width=min(output.width, 100), colour=output.is_terminal))
            say(notes)
        elif format is ReportFormat.JSON:
            sys.stdout.write(report.to_json())
        else:
            write = github if format is ReportFormat.GITHUB else junit
            sys.stdout.write(write(report, program.source.name))
    raise typer.Exit(max((report.exit_status for report, _ in reports), key=(0, 3, 1).index))


@app.command()
def prune(
    spec: Annotated[Path, typer.Argument(help="A spec file (.cir).")],
    name: Name = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for circuit.json, circuit.dot and circuit.svg.")
    ] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="Keep exactly so many nodes.")] = None,
    device: DeviceOption = Device.AUTO,
    seed: SeedOption = 0,
    fresh: Fresh = False,
) -> None:
    """Find a spec's circuits only, and draw them.

    Example: `circuitlang prune specs/bracket_depth.cir --budget 20`
    """
    with watched() as told:
        options = pipeline.Options(device.value, seed, fresh, budget, command=tuple(sys.argv[1:]), told=told)
        say(pipeline.prune_and_write(spec, name, out, options))


@app.command()
def train(
    file: Annotated[Path, typer.Argument(help="A file with a model block.")],
    model: Name = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the model; default models/NAME.")] = None,
    device: DeviceOption = Device.AUTO,
) -> None:
    """Train a model block; continues by itself where an earlier run stopped.

    Example: `circuitlang train specs/models.cir python_small`
    """
    with watched() as told:
        done = training.train(file, model, out, device.value, told)
    say(card_lines(done.card))


@app.command()
def preview(
    task: Annotated[Path, typer.Argument(help="A file with tasks.")],
    name: Name = None,
    number: Annotated[int, typer.Option("-n", min=1, max=100_000, help="How many datapoints.")] = 5,
    split: Annotated[SplitName, typer.Option(help="Which split.")] = SplitName.TRAIN,
    where: Annotated[list[str] | None, typer.Option(help="Pin a param: length=64 or length=8..64.")] = None,
    seed: SeedOption = 0,
    format: Annotated[Format, typer.Option(help="What is printed.")] = Format.TEXT,
) -> None:
    """Show a task's prompts, answers, foils and marks.

    Example: `circuitlang preview tasks/python.task bracket_counting -n 3`
    """
    pins = dict(map(_pin, where or []))
    found, datapoints = authoring.preview(task, name, SPLITS[split], number, pins, seed)
    if format is Format.JSON:
        sys.stdout.write(json.dumps(prompts_data(datapoints), indent=1) + "\n")
    else:
        say(prompt_lines(found, datapoints))


def _pin(text: str) -> tuple[str, tuple[int, int]]:
    name, equals, value = text.partition("=")
    low, _, high = value.partition("..")
    try:
        pair = int(low), int(high or low)
    except ValueError:
        pair = (1, 0)
    if not (name and equals) or pair[0] > pair[1]:
        raise CommandError(
            f"--where {text}: write a param and a number or range, as length=64 or length=8..64"
        )
    return name, pair


@app.command()
def fmt(
    files: Annotated[list[Path], typer.Argument(help="Files, or folders to search.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; status 1 if a file would change.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; show what would change.")] = False,
) -> None:
    """Put files into canonical form, comments kept.

    Example: `circuitlang fmt tasks specs`
    """
    texts = [(path, *authoring.format_text(path)) for path in authoring.programs(files)]
    changed = [(path, old, new) for path, old, new in texts if old != new]
    for path, old, new in changed:
        if diff:
            lines = unified_diff(old.splitlines(), new.splitlines(), str(path), str(path), lineterm="")
            output.print("\n".join(lines), markup=False)
        elif not check:
            write_whole(path, new)
        output.print(f"{'would change' if check or diff else 'changed'}: {path}", markup=False)
    output.print(f"{len(texts)} files, {len(changed)} of them not in canonical form", markup=False)
    raise typer.Exit(1 if changed and check else 0)


@app.command()
def show(
    stage: Annotated[Stage, typer.Argument(help="Which stage's value.")],
    file: Annotated[Path, typer.Argument(help="A program's file; for `names` a spec's.")],
    name: Name = None,
    seed: SeedOption = 0,
) -> None:
    """Show what any stage makes of a file.

    Example: `circuitlang show tree tasks/python.task`
    """
    say(pipeline.show(stage.value, file, name, seed))


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="zoo:NAME or a folder; without it, the list.")] = None,
    format: Annotated[Format, typer.Option(help="What is printed.")] = Format.TEXT,
) -> None:
    """List the models that ship, or show one model's card.

    Example: `circuitlang models zoo:python-small`
    """
    if name is None:
        say(training.list_models())
        return
    card = training.show_model(name)
    if format is Format.JSON:
        sys.stdout.write(json.dumps(card, indent=1, ensure_ascii=False) + "\n")
        return
    say(card_lines(card))


@app.command()
def explain(code: Annotated[str, typer.Argument(help="A diagnostic's code, as CIR-030.")]) -> None:
    """Say what a diagnostic means, offline.

    Example: `circuitlang explain CIR-030`
    """
    say(authoring.explain(code))


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


if __name__ == "__main__":
    main()
