"""Text -> syntax tree; syntax mistakes explained by example."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

from lark import Lark, UnexpectedInput

from circuitlang.language.syntax import tree
from circuitlang.language.syntax.build import Build
from circuitlang.language.syntax.comments import attach
from circuitlang.language.syntax.limits import limits
from circuitlang.source.diagnostic import Diagnostic, ProgramError, Source
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
