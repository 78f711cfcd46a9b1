"""DOT text -> a picture, by the system's Graphviz or by pygraphviz's; without either, a note and no failure."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from shutil import which
from typing import Literal

SECONDS = 60.0  # a layout that takes longer is given up: a picture never holds up a check
_PYGRAPHVIZ = """
import sys, pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog="dot"))
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """`data` is None where nothing could be drawn; then `note` says why, in one sentence without a full stop."""

    data: bytes | None
    note: str = ""


def draw(dot_text: str, form: Literal["svg", "png"] = "svg", seconds: float = SECONDS) -> Picture:
    """The picture of a graph. Graphviz runs in a process of its own: it may crash or never end, a check may not."""
    if (system := which("dot")) is not None:
        command = [system, f"-T{form}"]
    elif find_spec("pygraphviz") is not None:
        command = [sys.executable, "-I", "-c", _PYGRAPHVIZ, form]
    else:
        return Picture(None, "no diagram was drawn: install Graphviz, or pip install 'circuitlang[diagrams]'")
    try:
        done = subprocess.run(
            command, input=dot_text.encode(), capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return Picture(None, f"no diagram was drawn: Graphviz took longer than {seconds:.0f} s")
    except OSError as error:
        return Picture(None, f"no diagram was drawn: {error}")
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        return Picture(
            None, f"no diagram was drawn: Graphviz ended with {done.returncode} and said: {said[-1]}"
        )
    return Picture(done.stdout)


def svg(dot_text: str) -> str | None:
    """The picture as SVG text, if it can be drawn here."""
    data = draw(dot_text, "svg").data
    return None if data is None else data.decode()
