"""Report -> annotations for GitHub Actions: one line per claim that does not hold, at the line that claims it."""

from __future__ import annotations

from circuitlang.claims.verdict import Outcome
from circuitlang.report import words
from circuitlang.report.escape import visible
from circuitlang.report.report import Report

_LEVELS = {
    Outcome.PASS: "notice",
    Outcome.UNDECIDED: "warning",
    Outcome.NOT_MEASURED: "warning",
    Outcome.VOID: "error",
    Outcome.FAIL: "error",
}


def github(report: Report, path: str) -> str:
    """`path`: the spec's file, relative to the repository. The last line is the verdict of the whole."""
    lines = []
    for claim in report.claims:
        if claim.verdict is not Outcome.PASS:
            said = words.sentence(claim)
            lines.append(
                _command(claim.verdict, path, claim.line, f"{claim.name}: {claim.verdict.value}", said)
            )
    title = f"{report.spec}: {report.verdict.value}"
    lines.append(_command(report.verdict, path, 1, title, words.meaning(report)))
    return "\n".join(lines) + "\n"


def _command(outcome: Outcome, path: str, line: int, title: str, said: str) -> str:
    place = f"file={_property(path)},line={max(line, 1)},title={_property(title)}"
    return f"::{_LEVELS[outcome]} {place}::{_data(said)}"


def _data(text: str) -> str:
    """What stands after the second `::`; visible text has no line ends left to encode."""
    return visible(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
