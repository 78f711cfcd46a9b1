"""Report -> badge.svg: a spec's name and its verdict, small enough to stand in a README."""

from __future__ import annotations

from xml.sax.saxutils import escape

from circuitlang.claims.verdict import Outcome
from circuitlang.report.report import Report
from circuitlang.source.visible import columns, visible

_COLOURS = {
    Outcome.PASS: "#2e7d32",
    Outcome.UNDECIDED: "#8d6e00",
    Outcome.NOT_MEASURED: "#8d6e00",
    Outcome.VOID: "#6a1b9a",
    Outcome.FAIL: "#c62828",
}
"""White text on each of them has a contrast of at least 4.5 to 1."""
_LONGEST = 40  # characters of a name that are shown
_COLUMN, _SIDE = 7.0, 6  # width of a letter at 11 pixels in a wide font, and the room beside a text


def badge(report: Report) -> str:
    """A picture of 20 pixels' height, without a font, script or link of its own."""
    name = report.spec if len(report.spec) <= _LONGEST else report.spec[: _LONGEST - 1] + "…"
    left, right = visible(name), report.verdict.value
    wide, narrow = (2 * _SIDE + round(_COLUMN * columns(text)) for text in (left, right))
    total, said = wide + narrow, escape(f"{left}: {right}", {'"': "&quot;"})
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="20" role="img" aria-label="{said}">\n'
        f"<title>{said}</title>\n"
        f'<rect width="{wide}" height="20" fill="#444"/>\n'
        f'<rect x="{wide}" width="{narrow}" height="20" fill="{_COLOURS[report.verdict]}"/>\n'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">\n'
        f'<text x="{wide / 2:g}" y="14" textLength="{wide - 2 * _SIDE}">{escape(left)}</text>\n'
        f'<text x="{wide + narrow / 2:g}" y="14" textLength="{narrow - 2 * _SIDE}">{escape(right)}</text>\n'
        "</g>\n</svg>\n"
    )
