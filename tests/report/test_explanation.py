"""Every code is explained, and its programs are what they are said to be: one is refused for it, one is accepted."""

import json
import re
from pathlib import Path

import pytest

from circuitlang.checking.static import check_text
from circuitlang.language.program.load import load_text
from circuitlang.language.syntax.format import format_file
from circuitlang.language.syntax.parse import parse
from circuitlang.report.explanation import (
    Explanation,
    explanation_lines,
    explanations,
    explanations_json,
    list_lines,
    nearest,
    normal_code,
    section,
)
from circuitlang.source.diagnostic import Diagnostic, ProgramError, Source

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "circuitlang" / "report" / "explanations"
CANNOT_BE_SHOWN = {
    "CIR-011": "the file would have to be too large",
    "CIR-013": "the file would not be text in UTF-8",
    "CIR-023": "needs ten files",
    "CIR-099": "there may be nothing that is not built",
    "CIR-136": "needs a plug-in that does not work",
    "CIR-215": "needs a lock beside the file",
    "CIR-203": "needs a task whose draws all fall into other splits",
}
ALL = explanations()
SHOWN = [each for each in ALL.values() if each.wrong is not None]


def test_every_code_is_explained() -> None:
    missing = sorted(set(ALL) - {path.stem for path in FOLDER.iterdir()})
    assert not missing, f"write circuitlang/report/explanations/CODE.md for {', '.join(missing)}"
    unknown = sorted({path.stem for path in FOLDER.iterdir()} - set(ALL))
    assert not unknown, f"no message has the code {', '.join(unknown)}"
    assert {code for code, each in ALL.items() if each.wrong is None} == set(CANNOT_BE_SHOWN)
    assert all(each.about and each.why for each in ALL.values())


def diagnostics(code: str, text: str, folder: Path) -> list[Diagnostic]:
    """What is found in a text; where a code needs a tokenizer or a count of prompts, as `check --no-run` finds it."""
    try:
        if code < "CIR-200":
            return list(load_text(text, "example.task", folder).warnings)
        path = folder / "example.cir"
        path.write_text(text, encoding="utf-8")
        return check_text([path], cues=code == "CIR-213")[1]
    except ProgramError as error:
        return list(error.diagnostics)


@pytest.mark.parametrize("each", SHOWN, ids=lambda each: each.code)
def test_the_wrong_program_is_refused_where_it_says(each: Explanation, tmp_path: Path) -> None:
    assert each.wrong is not None
    wanted = {
        (number, code)
        for number, line in enumerate(each.wrong.split("\n"), 1)
        for code in re.findall(r"## (CIR-\d\d\d)", line)
    }
    found = diagnostics(each.code, each.wrong, tmp_path)
    shown = "\n\n".join(diagnostic.render() for diagnostic in found)
    assert {(d.span.line, d.code) for d in found} == wanted, shown
    assert each.code in {code for _, code in wanted}
    assert {d.severity for d in found if d.code == each.code} == {each.severity}


@pytest.mark.parametrize("each", SHOWN, ids=lambda each: each.code)
def test_the_right_program_is_accepted(each: Explanation, tmp_path: Path) -> None:
    assert each.right is not None
    found = diagnostics(each.code, each.right, tmp_path)
    assert not found, "\n\n".join(diagnostic.render() for diagnostic in found)
    assert format_file(parse(Source("example", each.right))) == each.right


def test_the_page_of_all_codes_is_up_to_date(golden) -> None:
    path = ROOT / "docs" / "diagnostics.md"
    codes = "\n".join(section(each) for each in ALL.values())
    pattern = r"(<!-- generated: codes -->\n).*?(<!-- end -->)"
    text, count = re.subn(
        pattern, lambda match: f"{match[1]}{codes}{match[2]}", path.read_text(encoding="utf-8"), flags=re.S
    )
    assert count == 1
    golden(path, text)


@pytest.mark.parametrize(
    ("written", "code"),
    [("CIR-043", "CIR-043"), ("cir-43", "CIR-043"), ("43", "CIR-043"), ("CIR43", "CIR-043"), ("x", "X")],
)
def test_codes_may_be_written_shortly(written: str, code: str) -> None:
    assert normal_code(written) == code


def test_unknown_codes_have_neighbours() -> None:
    assert "CIR-043" in nearest("CIR-743", ALL)
    assert nearest("CIR-999", ["CIR-001", "CIR-098", "CIR-212"], 1) == ["CIR-212"]
    assert len(nearest("nonsense", ALL)) == 3


def test_the_printed_explanation_has_everything() -> None:
    text = "\n".join(explanation_lines(ALL["CIR-043"]))
    assert text.startswith("CIR-043 (error): A rule that reaches itself without a bound.\n\n")
    assert "\nWrong:\n\n    task t {\n" in text
    assert "\nRight:\n\n    task t {\n" in text
    assert "```" not in text
    assert len(list(list_lines(ALL.values()))) == len(ALL)
    data = json.loads(explanations_json(ALL.values()))
    assert [row["code"] for row in data["codes"]] == sorted(ALL)
