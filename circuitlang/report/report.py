"""Report: everything one check found out, and all that is needed to do it again; the text of report.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import Self

from pydantic import PrivateAttr

from circuitlang.claims.verdict import Outcome
from circuitlang.report import words
from circuitlang.report.escape import no_command, visible
from circuitlang.report.exhibit import Exhibit
from circuitlang.report.mechanism import mechanism
from circuitlang.report.mechanism_svg import mechanism_svg
from circuitlang.report.part import rounded_floats
from circuitlang.report.results import ClaimResult, ReportData

_CELL = 'style="text-align:left"'
_FIT = 'style="max-width:100%;overflow-x:auto"'
_COLOURS = {Outcome.PASS: "#1b7f3b", Outcome.UNDECIDED: "#8a6100", Outcome.NOT_MEASURED: "#8a6100"}
_BAD = "#b3261e"  # each on a light ground of its own, so that it can be read in dark notebooks, too
Row = tuple[Outcome | None, tuple[str, ...]]


def notebook_html(report: ReportData, exhibit: Exhibit | None = None) -> str:
    """A fragment in which whatever the user wrote is text, and which is no wider than its cell."""
    return f"<div {_FIT}>{''.join(_parts(report, exhibit))}</div>"


def _parts(report: ReportData, exhibit: Exhibit | None) -> Iterator[str]:
    yield f"<p><b>{_shown(report.spec)}: {_outcome(report.verdict)}</b><br>{_shown(words.meaning(report))}</p>"
    yield from (f"<p>warning: {_shown(said)}</p>" for said in report.warnings)
    found = mechanism(report, exhibit)
    if found is not None:
        yield _fitting(mechanism_svg(found, f"{report.spec}: {report.verdict.value}"))
    yield from _table("claims", [(claim.verdict, _claim(claim)) for claim in report.claims], True)
    controls = [
        (each.verdict, words.control_row(each)[:1] + words.control_row(each)[2:]) for each in report.controls
    ]
    heads = (None, (words.CONTROL_HEADS[0], *words.CONTROL_HEADS[2:]))
    yield from _table("controls", [heads, *controls] if controls else [])
    checks = [(each.verdict, (each.name, *words.headline(each))) for each in report.battery]
    yield from _table("battery", checks)
    for circuit in report.circuits:
        summary = f"<summary>circuit of seed {circuit.seed}: nodes and edges</summary>"
        yield f"<details>{summary}{circuit._repr_html_()}</details>"


def _claim(claim: ClaimResult) -> tuple[str, ...]:
    value, interval = words.measured(claim)
    found = f"{value} ({interval})" if interval else value
    return f"{claim.name}: {claim.text}", found, words.evidence(claim)


def _table(title: str, rows: Sequence[Row], opened: bool = False) -> Iterator[str]:
    if not rows:
        return
    yield f"<details{' open' * opened}><summary>{title}</summary><table><tbody>"
    for outcome, cells in rows:
        first = f"<td {_CELL}>{_outcome(outcome)}</td>"
        yield "<tr>" + first + "".join(f"<td {_CELL}>{_shown(cell)}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table></details>"


def _outcome(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    colour = _COLOURS.get(outcome, _BAD)
    return f'<span style="color:{colour};background:#fff;padding:0 0.3em;border-radius:3px">{outcome.value}</span>'


def _fitting(svg: str) -> str:
    return svg.replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1)


def _shown(text: str) -> str:
    return escape(visible(text))


class Report(ReportData):
    """One check of one spec. The same inputs give the same bytes, but for `seconds` and `cached`."""

    _exhibit: Exhibit | None = PrivateAttr(default=None)

    def with_exhibit(self, exhibit: Exhibit | None) -> Self:
        """The same, which shows in a notebook what its parts respond to. It is no part of the report's data."""
        found = self.model_copy()
        found._exhibit = exhibit
        return found

    def __str__(self) -> str:
        """A few lines: the verdict, and each claim's number."""
        claims = [
            f"  {claim.verdict.value} {claim.name}: {claim.text}  {words.measured(claim)[0]}".rstrip()
            for claim in self.claims
        ]
        head = f"{self.spec}: {self.verdict.value}; {words.meaning(self)}"
        circuit = [] if self.circuit is None else [f"  {words.circuit_line(self.circuit)}"]
        return "\n".join(map(visible, [head, *circuit, *claims]))

    def __repr__(self) -> str:
        size = "" if self.circuit is None else f"; {self.circuit.nodes} nodes"
        return f"<Report {visible(self.spec)}: {self.verdict.value}{size}>"

    def _repr_html_(self) -> str:
        return notebook_html(self, self._exhibit)

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
