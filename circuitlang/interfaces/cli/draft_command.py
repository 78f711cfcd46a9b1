"""The command that writes a first spec: draft."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from circuitlang.interfaces.cli.app import (
    Device,
    DeviceOption,
    Fresh,
    MistakeFormat,
    MistakesOption,
    Name,
    Native,
    app,
    mistakes_as,
    watched,
)
from circuitlang.interfaces.cli.console import say, tell


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

    with watched() as told, mistakes_as(format):
        done = drafted(
            task, name, model, out, loss, seed, force, Options(device.value, fresh=fresh, told=told)
        )
    tell(done.warnings, format)
    say(done.notes)
