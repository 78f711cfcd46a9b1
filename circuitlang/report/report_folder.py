"""Report -> the files of a check's folder, its badge among them, each written whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from circuitlang.claims.verdict import Outcome
from circuitlang.report import words
from circuitlang.report.diagram import dot
from circuitlang.report.exhibit import Exhibit
from circuitlang.report.junit import junit
from circuitlang.report.markdown import markdown
from circuitlang.report.mechanism import mechanism
from circuitlang.report.mechanism_svg import mechanism_svg
from circuitlang.report.page.write import page
from circuitlang.report.render import draw
from circuitlang.report.report import Report
from circuitlang.source.diagnostic import CommandError
from circuitlang.source.visible import columns, visible
from circuitlang.storage.atomic import write_all

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
    if lacks := words.left_out(report):
        right += f" ({'claims only' if lacks.startswith('claims only') else lacks})"
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


REPORT, EXHIBIT, PAGE, MECHANISM = "report.json", "exhibit.json", "report.html", "mechanism.svg"


def contents(
    report: Report, exhibit: Exhibit | None = None, path: str | None = None
) -> tuple[dict[str, str | bytes], tuple[str, ...]]:
    """File name -> content, and what could not be made, one sentence each. The first seed's circuit is drawn.
    `exhibit`: what the page shows beyond the report. `path`: the spec's file, which CI servers want to know."""
    files: dict[str, str | bytes] = {REPORT: report.to_json(), "badge.svg": badge(report)}
    if path is not None:
        files["junit.xml"] = junit(report, path)
    notes: list[str] = []
    picture = None
    shown = mechanism(report, exhibit)
    if shown is not None:
        files[MECHANISM] = mechanism_svg(shown, f"{report.spec}: {report.verdict.value}")
    if report.circuit is not None and report.circuit.per_seed[0].graph is not None:
        graph = report.circuit.plain_graph()
        title = f"{report.spec}: {report.verdict.value}"
        source = dot(graph, title, [words.circuit_line(report.circuit)], report.circuit.roles())
        origin = {"spec": report.spec, "seed": report.circuit.seeds[0], **_provenance(report)}
        files["circuit.json"] = json.dumps({**origin, **graph.to_data()}, indent=1, allow_nan=False) + "\n"
        files["circuit.dot"] = f"// {json.dumps(origin)}\n{source}"
        drawn = draw(source)
        if drawn.data is None:
            notes.append(drawn.note)
        else:
            files["circuit.svg"] = with_metadata(drawn.data.decode(), json.dumps(origin))
            picture = "circuit.svg"
    files["report.md"] = markdown(report, picture, shown)
    if exhibit is not None:
        files[EXHIBIT] = exhibit.to_json()
    files[PAGE] = page(report, exhibit)
    return files, tuple(notes)


def _provenance(report: Report) -> dict[str, Any]:
    return {"provenance": report.provenance.model_dump(mode="json")}


def with_metadata(svg: str, text: str) -> str:
    """A picture that carries a text where viewers do not show it: in the `metadata` element of SVG."""
    head = re.search(r"<svg\b[^>]*>", svg)
    if head is None:
        return svg
    return f"{svg[: head.end()]}\n<metadata>{escape(text)}</metadata>{svg[head.end() :]}"


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> tuple[Path, ...]:
    """Writes files into a folder, made if need be: all of them or none. Of each, a reader sees the old one or the new
    one, never a part.

    CommandError, in one sentence, where that is impossible: `folder` is a file, may not be written to, is full.
    """
    for name in files:
        if name in ("", ".", "..") or any(mark in name for mark in "/\\\0"):
            raise AssertionError(f"not the name of a file: {name!r}")
    for path in (folder, *folder.parents):
        if path.is_file():
            raise CommandError(f"cannot write to the folder {folder}: {path} is a file")
    placed = {folder / name: content for name, content in files.items()}
    for path in placed:
        if path.is_dir():
            raise CommandError(f"cannot write {path}: it is a folder")
    write_all(placed)
    return tuple(placed)
