"""The commands that run a model: check, prune, train, models."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from circuitlang.cli.app import (
    Device,
    DeviceOption,
    Format,
    Fresh,
    Name,
    SeedOption,
    app,
    watched,
)
from circuitlang.cli.console import output, say, say_checked, warn
from circuitlang.source import CommandError


class ReportFormat(StrEnum):
    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    JUNIT = "junit"


Specs = Annotated[list[Path], typer.Argument(help="Spec files (.cir); with --no-run also tasks and folders.")]


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
    from circuitlang.authoring import check_text

    programs, warnings = check_text(specs, measure=not no_run)
    warn(warnings)
    if no_run:
        say_checked(programs)
        return
    from circuitlang import pipeline
    from circuitlang.report.github import github
    from circuitlang.report.junit import junit
    from circuitlang.report.terminal import terminal

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
    from circuitlang import pipeline

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
    from circuitlang import training
    from circuitlang.report.listing import card_lines

    with watched() as told:
        done = training.train(file, model, out, device.value, told)
    say(card_lines(done.card))


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="zoo:NAME or a folder; without it, the list.")] = None,
    format: Annotated[Format, typer.Option(help="What is printed.")] = Format.TEXT,
) -> None:
    """List the models that ship, or show one model's card.

    Example: `circuitlang models zoo:python-small`
    """
    from circuitlang import training
    from circuitlang.report.listing import card_lines

    if name is None:
        say(training.list_models())
        return
    card = training.show_model(name)
    if format is Format.JSON:
        sys.stdout.write(json.dumps(card, indent=1, ensure_ascii=False) + "\n")
        return
    say(card_lines(card))
