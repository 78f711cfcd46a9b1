"""The commands that search and train: draft (a first spec) and frontier (a grid of models)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from circuitlang.interfaces.cli.app import (
    Cluster,
    Device,
    DeviceOption,
    Format,
    Fresh,
    MistakeFormat,
    MistakesOption,
    Name,
    Native,
    app,
    kept_in_cache,
    mistakes_as,
    watched,
)
from circuitlang.interfaces.cli.console import say, tell


@app.command()
def frontier(
    file: Annotated[Path, typer.Argument(help="A file with a model block.")],
    model: Name = None,
    width: Annotated[
        list[int] | None, typer.Option(help="Of sparse models, in channels; repeat it. Default the block's.")
    ] = None,
    nonzeros: Annotated[
        list[int] | None,
        typer.Option(help="Of a sparse model's matrices and biases; repeat it. Default as the block has."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="So many times everything.")] = 1,
    most: Annotated[
        int | None, typer.Option(help="The widest dense model. Default the widest sparse model's width.")
    ] = None,
    tasks: Annotated[
        list[Path] | None, typer.Option(help="Files or folders of tasks. Default the project's tasks/.")
    ] = None,
    target: Annotated[float, typer.Option(help="Loss of a circuit, in nats per prompt.")] = 0.15,
    out: Annotated[Path, typer.Option(help="Folder for the models, frontier.json and frontier.svg.")] = Path(
        "runs/frontier"
    ),
    format: Annotated[Format, typer.Option(help="What is printed.")] = Format.TEXT,
    device: DeviceOption = Device.AUTO,
    native: Native = False,
) -> None:
    """Train sparse and dense models, and compare their circuits' sizes at equal pretraining loss; continues by itself
    where an earlier run stopped.

    Example: `circuitlang frontier specs/models.cir python_tiny --width 64 --width 128 --nonzeros 60000 --seeds 2`
    """
    from circuitlang.report.frontier import frontier_lines
    from circuitlang.studies.frontier.run_grid import frontier as run

    with watched() as told, mistakes_as(MistakeFormat.TEXT):
        found = run(
            file,
            model,
            widths=tuple(dict.fromkeys(width or ())),
            nonzeros=tuple(dict.fromkeys(nonzeros or ())),
            seeds=range(seeds),
            most=most,
            tasks=tasks,
            target=target,
            out=out,
            device=device.value,
            told=told,
        )
    if format is Format.JSON:
        sys.stdout.write(found.to_json())
    else:
        say([*frontier_lines(found), "", f"files in {out}"])


@app.command()
def drift(
    spec: Annotated[Path, typer.Argument(help="A spec file (.cir) with a lock beside it.")],
    name: Name = None,
    models: Annotated[
        str,
        typer.Option(help="The checkpoints' folders, as a pattern; the last number in a name is the step."),
    ] = "models/step*",
    out: Annotated[
        Path | None, typer.Option(help="The picture's file; default runs/SPECNAME.steps.svg.")
    ] = None,
    device: DeviceOption = Device.AUTO,
    native: Native = False,
    format: MistakesOption = MistakeFormat.TEXT,
) -> None:
    """Judge a spec's locked circuit in every checkpoint of a training: each claim over steps, and a picture.

    Example: `circuitlang drift specs/bracket_depth.cir --models 'runs/step*'`
    """
    from circuitlang.checking.job import Options
    from circuitlang.studies.drift import drift_over_steps

    with watched(lines=True) as told, mistakes_as(format):
        say(drift_over_steps(spec, name, models, out, Options(device.value, told=told))[1])


@app.command()
def draft(
    task: Annotated[Path, typer.Argument(help="A file with tasks.")],
    name: Name = None,
    model: Annotated[
        str, typer.Option(help="zoo:NAME, or a model's folder in the project.")
    ] = "zoo:python-small",
    out: Annotated[
        Path | None, typer.Option(help="The draft's file; default specs/NAME_draft.cir of the project.")
    ] = None,
    loss: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="The search's target, nats per prompt; default 0.15, or 0.1 above the model's own loss.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
    cluster: Cluster = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
    device: DeviceOption = Device.AUTO,
    native: Native = False,
    fresh: Fresh = False,
    format: MistakesOption = MistakeFormat.TEXT,
) -> None:
    """Write a first spec for a task: prune, look at what the nodes do, guess roles, claim what was measured.

    Example: `circuitlang draft tasks/bracket_counting.task`
    """
    from circuitlang.checking.job import Options
    from circuitlang.studies.draft.draft import draft as drafted

    with watched(kept=kept_in_cache(fresh)) as told, mistakes_as(format):
        options = Options(device.value, fresh=fresh, cluster=cluster or None, told=told)
        done = drafted(task, name, model, out, loss, seed, force, options)
    tell(done.warnings, format)
    say(done.notes)
