"""What is refused before it is parsed: very large files, and nesting that a recursive reader cannot follow."""

from __future__ import annotations

import re

from circuitlang.source import Diagnostic, Source, Span
from circuitlang.syntax import mistakes
from circuitlang.syntax.strings import QUOTED

MAX_BYTES = 1 << 20
MAX_NESTING = 64

_NESTING = re.compile(QUOTED + r"|\#[^\n]*|(?P<paren>[()])", re.S)


def limits(source: Source) -> list[Diagnostic]:
    """One diagnostic, or none."""
    if len(source.text) > MAX_BYTES or len(source.text.encode("utf-8", "replace")) > MAX_BYTES:
        return [mistakes.too_large(Span(source, 0, 0), MAX_BYTES)]
    depth = 0
    for match in _NESTING.finditer(source.text):
        depth += {"(": 1, ")": -1}.get(match["paren"] or "", 0)
        if depth > MAX_NESTING:
            return [mistakes.too_deep(Span(source, *match.span()), MAX_NESTING)]
    return []
