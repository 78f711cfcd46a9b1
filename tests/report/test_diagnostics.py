"""Mistakes in every format: the spans, the columns, the escapes, and what a reader of each format relies on."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from circuitlang.report.diagnostics import concise, github, json_text, text
from circuitlang.report.explanation import explanations
from circuitlang.report.junit import junit_of_diagnostics
from circuitlang.report.sarif import sarif
from circuitlang.source.diagnostic import Diagnostic, Source, Span

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "diagnostics.schema.json").read_text(encoding="utf-8"))


def found(line: str, part: str, name: str = "a.task") -> Diagnostic:
    source = Source(name, line)
    at = line.index(part)
    return Diagnostic("CIR-030", "unknown name", Span(source, at, at + len(part)))


def rows(line: str, part: str) -> list[str]:
    return found(line, part).render().split("\n")[1:]


@pytest.mark.parametrize(
    ("line", "part", "shown", "underline"),
    [
        ("rule a = b", "b", "rule a = b", "         ^"),
        ("\trule a = b", "b", "    rule a = b", "             ^"),
        ("漢字 b c", "b", "漢字 b c", "     ^"),
        ("a 漢字 c", "漢字", "a 漢字 c", "  ^^^^"),
        ("e\u0301e\u0301 b", "b", "e\u0301e\u0301 b", "   ^"),
        ("\u202e b", "b", "\\u202e b", "       ^"),
        ("\x1b[31m b", "b", "\\e[31m b", "       ^"),
        ("##[error] b", "b", "##\\x5berror] b", "             ^"),
        ("\U0001f600 b", "b", "\U0001f600 b", "   ^"),
        ("b \u200b", "\u200b", "b \\u200b", "  ^^^^^^"),
    ],
)
def test_the_underline_stands_below(line: str, part: str, shown: str, underline: str) -> None:
    assert rows(line, part) == [f"  1 | {shown}", f"    | {underline}"]


@pytest.mark.parametrize(("before", "after"), [(0, 5000), (5000, 0), (5000, 5000), (99, 0), (60, 60)])
def test_long_lines_are_cut_around_the_span(before: int, after: int) -> None:
    shown, underline = rows("a" * before + "MARK" + "b" * after, "MARK")
    assert len(shown) <= 6 + 102
    at = underline.index("^")
    assert (shown[at : at + 4], underline[at:]) == ("MARK", "^^^^")
    assert shown.endswith("…") == (before + 4 + after > 100 and after > 0)


def test_a_span_longer_than_the_row_is_cut_with_it() -> None:
    shown, underline = rows("x" * 3000, "x" * 3000)
    assert len(shown) == len(underline) + 1 == 6 + 101


def test_of_many_lines_the_first_and_the_last_are_shown() -> None:
    source = Source("a.task", "task t {\n  one\n  two\n}\nmore\n")
    assert Diagnostic("CIR-201", "few", Span(source, 0, 22)).render().split("\n")[1:] == [
        "  1 | task t {",
        "    | ^^^^^^^^",
        "  … |",
        "  4 | }",
        "    | ^",
    ]


def test_related_places_stand_where_they_are() -> None:
    one, two = Source("one.task", "\n" * 8 + "first\n\nsecond third"), Source("b/two.task", "other")
    related = ((Span(one, 8, 13), "first"), (Span(two, 0, 5), "there"), (Span(one, 15, 21), "beside"))
    shown = Diagnostic("CIR-031", "twice", Span(one, 22, 27), "rename it", related=related).render()
    assert shown.split("\n") == [
        "one.task:11:8: error[CIR-031]: twice",
        "   9 | first",
        "     | ----- first",
        "   … |",
        "  11 | second third",
        "     |        ^^^^^",
        "     | ------ beside",
        "    --> b/two.task:1:1",
        "   1 | other",
        "     | ----- there",
        "     = help: rename it",
    ]


def test_colours_are_only_colours() -> None:
    mistake = found("rule \x1b[31m a = b", "b")
    coloured = text([mistake], colour=True)
    assert "\x1b[1;31m^\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text([mistake])
    assert "\x1b" not in text([mistake])


HOSTILE = [
    "a\n::set-env name=x::y",
    "100%0A::error::x",
    "a:b,c=d",
    "]]> <failure/> & \" ' \x00\x1b[31m\ud800\ufffe",
    "##[error]x",
    "\u202e\u2028",
    "::error::x",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_of_the_users_commands_nothing(hostile: str) -> None:
    source = Source(hostile, f"rule {hostile} = b")
    mistake = Diagnostic(
        "CIR-030",
        hostile,
        Span(source, 5, 5 + len(hostile)),
        hostile,
        related=((Span(source, 0, 4), hostile),),
    )
    lines = github([mistake]).splitlines()
    assert len(lines) == 1
    assert re.fullmatch(
        r"::error file=[^,:]*,line=1,endLine=\d,(col=.*,endColumn=.*,)?title=CIR-030::.*", lines[0]
    )
    for page in (
        text([mistake]),
        concise([mistake]),
        json_text([mistake]),
        sarif([mistake], explanations(), "1"),
    ):
        page.encode("utf-8")
        assert not any(line.lstrip().startswith("::") for line in page.splitlines())
        assert not re.search(r"##\[|[\x00-\x09\x0b-\x1f\u202e\u2028]", page)
    assert concise([mistake]).count("\n") == 1
    assert "##[" not in junit_of_diagnostics([mistake])
    json.loads(sarif([mistake], explanations(), "1"))
    assert json.loads(json_text([mistake]))["diagnostics"][0]["message"] == hostile


def test_concise_is_a_line_each() -> None:
    mistakes = [found("rule a = b", "b"), found("\n\n漢 x", "x")]
    assert concise(mistakes) == "a.task:1:10: CIR-030 unknown name\na.task:3:3: CIR-030 unknown name\n"


def test_annotations_of_several_lines_have_no_columns() -> None:
    source = Source("a.task", "task t {\n}\n")
    assert github([Diagnostic("CIR-201", "few: 5%", Span(source, 0, 10), severity="warning")]) == (
        "::warning file=a.task,line=1,endLine=2,title=CIR-201::few: 5%25\n"
    )


def test_json_is_as_its_schema_says() -> None:
    mistake = found("rule é = b", "b")
    linked = Diagnostic("CIR-033", "x", mistake.span, "h", "warning", ((mistake.span, "here"),))
    for mistakes in ([], [mistake, linked]):
        data = json.loads(json_text(mistakes))
        jsonschema.Draft202012Validator(SCHEMA).validate(data)
        assert (data["errors"], data["warnings"], len(data["diagnostics"])) == (
            *[len(mistakes) // 2] * 2,
            len(mistakes),
        )
    assert data["diagnostics"][0]["start"] == {"line": 1, "column": 10, "offset": 9}
    assert data["diagnostics"][1]["related"][0]["message"] == "here"


SARIF = {  # what SARIF 2.1.0 requires of the parts that are used here
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": {"$ref": "#/$defs/run"}},
    },
    "additionalProperties": False,
    "$defs": {
        "text": {
            "type": "object",
            "required": ["text"],
            "properties": {"text": {"type": "string", "minLength": 1}, "markdown": {"type": "string"}},
            "additionalProperties": False,
        },
        "level": {"enum": ["none", "note", "warning", "error"]},
        "run": {
            "type": "object",
            "required": ["tool"],
            "additionalProperties": False,
            "properties": {
                "tool": {"$ref": "#/$defs/tool"},
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
            },
        },
        "tool": {
            "type": "object",
            "required": ["driver"],
            "additionalProperties": False,
            "properties": {
                "driver": {
                    "type": "object",
                    "required": ["name"],
                    "additionalProperties": False,
                    "properties": {
                        "name": {"type": "string"},
                        "version": {"type": "string"},
                        "semanticVersion": {"type": "string"},
                        "rules": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/rule"}},
                    },
                }
            },
        },
        "rule": {
            "type": "object",
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "shortDescription": {"$ref": "#/$defs/text"},
                "fullDescription": {"$ref": "#/$defs/text"},
                "help": {"$ref": "#/$defs/text"},
                "defaultConfiguration": {"properties": {"level": {"$ref": "#/$defs/level"}}},
            },
        },
        "result": {
            "type": "object",
            "required": ["message", "ruleId", "ruleIndex", "locations"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"$ref": "#/$defs/level"},
                "message": {"$ref": "#/$defs/text"},
                "locations": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/location"}},
                "relatedLocations": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/location"}},
            },
        },
        "location": {
            "type": "object",
            "required": ["physicalLocation"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "integer", "minimum": 0},
                "message": {"$ref": "#/$defs/text"},
                "physicalLocation": {
                    "type": "object",
                    "required": ["artifactLocation"],
                    "additionalProperties": False,
                    "properties": {
                        "artifactLocation": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {"uri": {"type": "string", "pattern": r"^[A-Za-z0-9/._~%!$&'()*+,;=:@-]+$"}},
                        },
                        "region": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                key: {"type": "integer", "minimum": 1}
                                for key in ("startLine", "startColumn", "endLine", "endColumn")
                            },
                        },
                    },
                },
            },
        },
    },
}  # fmt: skip


def test_sarif_has_the_structure_of_sarif(make) -> None:
    mistake = found("rule \U0001f600 = b", "b", "a folder/ü.task")
    linked = Diagnostic("CIR-033", "x", mistake.span, "h", "warning", ((mistake.span, "here"),))
    report = make()
    for mistakes, judged in (([], []), ([mistake, linked], [(report, Source("specs/q.cir", ""))])):
        log = json.loads(sarif(mistakes, explanations(), "0.1.0", judged))
        jsonschema.Draft202012Validator(SARIF).validate(log)
        run = log["runs"][0]
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert rules == ["CIR-030", "CIR-033", "claim-fail", "claim-not-measured"]
    first, second, third, fourth = run["results"]
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20folder/%C3%BC.task"
    assert place["region"] == {"startLine": 1, "startColumn": 11, "endLine": 1, "endColumn": 12}
    assert second["relatedLocations"][0]["message"]["text"] == "here"
    assert third["message"]["text"].startswith("fail: minimal: rise given drop(each node) >= 0.01")
    assert third["locations"][0]["physicalLocation"]["region"] == {"startLine": 24}
    assert (third["level"], fourth["level"]) == ("error", "warning")


def test_files_below_the_folder_are_named_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inside = Source("s.cir", "x", tmp_path / "specs" / "s.cir")
    assert concise([Diagnostic("CIR-030", "m", Span(inside, 0, 1))]) == "specs/s.cir:1:1: CIR-030 m\n"
    outside = Source("/else/s.cir", "x", Path("/else/s.cir"))
    log = json.loads(sarif([Diagnostic("CIR-030", "m", Span(outside, 0, 1))], explanations(), "1"))
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "file:///else/s.cir"
