"""The README shows what the program does: its generated parts are made again here, `--promote` accepts new ones.

Where a part is a command's output, its words and layout must be the same; of its numbers only that they are numbers is
held, because the last digits of a mean, and now and then a node of a circuit, differ between kinds of processors.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_architecture import ROOT, tree

README = ROOT / "README.md"
PART = re.compile(
    r"<!-- (?P<kind>file|task|output|tree)(?:: (?P<what>.*?))? -->\n(?P<text>.*?)<!-- end -->\n", re.S
)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def made(kind: str, what: str, folder: Path) -> str:
    if kind == "tree":
        return fenced(tree())
    if kind == "file":
        return fenced((ROOT / what).read_text(encoding="utf-8"), "circuitlang")
    if kind == "task":
        text = (ROOT / f"tasks/{what}.task").read_text(encoding="utf-8")
        found = re.search(rf"^task {what} \{{\n.*?^\}}\n", text, re.S | re.M)
        assert found, f"there is no task {what}"
        return fenced(found[0], "circuitlang")
    return fenced(printed(what, folder))


def printed(command: str, folder: Path) -> str:
    """What `circuitlang COMMAND` prints, without its last lines: the seconds it took and the folder of its files."""
    arguments = command.split()
    if arguments[0] == "check":
        arguments += ["--out", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "circuitlang", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    text = re.sub(r"^load .*", "", done.stdout, flags=re.S | re.M)  # seconds, and where the files are
    return text.strip()


def fenced(text: str, language: str = "") -> str:
    return f"```{language}\n{text.strip()}\n```\n"


def parts() -> list[re.Match[str]]:
    return list(PART.finditer(README.read_text(encoding="utf-8")))


def shape(text: str) -> str:
    """The text without its numbers, and without the spacing and line breaks that follow from their widths."""
    return " ".join(NUMBER.sub("#", text).split())


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "place", range(len(parts())), ids=lambda n: f"{parts()[n]['kind']} {parts()[n]['what'] or ''}"
)
def test_the_readme_is_not_stale(place: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    part = parts()[place]
    new = made(part["kind"], part["what"] or "", tmp_path)
    if request.config.getoption("--promote"):
        text = README.read_text(encoding="utf-8")
        README.write_text(text[: part.start("text")] + new + text[part.end("text") :], encoding="utf-8")
        return
    if part["kind"] == "output":
        assert shape(part["text"]) == shape(new), "if the new text is right: pytest --promote"
    else:
        assert part["text"] == new, "if the new text is right: pytest --promote"
