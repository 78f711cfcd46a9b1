"""The command that hands a circuit to other tools: export."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from circuitlang.interfaces.cli.app import app
from circuitlang.interfaces.cli.console import say
from circuitlang.source.visible import no_command


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
