"""The commands that run a model: check, prune, train."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circuitlang.interfaces.cli.app import (
    Cluster,
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
    kept_in_cache,
    mistakes_as,
    watched,
)
from circuitlang.interfaces.cli.console import WRONG, in_colour, output, say, say_checked, say_json, tell
from circuitlang.source.diagnostic import CommandError
from circuitlang.source.visible import visible

if TYPE_CHECKING:
    from circuitlang.checking.run import Done
    from circuitlang.report.report import Report
    from circuitlang.source.diagnostic import Diagnostic


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
    cluster: Cluster = None,
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
            help="Whether circuits also go through the battery of checks, some of which count in the verdict.",
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
        list[str] | None,
        typer.Option(
            help="Judge the specs of this model: zoo:NAME, a folder, or the name of a model block; repeat it."
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Do the I-th of N parts of all searches, into the cache; no report is written.",
        ),
    ] = None,
    search: Annotated[
        bool,
        typer.Option(
            "--search/--no-search", help="Whether to search for what is not in the cache, or refuse."
        ),
    ] = True,
) -> None:
    """Judge the claims of specs: prompts, pruning, claims, diagram, report.

    Example: `circuitlang check specs/bracket_depth.cir`
    """
    from circuitlang.checking.job import Options, jobs_of_models, lock_mode
    from circuitlang.checking.many import Shard
    from circuitlang.checking.static import check_text

    models = list(dict.fromkeys(model or [])) or [None]
    lock = lock_mode(update_lock, frozen, no_run, models[0], circuit)
    if (baseline and not frozen) or (strict and not baseline):
        raise CommandError("--baseline goes with --frozen, and --strict with --baseline")
    if (shard is not None or not search) and (fresh or no_run or frozen or update_lock):
        raise CommandError(
            "--shard and --no-search are about searches that the cache keeps; they do not go with --fresh, --no-run, "
            "--frozen or --update-lock"
        )
    if shard is not None and not search:
        raise CommandError("--shard is for the runs that search, --no-search for the last one, which reads")
    part = None if shard is None else Shard.parse(shard)
    with mistakes_as(format):
        texts = [
            check_text(specs, measure=not no_run, cues=cues or not (no_run or frozen), model=each)
            for each in models
        ]
    warnings = list(dict.fromkeys(warning for _, found in texts for warning in found))
    if no_run:
        tell(warnings, format)
        if format is ReportFormat.TEXT:
            say_checked(texts[0][0])
        return
    from circuitlang.checking.run import check_all
    from circuitlang.circuit.parallel import cores
    from circuitlang.interfaces.api.export import read_circuit

    command, searches = tuple(sys.argv[1:]), jobs or cores()
    options = Options(
        device.value,
        seed,
        fresh,
        battery=battery,
        controls=controls,
        command=command,
        jobs=searches,
        circuit=None if circuit is None else read_circuit(circuit).plain,
        cluster=cluster or None,
    )
    asked = jobs_of_models([programs for programs, _ in texts], models, options, lock, out)
    if format is ReportFormat.TEXT and any(path.is_dir() for path in specs):
        names = ", ".join(visible(job.spec.name) for job in asked)
        sys.stderr.write(f"{len(asked)} spec{'s' * (len(asked) != 1)}: {names}\n")
    if format is not ReportFormat.SARIF:  # which has them in its one document
        tell(warnings, format if format in _LISTS else "text")
    with watched(kept=kept_in_cache(fresh), lines=len(asked) > 1) as told, mistakes_as(format):
        done, unlocked, lines = check_all(asked, told, part, search)
    _print(done, warnings, unlocked, format)
    if format is ReportFormat.TEXT:
        say(lines)
    statuses = [_against_lock(each.report, strict) if baseline else each.report.exit_status for each in done]
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


_LISTS = (ReportFormat.CONCISE, ReportFormat.GITHUB)  # of lines: warnings stand among them


def _print(
    done: Sequence[Done], warnings: Sequence[Diagnostic], unlocked: Sequence[Diagnostic], format: ReportFormat
) -> None:
    from circuitlang.report.annotations import concise, github
    from circuitlang.report.diagnostics import path
    from circuitlang.report.junit import junit, junit_of_all
    from circuitlang.report.sarif import sarif_text
    from circuitlang.report.terminal import summary_lines, terminal

    judged = [(each.report, each.job.source) for each in done if each.job.source is not None]
    if format is ReportFormat.SARIF:
        sys.stdout.write(sarif_text([*warnings, *unlocked], judged))
        return
    together = format is ReportFormat.JUNIT and len(judged) > 1
    if together:
        sys.stdout.write(junit_of_all((report, path(source)) for report, source in judged))
    write = {ReportFormat.GITHUB: github, ReportFormat.JUNIT: junit, ReportFormat.CONCISE: concise}
    for (report, source), each in () if together else zip(judged, done, strict=True):
        if format is ReportFormat.TEXT:
            sys.stdout.write(terminal(report, min(output().width, 100), in_colour(), each.shown))
            say(each.notes)
        elif format is ReportFormat.JSON:
            sys.stdout.write(report.to_json())
        else:
            sys.stdout.write(write[format](report, path(source)))
    if format is ReportFormat.TEXT and len(done) > 1:
        say(["", *summary_lines([report for report, _ in judged])])
    if unlocked:
        tell(unlocked, format if format in _LISTS else "text")


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
    from circuitlang.checking import plan as plans
    from circuitlang.checking.job import Options
    from circuitlang.checking.plan import forecast_data, forecast_lines

    found = plans.plan(spec, name, Options(device.value, controls=controls), measure)
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
    cluster: Cluster = None,
    format: MistakesOption = MistakeFormat.TEXT,
) -> None:
    """Find a spec's circuits only, and draw them.

    Example: `circuitlang prune specs/bracket_depth.cir --budget 20`
    """
    from circuitlang.checking.job import Options
    from circuitlang.circuit.parallel import cores
    from circuitlang.studies.prune_spec import prune_and_write

    with watched(kept=kept_in_cache(fresh)) as told, mistakes_as(format):
        command = tuple(sys.argv[1:])
        options = Options(device.value, seed, fresh, budget, command=command, jobs=jobs or cores(), told=told)
        options = replace(options, cluster=cluster or None)
        say(prune_and_write(spec, name, out, options))


@app.command()
def train(
    file: Annotated[Path, typer.Argument(help="A file with a model or bridge block.")],
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
    """Train a model block, or a bridge block; continues by itself where an earlier run stopped.

    On several GPUs or processes: `torchrun --nproc-per-node 2 -m circuitlang train FILE MODEL`

    Example: `circuitlang train specs/models.cir python_small`
    """
    from circuitlang.model.training.machine import Machine
    from circuitlang.model.training.processes import speaks
    from circuitlang.report.listing import card_lines
    from circuitlang.studies import bridges, training

    machine = Machine(precision.value, rows, compile, shard)
    with watched(lines=True) as told, mistakes_as(format):
        bridge = bridges.chosen(file, model)
        if cost and bridge is None:
            training.cost(file, model, device.value, machine, say)
            return
        if bridge is not None and (cost or compile or shard):
            raise CommandError(
                "--cost, --compile and --shard are for model blocks; a bridge trains in one process"
            )
        try:
            if bridge is not None:
                card = bridges.train_bridge(file, bridge, out, device.value, told, machine)
                say(bridges.bridge_lines(card))
                return
            done = training.train(file, model, out, device.value, told, machine, say)
        except KeyboardInterrupt:  # Ctrl-C, or SIGTERM between two steps
            sys.stderr.write("stopped; the same command goes on where it was\n")
            raise typer.Exit(WRONG) from None
    if speaks():
        say(card_lines(done.card))
