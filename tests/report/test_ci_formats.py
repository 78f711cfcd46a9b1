"""What CI and editors read: annotations of GitHub Actions, junit.xml, and a line per claim."""

import re
from xml.etree import ElementTree

import pytest

from circuitlang.claims.verdict import Outcome
from circuitlang.report.annotations import concise, github
from circuitlang.report.junit import junit
from circuitlang.report.words import gates

HOSTILE = [
    "a\n::set-env name=x::y",
    "100%0A::error::x",
    "a:b,c=d",
    "]]> <failure/> & \" ' \x00\x1b[31m\ud800\ufffe",
    "##[error]x",
    "\u202e\u2028",
]


def test_annotations_name_the_line(make):
    assert github(make(), "specs/quotes.cir").splitlines() == [
        "::error file=specs/quotes.cir,line=24,title=minimal%3A fail::rise given drop(each node) >= 0.01; "
        "0.000 (-0.005 … 0.006); 16,384 prompts; 1.attn_in[21]: the worst of 12",
        "::warning file=specs/quotes.cir,line=26,title=dilutes%3A not measured::"
        "accuracy where length = 64 <= 0.6; no",
        "::error file=specs/quotes.cir,line=1,title=single_double_quote%3A fail::"
        "4 of 6 claims hold; fail: minimal; not measured: dilutes",
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_cannot_add_a_command(make, text):
    lines = github(make(text), text).splitlines()
    assert len(lines) == 3
    for line in lines:
        assert re.fullmatch(r"::(error|warning) file=[^,:]*,line=\d+,title=[^,:]*::.*", line)
        assert "%0A" not in line
        assert "##[" not in line


def test_only_what_passes_is_green(make):
    suite = ElementTree.fromstring(junit(make(), "specs/quotes.cir").encode())
    assert suite.attrib == {"name": "single_double_quote", "failures": "1", "errors": "1", "tests": "8"}
    found = {case.get("name"): [(part.tag, part.get("type")) for part in case] for case in suite}
    assert found == {
        "competence": [],
        "sufficient": [],
        "no_luck": [],
        "faithful": [],
        "minimal": [("failure", "fail")],
        "small": [],
        "dilutes": [("error", "not measured")],
        "agreement": [],
    }
    assert suite.find("testcase[@name='minimal']").get("line") == "24"


@pytest.mark.parametrize("text", HOSTILE)
def test_text_cannot_add_an_element(make, text):
    suite = ElementTree.fromstring(junit(make(text), text).encode("utf-8"))
    assert [case.tag for case in suite] == ["testcase"] * 8
    assert sum(len(case) for case in suite) == 2


def test_concise_is_a_line_per_claim(make):
    report = make()
    lines = concise(report, "specs/quotes.cir").splitlines()
    assert len(lines) == len(report.claims) + len(gates(report)) == len(report.claims) + 1
    assert lines[3] == (
        "specs/quotes.cir:24: fail minimal: rise given drop(each node) >= 0.01; "
        "0.000 (-0.005 … 0.006); 16,384 prompts; 1.attn_in[21]: the worst of 12"
    )
    task = report.task.model_copy(update={"outcome": Outcome.FAIL, "note": "too often wrong"})
    incompetent = concise(
        report.model_copy(update={"task": task, "verdict": Outcome.FAIL}), "a.cir"
    ).splitlines()
    assert incompetent[0] == "a.cir:1: fail competence of single_double_quote: too often wrong"
    assert len(incompetent) == len(lines) + 1


@pytest.mark.parametrize("text", HOSTILE)
def test_text_cannot_add_a_line(make, text):
    assert len(concise(make(text), text).splitlines()) == len(make().claims) + len(gates(make()))
