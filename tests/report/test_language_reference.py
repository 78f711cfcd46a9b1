"""docs/language.md: its blocks are programs in canonical form, and its tables are generated."""

import re
from pathlib import Path

import pytest

from circuitlang.language.program.load import load_text
from circuitlang.language.syntax.format import format_file
from circuitlang.language.syntax.parse import parse
from circuitlang.report.language_reference import codes, tables
from circuitlang.source.diagnostic import ProgramError, Source

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "language.md"
BLOCKS = re.findall(r"^```circuitlang\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.M | re.S)


def test_there_are_blocks() -> None:
    assert len(BLOCKS) >= 10


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: " ".join(block.split()[:6]))
def test_blocks_are_programs(block: str) -> None:
    """Every block is accepted as it stands, except for the lines that say how they are refused."""
    expected = {
        (number, match[1])
        for number, line in enumerate(block.split("\n"), 1)
        for match in re.finditer(r"## (CIR-\d\d\d)", line)
    }
    try:
        found = load_text(block, "language.md", ROOT).warnings
    except ProgramError as error:
        found = error.diagnostics
    assert {(d.span.line, d.code) for d in found} == expected, "\n\n".join(d.render() for d in found)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: " ".join(block.split()[:6]))
def test_blocks_are_canonical(block: str) -> None:
    assert format_file(parse(Source("language.md", block))) == block


def test_generated_parts_are_up_to_date(golden) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables().items():
        pattern = rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda m, t=table: f"{m[1]}{t}\n{m[2]}", text, flags=re.S)
        assert count == 1, name
    golden(PAGE, text)


def test_every_code_has_a_meaning() -> None:
    assert list(codes()) == sorted(codes())
    assert all(len(code.meaning) > 10 and code.meaning.endswith(".") for code in codes().values())
    assert {code for code, row in codes().items() if row.warning} == {
        "CIR-033", "CIR-046", "CIR-072", "CIR-073", "CIR-074", "CIR-075", "CIR-085", "CIR-086", "CIR-098",
        "CIR-115", "CIR-116", "CIR-135",
    }  # fmt: skip


def test_the_tutorial_lists_the_reserved_words() -> None:
    (line,) = tables()["keywords"].splitlines()
    assert line in (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
