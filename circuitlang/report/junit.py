"""Report -> junit.xml: a test case per claim, for CI servers. Only what passes is green there."""

from __future__ import annotations

from xml.etree import ElementTree

from circuitlang.claims.verdict import Outcome
from circuitlang.report import words
from circuitlang.report.escape import visible
from circuitlang.report.report import ClaimResult, Report


def junit(report: Report, path: str) -> str:
    """`path`: the spec's file. A claim that fails or is void is a failure, one without an answer an error; a model
    that is not competent is a failure of the case `competence`."""
    cases = [_case(claim, report.spec, path) for claim in report.claims]
    competence = ElementTree.Element(
        "testcase", classname=visible(report.spec), name="competence", file=visible(path)
    )
    _judged(competence, report.task.outcome, report.task.note or report.note)
    suite = ElementTree.Element("testsuite", name=visible(report.spec))
    suite.extend([competence, *cases])
    for kind, tag in (("failures", "failure"), ("errors", "error")):
        suite.set(kind, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite)))
    ElementTree.indent(suite, " ")
    text = ElementTree.tostring(suite, encoding="unicode")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n"


def _case(claim: ClaimResult, spec: str, path: str) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=visible(spec),
        name=visible(claim.name),
        file=visible(path),
        line=str(claim.line),
    )
    _judged(case, claim.verdict, words.sentence(claim))
    return case


def _judged(case: ElementTree.Element, outcome: Outcome, said: str) -> None:
    if outcome is not Outcome.PASS:
        tag = "failure" if outcome in (Outcome.FAIL, Outcome.VOID) else "error"
        ElementTree.SubElement(case, tag, type=outcome.value, message=visible(said))
