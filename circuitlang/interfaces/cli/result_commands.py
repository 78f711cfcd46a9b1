"""The commands about what was found before: status, diff, view and export."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from circuitlang.interfaces.cli.app import Format, app
from circuitlang.interfaces.cli.console import say, say_json
from circuitlang.source.visible import no_command

DIFFERS = 1  # the exit status where a lock is out of date, or two reports differ


@app.command()
def status(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Spec files and folders; default the current folder.")
    ] = None,
    format: Annotated[Format, typer.Option(help="What is printed.")] = Format.TEXT,
) -> None:
    """Say which locks are out of date, and what differs, without running anything.

    The exit status is 1 where a lock is out of date or cannot be read; a spec without a lock is none of that.

    Example: `circuitlang status specs`
    """
    from circuitlang.checking import status as against
    from circuitlang.report.drift_lines import FINE, lock_status_data, lock_status_lines

    found = against.status(paths or [Path()])
    if format is Format.JSON:
        say_json(lock_status_data(found))
    else:
        say(lock_status_lines(found) if found else ["there is no spec here"])
    if any(each.state not in FINE for each in found):
        raise typer.Exit(DIFFERS)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="A report.json, a lock, or the folder of a run.")],
    new: Annotated[Path, typer.Argument(help="Another one.")],
    format: Annotated[Format, typer.Option(help="What is printed.")] = Format.TEXT,
) -> None:
    """Say what differs between two reports or locks: nodes, edges, roles, claims, controls, battery.

    The exit status is 1 where something differs.

    Example: `circuitlang diff specs/bracket_depth.cir.lock runs/bracket_depth`
    """
    from circuitlang.checking.status import diff as diffs
    from circuitlang.report.diff import diff_data, diff_lines

    found = diffs(old, new)
    if format is Format.JSON:
        say_json(diff_data(found))
    else:
        for each in found:
            say(diff_lines(each))
    if any(each.changes for each in found):
        raise typer.Exit(DIFFERS)


@app.command()
def view(
    reports: Annotated[
        list[Path], typer.Argument(help="A report.json, a run's folder, or a report.html; or several.")
    ],
    open: Annotated[bool, typer.Option("--open/--no-open", help="Whether a browser opens it.")] = True,
) -> None:
    """Open a report's page in the browser; make it first if need be.

    Of two, a page that says what moved from the first to the second, as of a model before and after a fine-tune.

    Example: `circuitlang view runs/bracket_depth`
    """
    from circuitlang.report.saved import comparison_of, page_of

    pages = [comparison_of(*reports)] if len(reports) == 2 else [page_of(report) for report in reports]
    for page in pages:
        say([f"page at {page}"])
        if open:
            import webbrowser

            if not webbrowser.open(page.resolve().as_uri()):
                say(["no browser could be started here; open the file in one"])


class CircuitFormat(StrEnum):
    NEURONPEDIA = "neuronpedia"
    EDGES = "edges"
    GRAPHML = "graphml"
    DOT = "dot"
    JSON = "json"


_JSON = (CircuitFormat.NEURONPEDIA, CircuitFormat.JSON)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="report.json, circuit.json, or a folder with one of them.")],
    to: Annotated[CircuitFormat, typer.Option(help="The format.")] = CircuitFormat.EDGES,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file; default: printed.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of several circuits, which pruning seed's.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="For neuronpedia: the text that the circuit is shown on.")
    ] = None,
    answer: Annotated[
        str | None, typer.Option(help="With --prompt: the token that should come next.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="With --prompt: whose values are shown; default the report's model.")
    ] = None,
) -> None:
    """Write a circuit for another tool: Neuronpedia's graph JSON, a plain edge list, GraphML, DOT.

    Example: `circuitlang export runs/bracket_depth --to neuronpedia -o graph.json`
    """
    from circuitlang.interfaces.api.export import export as exported
    from circuitlang.storage.atomic import write_whole

    text = exported(file, to.value, seed, prompt, answer, model)
    if out is None:
        sys.stdout.write(no_command(text, r"\u005b") if to in _JSON else text)
    else:
        write_whole(out, text)
        say([f"wrote {out}"])
