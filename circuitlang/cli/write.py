"""The commands of whoever writes tasks and specs; none of them needs torch, but for `show graph`."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circuitlang.cli.app import Format, Name, SeedOption, app
from circuitlang.cli.console import say
from circuitlang.source import CommandError

if TYPE_CHECKING:
    from circuitlang.prompts.prompt import Split


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
    from circuitlang import authoring
    from circuitlang.report.listing import prompt_lines, prompts_data

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
    from difflib import unified_diff

    from circuitlang import authoring
    from circuitlang.storage import write_whole

    texts = [(path, *authoring.format_text(path)) for path in authoring.programs(files)]
    changed = [(path, old, new) for path, old, new in texts if old != new]
    for path, old, new in changed:
        if diff:
            lines = unified_diff(old.splitlines(), new.splitlines(), str(path), str(path), lineterm="")
            say(["\n".join(lines)])
        elif not check:
            write_whole(path, new)
        say([f"{'would change' if check or diff else 'changed'}: {path}"])
    say([f"{len(texts)} files, {len(changed)} of them not in canonical form"])
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
    from circuitlang import pipeline

    say(pipeline.show(stage.value, file, name, seed))


@app.command()
def explain(code: Annotated[str, typer.Argument(help="A diagnostic's code, as CIR-030.")]) -> None:
    """Say what a diagnostic means, offline.

    Example: `circuitlang explain CIR-030`
    """
    from circuitlang import authoring

    say(authoring.explain(code))
