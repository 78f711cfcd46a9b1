"""Report -> one line per claim, `path:line: outcome name: …`, for editors and for grep."""

from __future__ import annotations

from circuitlang.claims.verdict import Outcome
from circuitlang.report import words
from circuitlang.report.escape import harmless_to_ci, visible
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
