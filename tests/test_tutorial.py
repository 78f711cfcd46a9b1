"""docs/tutorial.md is worked through from top to bottom in an empty folder: its files, commands and outputs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_architecture import ROOT
from tests.test_readme import fenced, shape

PAGE = ROOT / "docs" / "tutorial.md"
STEP = re.compile(
    r"<!-- (?P<kind>file|output): (?P<what>.*?) -->\n(?P<text>```.*?```\n)<!-- end -->"
    r"|<!-- replace: (?P<name>\S+?): (?P<old>.*?) -> (?P<new>.*?) -->",
    re.S,
)


def printed(command: str, folder: Path) -> str:
    """What the command shows, messages first; without the seconds it took and the file names behind them."""
    done = subprocess.run(
        [sys.executable, "-m", "circuitlang", *command.split()],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode in (0, 1, 2, 3), done.stderr
    text = re.sub(r"^load .*", "", done.stdout, flags=re.S | re.M)
    told = re.sub(r"^\d\d:\d\d:\d\d  .*\n", "", done.stderr, flags=re.M)  # progress, where nobody watches
    return "\n\n".join(part.strip() for part in (told, text) if part.strip())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_tutorial_works_as_written(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """`--promote` accepts new outputs; the files are the page's own."""
    promote = request.config.getoption("--promote")
    text = PAGE.read_text(encoding="utf-8")
    steps = list(STEP.finditer(text))
    assert sum(step["kind"] == "output" for step in steps) >= 6
    new, at = "", 0
    for step in steps:
        if step["kind"] == "file":
            name, _, add = step["what"].partition(" ")
            body = re.sub(r"\A```circuitlang\n|```\n\Z", "", step["text"])
            path = tmp_path / name
            path.write_text((path.read_text() if add else "") + body, encoding="utf-8")
        elif step["kind"] == "output":
            shown = fenced(printed(step["what"], tmp_path))
            if not promote:
                assert shape(step["text"]) == shape(shown), (
                    f"{step['what']}: if it is right: pytest --promote"
                )
            new += text[at : step.start("text")] + shown
            at = step.end("text")
        else:
            path = tmp_path / step["name"]
            before = path.read_text(encoding="utf-8")
            assert before.count(step["old"]) == 1
            path.write_text(before.replace(step["old"], step["new"]), encoding="utf-8")
    if promote:
        PAGE.write_text(new + text[at:], encoding="utf-8")
