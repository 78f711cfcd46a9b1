"""DOT text -> a picture, by the system's Graphviz or by pygraphviz's; without either, a note and no failure."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from shutil import which
from subprocess import TimeoutExpired
from typing import Literal

from graphviz import CalledProcessError, ExecutableNotFound
from graphviz.backend import dot_command
from graphviz.backend.execute import run_check

SECONDS = 60.0  # a layout that takes longer is given up: a picture never holds up a check


@dataclass(frozen=True, slots=True)
class Picture:
    """`data` is None where nothing could be drawn; then `note` says why, in one sentence without a full stop."""

    data: bytes | None
    note: str = ""


def draw(dot_text: str, form: Literal["svg", "png"] = "svg", seconds: float = SECONDS) -> Picture:
    """The picture of a graph. Graphviz runs in a process of its own: it may crash or never end, a check may not."""
    if which("dot") is not None:
        command = dot_command.command("dot", form)
    elif find_spec("pygraphviz") is not None:
        command = [sys.executable, "-I", "-m", __name__, form]
    else:
        return Picture(None, "no diagram was drawn: install Graphviz, or pip install 'circuitlang[diagrams]'")
    ended, said = 0, b""
    try:
        done = run_check(command, input=dot_text.encode(), capture_output=True, quiet=True, timeout=seconds)
        if done.stdout:
            return Picture(done.stdout)
    except CalledProcessError as error:
        ended, said = error.returncode, error.stderr
    except TimeoutExpired:
        return Picture(None, f"no diagram was drawn: Graphviz took longer than {seconds:.0f} s")
    except (OSError, ExecutableNotFound) as error:
        return Picture(None, f"no diagram was drawn: {error}")
    last = (said.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
    return Picture(None, f"no diagram was drawn: Graphviz ended with {ended} and said: {last}")


def svg(dot_text: str) -> str | None:
    """The picture as SVG text, if it can be drawn here."""
    data = draw(dot_text, "svg").data
    return None if data is None else data.decode()


if __name__ == "__main__":  # the process that draws with pygraphviz, whose wheel carries Graphviz
    import pygraphviz

    graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
    sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog="dot") or b"")
