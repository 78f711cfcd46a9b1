"""Good programs with something deleted, doubled, swapped or put in: what is found can be printed in every format."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
from hypothesis import example, given, settings
from hypothesis import strategies as st

from circuitlang.language.program.load import load_text
from circuitlang.report.diagnostics import concise, github, json_text, text
from circuitlang.report.explanation import explanations
from circuitlang.report.junit import junit_of_diagnostics
from circuitlang.report.sarif import sarif
from circuitlang.source.diagnostic import Diagnostic, ProgramError

ROOT = Path(__file__).parents[2]
LANGUAGE = ROOT / "tests" / "language"
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((ROOT / "docs" / "diagnostics.schema.json").read_text(encoding="utf-8"))
)
EXPLAINED = explanations()
GOOD = [each.right for each in EXPLAINED.values() if each.right and "CIR-010" not in each.code]
PIECES = [re.findall(r'"""|\w+|[^\S\n]+|\n|.', program) for program in GOOD]
STRANGE = [
    "::error::", "##[error]", "\n::", "%0A", "\u202e", "\u200b", "\x1b[31m", "\xa0", "“", "漢字", "e\u0301",
    "\t", "\f", "\x00", "\ud800", '"', "'", '"""', "\\", "{", "}", "(", ")", "|", "=", ":", ",", "..", "#", "9" * 30,
    "\U0001f600", "1e999", "½", "²", "0x1F", "use", "task", "spec s {", "claim", "draw", "-", "->", "<=", "5k", "nats",
    "\r", "\u2028", "x" * 300,
]  # fmt: skip


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """A good program after one to four changes, of words or of characters."""
    pieces = list(draw(st.sampled_from(PIECES)))
    if draw(st.booleans()):
        pieces = list("".join(pieces))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(pieces) - 1))
        other = draw(st.integers(0, len(pieces) - 1))
        match draw(st.sampled_from(["delete", "double", "swap", "insert", "cut"])):
            case "delete" if len(pieces) > 1:
                del pieces[at]
            case "double":
                pieces.insert(at, pieces[at])
            case "swap":
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case "insert":
                pieces.insert(at, draw(st.sampled_from(STRANGE)))
            case "cut" if at:
                del pieces[at:]
    return "".join(pieces)


def found_in(program: str) -> list[Diagnostic]:
    try:
        return list(load_text(program, "a folder/é.task", LANGUAGE).warnings)
    except ProgramError as error:
        return list(error.diagnostics)


@settings(max_examples=150)
@given(mutants())
@example("::error::x")
@example('task t { prompt "\ud800" }\n##[x]\n')
@example("")
def test_whatever_is_wrong_is_printed_in_every_format(program: str) -> None:
    found = found_in(program)
    for each in found:
        places = [each.span, *(span for span, _ in each.related)]
        assert all(0 <= span.start <= span.end <= len(span.source.text) for span in places), each
    plain, data = text(found), json.loads(json_text(found))
    assert re.sub(r"\x1b\[[0-9;]*m", "", text(found, colour=True)) == plain
    assert plain.count("]: ") >= len(found)
    SCHEMA.validate(data)
    assert len(data["diagnostics"]) == len(found) == concise(found).count("\n") == github(found).count("\n")
    for row in data["diagnostics"]:
        assert (row["start"]["line"], row["start"]["column"]) <= (row["end"]["line"], row["end"]["column"])
    results = json.loads(sarif(found, EXPLAINED, "1"))["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == [each.code for each in found]
    cases = ElementTree.fromstring(junit_of_diagnostics(found).encode("utf-8"))
    assert len(cases) == len(found)
    assert all(line.startswith(("::error file=", "::warning file=")) for line in github(found).splitlines())
    for printed in (plain, concise(found), json_text(found), sarif(found, EXPLAINED, "1")):
        assert not any(line.lstrip().startswith("::") for line in printed.splitlines())
        assert "##[" not in printed
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", printed)
        printed.encode("utf-8")


def test_good_programs_are_good() -> None:
    assert len(GOOD) > 60
    assert sum(bool(found_in(program)) for program in GOOD) == 0
