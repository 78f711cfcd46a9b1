"""Report -> one line per claim: for editors and grep, or as annotations of GitHub Actions for what does not hold."""

from __future__ import annotations

from circuitlang.claims.verdict import Outcome
from circuitlang.report import words
from circuitlang.report.escape import harmless_to_ci, visible, workflow_command
from circuitlang.report.report import Report


def concise(report: Report, path: str) -> str:
    """`path`: the spec's file. A model that is not competent at the task has a line of its own, the first."""
    lines = [
        f"{path}:{max(claim.line, 1)}: {claim.verdict.value} {claim.name}: {words.sentence(claim)}"
        for claim in report.claims
    ]
    lines += [f"{path}:1: {g.outcome.value} {g.name} of {report.spec}: {g.said}" for g in words.gates(report)]
    if report.task.outcome is not Outcome.PASS:
        said = report.task.note or report.note or words.meaning(report)
        lines.insert(0, f"{path}:1: {report.task.outcome.value} competence of {report.spec}: {said}")
    return "".join(harmless_to_ci(visible(line)) + "\n" for line in lines)


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
