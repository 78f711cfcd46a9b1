"""Diagnostics -> what is printed of them: text with colours, one line each, annotations of GitHub Actions, or JSON.

What a program's author wrote can neither colour, move, reorder or hide anything here, nor command a CI runner.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from circuitlang.report.escape import harmless_to_ci, no_command, visible, workflow_command
from circuitlang.source.diagnostic import Diagnostic, Source, Span

SCHEMA = 1
"""Version of the JSON: another number when a field goes away or changes its meaning. docs/diagnostics.schema.json."""

_ANSI = {
    "place": "1;34",
    "error": "1;31",
    "warning": "1;33",
    "message": "1",
    "related": "1;34",
    "help": "1;36",
}


def text(diagnostics: Sequence[Diagnostic], colour: bool = False) -> str:
    """Every message with its source lines, and how many mistakes there are."""
    shown = "\n\n".join(_coloured(each) if colour else each.render() for each in diagnostics)
    count = sum(each.severity == "error" for each in diagnostics)
    first = next((each.code for each in diagnostics if each.severity == "error"), "")
    more = f"`circuitlang explain {first}` says more"
    summary = f"\n{count} mistake{'s' * (count != 1)} found; {more}.\n" if count else "\n"
    return harmless_to_ci(f"{shown}\n{summary}") if diagnostics else ""


def _coloured(diagnostic: Diagnostic) -> str:
    parts = ((part, _ANSI.get(style)) for part, style in diagnostic.pieces())
    return "".join(f"\x1b[{code}m{part}\x1b[0m" if code and part.strip() else part for part, code in parts)


def concise(diagnostics: Sequence[Diagnostic]) -> str:
    """`path:line:column: CIR-030 message`, a line each."""
    return "".join(f"{_concise(each)}\n" for each in diagnostics)


def _concise(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    warning = "warning: " if diagnostic.severity == "warning" else ""
    said = f"{path(span.source)}:{span.line}:{span.column}: {diagnostic.code} {warning}{diagnostic.message}"
    return harmless_to_ci(visible(said))


def sentence(diagnostic: Diagnostic) -> str:
    """The message, the other places that it speaks of, and the advice, in one go."""
    places = [f"{words}: {path(span.source)}:{span.line}:{span.column}" for span, words in diagnostic.related]
    said = f"{diagnostic.message} ({'; '.join(places)})" if places else diagnostic.message
    return f"{said}; {diagnostic.hint}" if diagnostic.hint else said


def github(diagnostics: Sequence[Diagnostic]) -> str:
    """An annotation each, titled with the code."""
    return "".join(f"{_annotation(each)}\n" for each in diagnostics)


def _annotation(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    end = Span(span.source, span.end, span.end)
    place: dict[str, object] = {"file": path(span.source), "line": span.line, "endLine": end.line}
    if end.line == span.line:  # columns are only understood within one line
        place |= {"col": span.column, "endColumn": max(end.column, span.column + 1)}
    return workflow_command(diagnostic.severity, {**place, "title": diagnostic.code}, sentence(diagnostic))


def json_text(diagnostics: Sequence[Diagnostic]) -> str:
    """A document of docs/diagnostics.schema.json, in ASCII."""
    data = {
        "schema": SCHEMA,
        "errors": sum(each.severity == "error" for each in diagnostics),
        "warnings": sum(each.severity == "warning" for each in diagnostics),
        "diagnostics": [_data(each) for each in diagnostics],
    }
    return no_command(json.dumps(data, indent=1), r"\u005b") + "\n"


def _data(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        **_place(diagnostic.span),
        "related": [{"message": words, **_place(span)} for span, words in diagnostic.related],
    }


def _place(span: Span) -> dict[str, Any]:
    end = Span(span.source, span.end, span.end)
    return {
        "file": path(span.source),
        "start": {"line": span.line, "column": span.column, "offset": span.start},
        "end": {"line": end.line, "column": end.column, "offset": span.end},
    }


def path(source: Source) -> str:
    """A file by its path below the current folder, with slashes; otherwise as messages call it."""
    if source.path is not None:
        here = Path.cwd()
        file = here / source.path
        if file.is_relative_to(here) and ".." not in file.parts:
            return file.relative_to(here).as_posix()
    return source.name
