"""Text -> syntax tree, within limits of size and nesting; syntax mistakes explained by example."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path

from lark import Lark, UnexpectedInput

from circuitlang.language.syntax import mistakes, tree
from circuitlang.language.syntax.build import Build
from circuitlang.language.syntax.comments import attach
from circuitlang.language.syntax.strings import QUOTED
from circuitlang.source.diagnostic import Diagnostic, ProgramError, Source, Span
from circuitlang.storage.cache import default_folder, distrusted

GRAMMAR = Path(__file__).with_name("grammar.lark")
START = "file"


def parse(source: Source) -> tree.File:
    """The tree of a file. Raises ProgramError with every syntax mistake that could be told apart."""
    found = limits(source)
    if found:
        raise ProgramError(found)
    try:
        file, found = built(source.text, source)
    except UnexpectedInput as error:
        from circuitlang.language.syntax.recover import all_mistakes

        raise ProgramError(all_mistakes(grammar(), source, error)) from None
    if found:
        raise ProgramError(found)
    return attach(file, source)


def built(text: str, source: Source) -> tuple[tree.File, list[Diagnostic]]:
    """The tree of a text without its comments, and what is wrong inside its tokens; spans are those of `source`.
    Raises UnexpectedInput."""
    build = Build(source, keywords())
    return build.transform(grammar().parse(text)), build.found


@cache
def grammar() -> Lark:
    """Lark's parser. Made once and never changed; what Lark works out of the grammar, a pickle, lies in the user's
    cache folder, where nobody else could have written it."""
    folder = default_folder()
    if folder is not None:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
    own = folder is not None and not distrusted(folder)
    return Lark(
        GRAMMAR.read_text(encoding="utf-8"),
        parser="lalr",
        start=START,
        propagate_positions=True,
        maybe_placeholders=True,
        cache=str(folder / "grammar") if own and folder is not None else False,
    )


@cache
def keywords() -> frozenset[str]:
    """Every word that the grammar reserves: those that its terminals end with `\\b`."""
    return frozenset(t.pattern.value[:-2] for t in grammar().terminals if t.pattern.value.endswith(r"\b"))


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
