"""Text -> syntax tree; syntax mistakes explained by example."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from circuitlang.source import Diagnostic, ProgramError, Source
from circuitlang.syntax import tree
from circuitlang.syntax.build import Build, reductions
from circuitlang.syntax.comments import attach
from circuitlang.syntax.lalr import Refused, keywords, reader
from circuitlang.syntax.limits import limits
from circuitlang.syntax.tables import tables

if TYPE_CHECKING:
    from lark import Lark

__all__ = ["built", "grammar", "keywords", "parse"]


def parse(source: Source) -> tree.File:
    """The tree of a file. Raises ProgramError with every syntax mistake that could be told apart."""
    found = limits(source)
    if found:
        raise ProgramError(found)
    try:
        file, found = built(source.text, source)
    except Refused as refused:
        raise _explained(source, refused) from None
    if found:
        raise ProgramError(found)
    return attach(file, source)


def built(text: str, source: Source) -> tuple[tree.File, list[Diagnostic]]:
    """The tree of a text without its comments, and what is wrong inside its tokens; spans are those of `source`.
    Raises Refused."""
    build = Build(source)
    return reader().read(text, reductions(), build), build.found


@cache
def grammar() -> Lark:
    """Lark's parser of the grammar. Made at the first mistake, once: it never changes."""
    from circuitlang.syntax.explain import lark_of

    return lark_of(tables())


def _explained(source: Source, refused: Refused) -> ProgramError:
    """Every mistake of a text that was refused. Only this needs Lark."""
    from lark import UnexpectedInput

    from circuitlang.syntax.explain import resume
    from circuitlang.syntax.recover import all_mistakes

    try:
        resume(grammar(), source.text, refused)
    except UnexpectedInput as error:
        return ProgramError(all_mistakes(grammar(), source, error))
    raise AssertionError("a text is refused without a reason")
