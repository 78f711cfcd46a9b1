"""The README and the pages of reports and models show what the program does: their generated parts are made again here,
`--promote` accepts new ones.

Where a part is a command's output, its words and layout must be the same; of its numbers only that they are numbers is
held, because the last digits of a mean, and now and then a node of a circuit, differ between kinds of processors. Of a
long output the README shows an excerpt; a page has it in full.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_architecture import ROOT, rooms

README = ROOT / "README.md"
PAGES = [ROOT / "docs" / name for name in ("report.md", "ci.md", "zoo.md")] + [
    README
]  # excerpts after their source
PART = re.compile(
    r"<!-- (?P<kind>file|output|excerpt|rooms)(?:: (?P<what>.*?))? -->\n(?P<text>.*?)<!-- end -->\n", re.S
)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
LONGEST, LARGEST = 250, 12_000  # lines and bytes of the README


def made(kind: str, what: str, old: str, folder: Path) -> str:
    if kind == "rooms":
        return fenced(rooms())
    if kind == "file":
        return fenced((ROOT / what).read_text(encoding="utf-8"), "circuitlang")
    if kind == "excerpt":
        return fenced(excerpt(old, shown(what)))
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


def shown(command: str) -> str:
    """The output of a command that a page has in full."""
    (text,) = (
        part["text"]
        for page in PAGES
        for part in PART.finditer(page.read_text(encoding="utf-8"))
        if (part["kind"], part["what"]) == ("output", command)
    )
    return text.removeprefix("```\n").removesuffix("```\n")


def excerpt(old: str, whole: str) -> str:
    """The lines of `whole` that `old` shows, numbers aside, and `…` where it leaves some out."""
    lines, new, at = whole.splitlines(), [], 0
    for piece in old.removeprefix("```\n").removesuffix("```\n").split("…\n"):
        count = len(piece.splitlines())
        at = next(
            (
                n
                for n in range(at, len(lines) - count + 1)
                if shape("\n".join(lines[n : n + count])) == shape(piece)
            ),
            len(lines),
        )
        assert at < len(lines), f"not, or not in this order, in what the command prints:\n{piece}"
        new.append("\n".join(lines[at : at + count]))
        at += count
    return "\n…\n".join(new)


def fenced(text: str, language: str = "") -> str:
    return f"```{language}\n{text.strip()}\n```\n"


def parts(page: Path) -> list[re.Match[str]]:
    return list(PART.finditer(page.read_text(encoding="utf-8")))


def shape(text: str) -> str:
    """The text without its numbers, and without the spacing and line breaks that follow from their widths."""
    return " ".join(NUMBER.sub("#", text).split())


def places(*kinds: str) -> pytest.MarkDecorator:
    found = [(page, n) for page in PAGES for n, part in enumerate(parts(page)) if part["kind"] in kinds]
    names = [f"{page.name}: {parts(page)[n]['kind']} {parts(page)[n]['what'] or ''}" for page, n in found]
    assert found
    return pytest.mark.parametrize(("page", "place"), found, ids=names)


def look(page: Path, place: int, folder: Path, promote: bool) -> None:
    part = parts(page)[place]
    new = made(part["kind"], part["what"] or "", part["text"], folder)
    if promote:
        text = page.read_text(encoding="utf-8")
        page.write_text(text[: part.start("text")] + new + text[part.end("text") :], encoding="utf-8")
    elif part["kind"] == "output":
        assert shape(part["text"]) == shape(new), "if the new text is right: pytest --promote"
    else:
        assert part["text"] == new, "if the new text is right: pytest --promote"


@pytest.mark.slow
@pytest.mark.timeout(900)
@places("output")
def test_an_output_is_what_the_command_prints(
    page: Path, place: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    look(page, place, tmp_path, request.config.getoption("--promote"))


@places("file", "excerpt", "rooms")  # after the outputs, so that one `--promote` does both
def test_what_is_copied_is_not_stale(
    page: Path, place: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    look(page, place, tmp_path, request.config.getoption("--promote"))


def test_an_excerpt_has_lines_of_the_whole_in_its_order() -> None:
    whole = "a 1\nb 2\nc 3\nd 4\n"
    assert excerpt("```\na 7\n…\nc 8\nd 9\n```\n", whole) == "a 1\n…\nc 3\nd 4"
    for wrong in ("c 3\n…\na 1\n", "a 1\nc 3\n", "e 5\n"):
        with pytest.raises(AssertionError, match="not in this order"):
            excerpt(f"```\n{wrong}```\n", whole)


def test_the_readme_is_short() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) < LONGEST
    assert len(text.encode()) < LARGEST
