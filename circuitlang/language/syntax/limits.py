"""What is refused before it is parsed: large files, hidden order, nesting that a recursive reader cannot follow."""

from __future__ import annotations

import re
from itertools import islice

from circuitlang.language.syntax import mistakes
from circuitlang.language.syntax.strings import QUOTED
from circuitlang.source.diagnostic import Diagnostic, Source, Span

MAX_BYTES = 1 << 18  # some two seconds of parsing
MAX_NESTING = 64

MAX_HIDDEN = 20  # characters that reorder a line, reported of one file

_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # embeddings, overrides and isolates
_NESTING = re.compile(QUOTED + r"|\#[^\n]*|(?P<paren>[()])", re.S)


def limits(source: Source) -> list[Diagnostic]:
    """Very large files, lines that would be shown in another order, or nesting: the first of these that is there."""
    if len(source.text) > MAX_BYTES or len(source.text.encode("utf-8", "replace")) > MAX_BYTES:
        return [mistakes.too_large(Span(source, 0, 0), MAX_BYTES)]
    hidden = islice(_REORDERING.finditer(source.text), MAX_HIDDEN)
    if found := [mistakes.reorders(Span(source, *match.span())) for match in hidden]:
        return found
    depth = 0
    for match in _NESTING.finditer(source.text):
        depth += {"(": 1, ")": -1}.get(match["paren"] or "", 0)
        if depth > MAX_NESTING:
            return [mistakes.too_deep(Span(source, *match.span()), MAX_NESTING)]
    return []
