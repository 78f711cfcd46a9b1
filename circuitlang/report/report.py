"""Report: everything one check found out, and all that is needed to do it again; the text of report.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Self

from circuitlang.report import words
from circuitlang.report.escape import no_command, visible
from circuitlang.report.part import rounded_floats
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


class Report(ReportData):
    """One check of one spec. The same inputs give the same bytes, but for `seconds` and `cached`."""

    def _repr_html_(self) -> str:
        return notebook_html(self)

    def to_json(self, timings: bool = True) -> str:
        """What `report.json` holds, in ASCII. Without timings, equal inputs give equal bytes."""
        data = self.model_dump(mode="json", by_alias=True, exclude=None if timings else {"seconds", "cached"})
        seconds = {stage: round(value, 3) for stage, value in data.pop("seconds", {}).items()}
        rounded = rounded_floats(data)
        if timings:
            rounded["seconds"] = seconds
        return no_command(json.dumps(rounded, indent=1, allow_nan=False), r"\u005b") + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Raises ValueError (pydantic's, with every place) when the text is not a report of this schema."""
        return cls.model_validate(json.loads(text))
