"""Report -> annotations for GitHub Actions: one line per claim that does not hold, at its line."""

from __future__ import annotations

from circuitlang.claims.verdict import Outcome
from circuitlang.report import words
from circuitlang.report.escape import workflow_command
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
    for gate in words.gates(report):
        if gate.outcome is not Outcome.PASS:
            title = f"{report.spec}, {gate.name}: {gate.outcome.value}"
            lines.append(_command(gate.outcome, path, 1, title, gate.said))
    title = f"{report.spec}: {report.verdict.value}"
    lines.append(_command(report.verdict, path, 1, title, words.meaning(report)))
    return "\n".join(lines) + "\n"


def _command(outcome: Outcome, path: str, line: int, title: str, said: str) -> str:
    return workflow_command(_LEVELS[outcome], {"file": path, "line": max(line, 1), "title": title}, said)
