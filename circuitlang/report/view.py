"""A report on disk -> its page on disk, made if need be from what stands beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from circuitlang.report.exhibit import Exhibit
from circuitlang.report.files import EXHIBIT, PAGE, REPORT, write_files
from circuitlang.report.page.write import page
from circuitlang.report.report import Report
from circuitlang.source.diagnostic import CommandError, reason_of
from circuitlang.storage.atomic import read_whole

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
