"""The command that trains a grid of models and compares their circuits' sizes at equal pretraining loss."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from circuitlang.interfaces.cli.app import (
    Device,
    DeviceOption,
    Format,
    MistakeFormat,
    Name,
    Native,
    app,
    mistakes_as,
    watched,
)
from circuitlang.interfaces.cli.console import say


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
