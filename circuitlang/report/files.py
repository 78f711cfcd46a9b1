"""Report -> the files of a check's folder, each written whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from circuitlang.report import words
from circuitlang.report.badge import badge
from circuitlang.report.diagram import dot
from circuitlang.report.exhibit import Exhibit
from circuitlang.report.junit import junit
from circuitlang.report.markdown import markdown
from circuitlang.report.page.write import page
from circuitlang.report.render import draw
from circuitlang.report.report import Report
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import write_all

REPORT, EXHIBIT, PAGE = "report.json", "exhibit.json", "report.html"


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
    files["report.md"] = markdown(report, picture)
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
