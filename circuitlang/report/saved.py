"""The path of a report, a lock or a run's folder -> the reports in it by spec; or its page, made if need be."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from circuitlang.report.exhibit import Exhibit
from circuitlang.report.lock import read_lock
from circuitlang.report.page.compare import compare_page
from circuitlang.report.page.write import page
from circuitlang.report.report import Report
from circuitlang.report.report_folder import EXHIBIT, PAGE, REPORT, write_files
from circuitlang.source.diagnostic import CommandError, reason_of
from circuitlang.storage.atomic import read_text, read_whole


def read_reports(path: Path) -> Mapping[str, Report]:
    """Raises CommandError, in one sentence, for what is missing, of another version, or not as it was written."""
    path = path / "report.json" if path.is_dir() else path
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read {path}: {reason_of(error)}") from None
    if path.suffix == ".lock" or '"checksum": ' in text.partition("\n")[0]:
        return {name: found.report for name, found in read_lock(path).specs.items()}
    report = read_report(path, text)
    return {report.spec: report}


def read_report(path: Path, text: str) -> Report:
    """`text`: what `path` holds."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise CommandError(f"{path} is neither a report nor a lock: it is not JSON") from None
    known = Report.model_fields["schema_version"].default
    version = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise CommandError(f"{path} is neither a report nor a lock: it has no `schema`")
    if version != known:
        raise CommandError(
            f"{path} is a report of version {version}, and this circuitlang reads version {known}"
        )
    try:
        report = Report.model_validate(data)
    except ValueError as error:
        said = " ".join(str(error).split("\n", 3)[1:3])
        raise CommandError(f"{path} is not as it was written: {said}") from None
    wrong = _inconsistent(report)
    if wrong:
        raise CommandError(f"{path} was edited: {wrong}")
    return report


def _inconsistent(report: Report) -> str:
    """What a report says of its circuits against their nodes and edges: a check writes both from one graph."""
    for circuit in report.per_seed:
        if circuit.graph is None:
            continue
        counted = (circuit.graph.node_count, circuit.graph.edge_count)
        if counted != (circuit.nodes, circuit.edges):
            said = f"{circuit.nodes} nodes and {circuit.edges} edges"
            return f"seed {circuit.seed} is said to have {said}, and has {counted[0]} and {counted[1]}"
    return ""


COMPARISON = "compared.html"
_Kind = TypeVar("_Kind", Report, Exhibit)


def page_of(path: Path) -> Path:
    """The page of a report.json, of a folder that holds one, or itself. Made where there is none, or where the report
    or the exhibit is newer. Raises CommandError for anything else."""
    if path.suffix == ".html" and path.is_file():
        return path
    report = path / REPORT if path.is_dir() else path
    if not report.is_file():
        where = f"there is no {REPORT} in {path}" if path.is_dir() else f"there is no file {path}"
        raise CommandError(f"{where}; `circuitlang check SPEC` writes one")
    exhibit = report.with_name(EXHIBIT)
    target = report.with_name(PAGE) if report.name == REPORT else report.with_suffix(".html")
    sources = [source for source in (report, exhibit) if source.is_file()]
    if not target.is_file() or any(source.stat().st_mtime > target.stat().st_mtime for source in sources):
        shown = _read(exhibit, Exhibit) if exhibit.is_file() else None
        write_files(target.parent, {target.name: page(_read(report, Report), shown)})
    return target


def comparison_of(old: Path, new: Path) -> Path:
    """The page that says what moved between two of which `page_of` makes pages; written beside the second one, and with
    links to both. CommandError where one is no report or the two are about different tasks."""
    pages = [page_of(path).resolve() for path in (old, new)]
    paths = [page.with_name(REPORT) if page.name == PAGE else page.with_suffix(".json") for page in pages]
    before, after = (_read(path, Report) for path in paths)
    links = [quote(os.path.relpath(page, pages[1].parent)) for page in pages]
    target = pages[1].with_name(COMPARISON)
    write_files(target.parent, {target.name: compare_page(before, after, links[0], links[1])})
    return target


def _read(path: Path, kind: type[_Kind]) -> _Kind:
    try:
        return kind.from_json(read_whole(path))
    except OSError as error:
        raise CommandError(f"cannot read {path}: {reason_of(error)}") from error
    except (ValueError, RecursionError) as error:
        what = "a report" if kind is Report else "an exhibit"
        raise CommandError(
            f"{path} is not {what} of this version of circuitlang: {reason_of(error)}"
        ) from error
