"""Report or diagnostics -> junit.xml: a test case per claim, for CI servers. Only what passes is green there."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree

from circuitlang.claims.verdict import Outcome
from circuitlang.report import words
from circuitlang.report.diagnostics import path as path_of
from circuitlang.report.diagnostics import sentence
from circuitlang.report.escape import visible
from circuitlang.report.report import Report
from circuitlang.report.results import ClaimResult
from circuitlang.source.diagnostic import Diagnostic


def junit(report: Report, path: str) -> str:
    """The suite of one spec as a document. `path`: the spec's file."""
    return _written(_suite(report, path))


def junit_of_all(reports: Iterable[tuple[Report, str]]) -> str:
    """One document of several reports and their specs' files."""
    suites = ElementTree.Element("testsuites")
    suites.extend(_counted(_suite(report, path)) for report, path in reports)
    for kind in ("tests", "failures", "errors"):
        suites.set(kind, str(sum(int(suite.get(kind, 0)) for suite in suites)))
    return _text(suites)


def _suite(report: Report, path: str) -> ElementTree.Element:
    """A claim that fails or is void is a failure, one without an answer an error; a model
    that is not competent is a failure of the case `competence`."""
    cases = [_case(claim, report.spec, path) for claim in report.claims]
    competence = ElementTree.Element(
        "testcase", classname=visible(report.spec), name="competence", file=visible(path)
    )
    _judged(competence, report.task.outcome, report.task.note or report.note)
    suite = ElementTree.Element("testsuite", name=visible(report.spec))
    suite.extend([competence, *cases, *(_gate(gate, report.spec, path) for gate in words.gates(report))])
    for kind, tag in (("failures", "failure"), ("errors", "error")):
        suite.set(kind, str(len(suite.findall(f"testcase/{tag}"))))
    if said := "\n".join(map(visible, filter(None, (words.left_out(report), *report.warnings)))):
        ElementTree.SubElement(suite, "system-out").text = said
    return suite


def junit_of_diagnostics(found: Iterable[Diagnostic]) -> str:
    """A test case per mistake, each an error; a warning is a case that passes, with its message as output."""
    suite = ElementTree.Element("testsuite", name="circuitlang")
    for each in found:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=each.code,
            name=visible(each.message),
            file=visible(path_of(each.span.source)),
            line=str(each.span.line),
        )
        if each.severity == "error":
            ElementTree.SubElement(case, "error", type=each.code, message=visible(sentence(each)))
        else:
            ElementTree.SubElement(case, "system-out").text = visible(sentence(each))
    suite.set("failures", "0")
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    return _written(suite)


def _written(suite: ElementTree.Element) -> str:
    return _text(_counted(suite))


def _counted(suite: ElementTree.Element) -> ElementTree.Element:
    suite.set("tests", str(len(suite.findall("testcase"))))
    return suite


def _text(root: ElementTree.Element) -> str:
    ElementTree.indent(root, " ")
    text = ElementTree.tostring(root, encoding="unicode")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n"


def _gate(gate: words.Gate, spec: str, path: str) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase", classname=visible(spec), name=visible(gate.name), file=visible(path)
    )
    _judged(case, gate.outcome, gate.said)
    return case


def _case(claim: ClaimResult, spec: str, path: str) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=visible(spec),
        name=visible(claim.name),
        file=visible(path),
        line=str(claim.line),
    )
    _judged(case, claim.verdict, words.sentence(claim), words.breaks(claim))
    return case


def _judged(case: ElementTree.Element, outcome: Outcome, said: str, more: Iterable[str] = ()) -> None:
    """`more`: lines below the message."""
    if outcome is not Outcome.PASS:
        tag = "failure" if outcome in (Outcome.FAIL, Outcome.VOID) else "error"
        judged = ElementTree.SubElement(case, tag, type=outcome.value, message=visible(said))
        judged.text = "\n".join(map(visible, more)) or None
