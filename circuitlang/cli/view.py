"""The command that opens a report's page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from circuitlang.cli.app import app
from circuitlang.cli.console import say


@app.command()
def view(
    report: Annotated[Path, typer.Argument(help="A report.json, a run's folder, or a report.html.")],
    open: Annotated[bool, typer.Option("--open/--no-open", help="Whether a browser opens it.")] = True,
) -> None:
    """Open a report's page in the browser; make it first if need be.

    Example: `circuitlang view runs/bracket_depth`
    """
    from circuitlang.report.view import page_of

    page = page_of(report)
    say([f"page at {page}"])
    if open:
        import webbrowser

        if not webbrowser.open(page.resolve().as_uri()):
            say(["no browser could be started here; open the file in one"])
