"""A progress bar where somebody watches: by rich in a terminal, the browser's own in a notebook; elsewhere silence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

from circuitlang.source.progress import Told, quiet

if TYPE_CHECKING:
    from rich.console import Console


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


@contextmanager
def bar(console: Console | None = None) -> Iterator[Told]:
    """`console`: standard error, unless told."""
    if in_notebook():
        with _in_cell() as in_cell:
            yield in_cell
        return
    from rich.console import Console

    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield quiet
        return
    from rich.markup import escape as as_text
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("loading torch and the model", total=1.0)

        def told(stage: str, share: float) -> None:
            progress.update(task, description=as_text(stage), completed=share)

        yield told


@contextmanager
def _in_cell() -> Iterator[Told]:
    """In the cell's output, gone at the end."""
    display: Any = sys.modules["IPython"].display
    handle = display.display(display.HTML(""), display_id=True)
    last = ("", -1)

    def told(stage: str, share: float) -> None:
        nonlocal last
        if last != (last := (stage, round(100 * share))):
            said = f"<progress max=1 value={share:.2f}></progress> {escape(stage)}"
            handle.update(display.HTML(said))

    try:
        yield told
    finally:
        handle.update(display.HTML(""))
