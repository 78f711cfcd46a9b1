"""The commands that run a model: check, prune, train."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circuitlang.cli.app import (
    Device,
    DeviceOption,
    Format,
    Fresh,
    Jobs,
    MistakeFormat,
    MistakesOption,
    Name,
    Native,
    SeedOption,
    app,
    mistakes_as,
    watched,
)
from circuitlang.cli.console import WRONG, in_colour, output, say, say_checked, say_json, tell
from circuitlang.source import CommandError, Diagnostic, Source
from circuitlang.visible import visible

if TYPE_CHECKING:
    from circuitlang.report.report import Report


class Precision(StrEnum):
    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class ReportFormat(StrEnum):
    TEXT = "text"
    CONCISE = "concise"
    JSON = "json"
    GITHUB = "github"
    JUNIT = "junit"
    SARIF = "sarif"


Specs = Annotated[list[Path], typer.Argument(help="Spec files (.cir); with --no-run also tasks and folders.")]


@app.command()
def check(
    specs: Specs,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Only what can be found without computing.")
    ] = False,
    cues: Annotated[
        bool,
        typer.Option("--cues", help="With --no-run: also warn of shortcuts in tasks, as a run always does."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report's files; default runs/SPECNAME.")
    ] = None,
    format: Annotated[ReportFormat, typer.Option(help="What is printed.")] = ReportFormat.TEXT,
    device: DeviceOption = Device.AUTO,
    native: Native = False,
    seed: SeedOption = 0,
    fresh: Fresh = False,
    jobs: Jobs = None,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls/--no-controls",
            help="Whether nulls go through the same; without, no claim can be void.",
        ),
    ] = True,
    battery: Annotated[
        bool,
        typer.Option(
            "--battery/--no-battery",
            help="Whether circuits also go through the battery of ten checks, some of which count in the verdict.",
        ),
    ] = True,
    update_lock: Annotated[
        bool, typer.Option("--update-lock", help="Write what was found into the lock beside the file.")
    ] = False,
    frozen: Annotated[
        bool,
        typer.Option(
            "--frozen", help="Judge the circuit in the lock, without a search; refuse where inputs differ."
        ),
    ] = False,
    circuit: Annotated[
        Path | None,
        typer.Option(help="Judge this circuit, of a circuit.json or a report, without searching for one."),
    ] = None,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline",
            help="With --frozen: exit 0 where nothing is worse than in the lock, also where a claim fails.",
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="With --baseline: exit 1 also where something is better.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(help="Judge the specs of this model: zoo:NAME, a folder, or the name of a model block."),
    ] = None,
) -> None:
    """Judge the claims of specs: prompts, pruning, claims, diagram, report.

    Example: `circuitlang check specs/bracket_depth.cir`
    """
    if update_lock and (frozen or model is not None or no_run):
        other = "--frozen" if frozen else "--no-run" if no_run else "--model"
        raise CommandError(
            f"--update-lock takes what a whole check of the spec finds; it cannot go with {other}"
        )
    if frozen and no_run:
        raise CommandError(
            "--frozen runs the model; `circuitlang status` says without running what is out of date"
        )
    if circuit is not None and (frozen or no_run or update_lock):
        raise CommandError("--circuit is judged in place of one that is found or locked; it goes by itself")
    if (baseline and not frozen) or (strict and not baseline):
        raise CommandError("--baseline goes with --frozen, and --strict with --baseline")
    from circuitlang.authoring import check_text

    with mistakes_as(format):
        programs, warnings = check_text(
            specs, measure=not no_run, cues=cues or not (no_run or frozen), model=model
        )
    if no_run:
        tell(warnings, format)
        if format is ReportFormat.TEXT:
            say_checked(programs)
        return
    from circuitlang import pipeline
    from circuitlang.circuit.parallel import cores
    from circuitlang.locks import UnusableLock

    found = [(spec, program) for program in programs for spec in program.specs.values()]
    if not found:
        raise CommandError("there is no spec in these files; `check --no-run` checks tasks and corpora")
    if out is not None and len(found) > 1:
        raise CommandError(f"--out takes the files of one spec, and there are {len(found)}")
    if circuit is not None and len(found) > 1:
        raise CommandError(f"--circuit is of one spec, and there are {len(found)}")
    from circuitlang.api.export import read_circuit

    given = None if circuit is None else read_circuit(circuit).plain
    folders = [_folder(spec.name, out, frozen, model, given is not None) for spec, _ in found]
    twice = next((folder for folder in folders if folders.count(folder) > 1), None)
    if twice is not None:
        raise CommandError(
            f"two of these specs have one name, and would both write {twice}; check one at a time"
        )
    if update_lock:
        pipeline.require_lock_writable(programs)  # before minutes are spent
    if format is not ReportFormat.SARIF:  # which has them in its one document
        tell(warnings, format if format in _LISTS else "text")
    with watched() as told, mistakes_as(format):
        options = pipeline.Options(
            device.value,
            seed,
            fresh,
            battery=battery,
            controls=controls,
            command=tuple(sys.argv[1:]),
            jobs=jobs or cores(),
            model=model,
            circuit=given,
            told=told,
        )
        lock = "freeze" if frozen else "renew" if update_lock else "look"
        reports: list[tuple[Report, list[str]]] = []
        sources: list[Source] = []
        unlocked: list[Diagnostic] = []
        for (spec, program), folder in zip(found, folders, strict=True):
            try:
                reports.append(pipeline.check_and_write(spec, program, folder, options, lock))
                sources.append(program.source)
            except UnusableLock as error:  # the others are judged
                unlocked.append(Diagnostic("CIR-215", str(error), spec.span.head))
    lines: list[str] = []
    if update_lock:  # before anything is printed, which may not go
        rows = [(spec, program, report) for (spec, program), (report, _) in zip(found, reports, strict=True)]
        lines = pipeline.update_locks(rows)
    judged = [(report, source) for (report, _), source in zip(reports, sources, strict=True)]
    if format is ReportFormat.SARIF:
        from circuitlang.authoring import sarif_text

        sys.stdout.write(sarif_text([*warnings, *unlocked], judged))
    else:
        for (report, source), (_, notes) in zip(judged, reports, strict=True):
            _print(report, source, notes, format)
        if unlocked:
            tell(unlocked, format if format in _LISTS else "text")
    if format is ReportFormat.TEXT:
        say(lines)
    statuses = [_against_lock(report, strict) if baseline else report.exit_status for report, _ in reports]
    raise typer.Exit(max([*statuses, *(WRONG for _ in unlocked)], key=(0, 3, WRONG, 1).index))


def _against_lock(report: Report, strict: bool) -> int:
    """The exit status of a frozen check where the lock is what counts, and a line on standard error that says how."""
    from circuitlang.report.compare import against_lock

    kind = against_lock(report)
    said = {"worse": "worse than", "better": "better than", "same": "as"}[kind]
    sys.stderr.write(f"{visible(report.spec)}: {said} when it was locked\n")
    if kind == "worse":
        return report.exit_status or 1
    return int(strict and kind == "better")


def _folder(name: str, out: Path | None, frozen: bool, model: str | None, given: bool) -> Path:
    """Of a report's files. What was not a whole check of the spec does not take the place of one."""
    asked = "".join(
        part
        for part, said in ((".model", model is not None), (".circuit", given), (".frozen", frozen))
        if said
    )
    return out or Path("runs") / f"{name}{asked}"


_LISTS = (ReportFormat.CONCISE, ReportFormat.GITHUB)  # of lines: warnings stand among them


def _print(report: Report, source: Source, notes: Sequence[str], format: ReportFormat) -> None:
    from circuitlang.report.concise import concise
    from circuitlang.report.diagnostics import path
    from circuitlang.report.github import github
    from circuitlang.report.junit import junit
    from circuitlang.report.terminal import terminal

    if format is ReportFormat.TEXT:
        sys.stdout.write(terminal(report, width=min(output().width, 100), colour=in_colour()))
        say(notes)
    elif format is ReportFormat.JSON:
        sys.stdout.write(report.to_json())
    else:
        write = {ReportFormat.GITHUB: github, ReportFormat.JUNIT: junit, ReportFormat.CONCISE: concise}[
            format
        ]
        sys.stdout.write(write(report, path(source)))


@app.command()
def plan(
    spec: Annotated[Path, typer.Argument(help="A spec file (.cir).")],
    name: Name = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Load the model: minutes, and the spread of its losses.")
    ] = False,
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Whether the check runs the controls.")
    ] = True,
    device: DeviceOption = Device.AUTO,
    native: Native = False,
    format: Annotated[Format, typer.Option(help="What is printed.")] = Format.TEXT,
) -> None:
    """Say what a check will cost and what it can tell, before it runs.

    Example: `circuitlang plan specs/bracket_depth.cir`
    """
    from circuitlang.report.forecast import forecast_data, forecast_lines

    if measure:
        from circuitlang import pipeline

        found = pipeline.plan(spec, name, pipeline.Options(device.value, controls=controls))
    else:
        from circuitlang import authoring

        found = authoring.plan(spec, name, controls)
    if format is Format.JSON:
        say_json([forecast_data(each) for each in found])
    else:
        for number, each in enumerate(found):
            say([*([""] if number else []), *forecast_lines(each)])


@app.command()
def prune(
    spec: Annotated[Path, typer.Argument(help="A spec file (.cir).")],
    name: Name = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for circuit.json, circuit.dot and circuit.svg.")
    ] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="Keep exactly so many nodes.")] = None,
    device: DeviceOption = Device.AUTO,
    native: Native = False,
    seed: SeedOption = 0,
    fresh: Fresh = False,
    jobs: Jobs = None,
    format: MistakesOption = MistakeFormat.TEXT,
) -> None:
    """Find a spec's circuits only, and draw them.

    Example: `circuitlang prune specs/bracket_depth.cir --budget 20`
    """
    from circuitlang import pipeline
    from circuitlang.circuit.parallel import cores

    with watched() as told, mistakes_as(format):
        command = tuple(sys.argv[1:])
        options = pipeline.Options(
            device.value, seed, fresh, budget, command=command, jobs=jobs or cores(), told=told
        )
        say(pipeline.prune_and_write(spec, name, out, options))


@app.command()
def train(
    file: Annotated[Path, typer.Argument(help="A file with a model block.")],
    model: Name = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the model; default models/NAME.")] = None,
    device: DeviceOption = Device.AUTO,
    native: Native = False,
    precision: Annotated[
        Precision, typer.Option(help="Of multiplications; auto: bfloat16 where the device is fast at it.")
    ] = Precision.AUTO,
    rows: Annotated[
        int | None, typer.Option(min=1, help="Rows of a batch in memory at a time; default: all of them.")
    ] = None,
    compile: Annotated[bool, typer.Option("--compile", help="Compile the model with torch.compile.")] = False,
    shard: Annotated[
        bool, typer.Option("--shard", help="Under torchrun: divide the model, too, among the processes.")
    ] = False,
    cost: Annotated[
        bool, typer.Option("--cost", help="Only say what it would cost: memory, disk, time.")
    ] = False,
    format: MistakesOption = MistakeFormat.TEXT,
) -> None:
    """Train a model block; continues by itself where an earlier run stopped.

    On several GPUs or processes: `torchrun --nproc-per-node 2 -m circuitlang train FILE MODEL`

    Example: `circuitlang train specs/models.cir python_small`
    """
    from circuitlang import training
    from circuitlang.model.machine import Machine
    from circuitlang.model.processes import speaks
    from circuitlang.report.listing import card_lines

    machine = Machine(precision.value, rows, compile, shard)
    with watched(lines=True) as told, mistakes_as(format):
        if cost:
            training.cost(file, model, device.value, machine, say)
            return
        try:
            done = training.train(file, model, out, device.value, told, machine, say)
        except KeyboardInterrupt:  # Ctrl-C, or SIGTERM between two steps
            sys.stderr.write("stopped; the same command goes on where it was\n")
            raise typer.Exit(WRONG) from None
    if speaks():
        say(card_lines(done.card))
