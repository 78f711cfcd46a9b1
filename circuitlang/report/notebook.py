"""Report -> HTML for a notebook's cell: the verdict, each claim with its number, and the circuits."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from circuitlang.report import words
from circuitlang.report.escape import visible
from circuitlang.report.results import ReportData

_CELL = 'style="text-align:left"'


def notebook_html(report: ReportData) -> str:
    """A fragment in which whatever the user wrote is text."""
    return "".join(_parts(report))


def _parts(report: ReportData) -> Iterator[str]:
    yield f"<p><b>{_shown(report.spec)}: {report.verdict.value}</b><br>{_shown(words.meaning(report))}</p>"
    if report.claims:
        yield "<table><tbody>"
        for claim in report.claims:
            value, interval = words.measured(claim)
            found = f"{value} ({interval})" if interval else value
            cells = (claim.verdict.value, f"{claim.name}: {claim.text}", found, words.evidence(claim))
            yield "<tr>" + "".join(f"<td {_CELL}>{_shown(cell)}</td>" for cell in cells) + "</tr>"
        yield "</tbody></table>"
    for circuit in report.circuits:
        yield circuit._repr_html_()


def _shown(text: str) -> str:
    return escape(visible(text))
