"""Text -> syntax tree, within limits of size and nesting; syntax mistakes explained by example."""

from __future__ import annotations

import re
from contextlib import suppress
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from lark import Lark, Token, UnexpectedInput, v_args
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive

from circuitlang.language.syntax import mistakes, strings, tree
from circuitlang.language.syntax.comments import attach
from circuitlang.language.syntax.strings import QUOTED
from circuitlang.source.diagnostic import Diagnostic, ProgramError, Source, Span
from circuitlang.storage.cache import default_folder, distrusted

# A new rule needs a class of its name in tree.py, and nothing here.

_SUFFIX = {"K": 10**3, "M": 10**6, "G": 10**9}
_MAX_DIGITS = 18


class Build(Transformer_NonRecursive[Token, tree.File]):
    """Of one text. `found`: what is wrong with its names, texts and numbers. Not by recursion: groups nest deeply."""

    def __init__(self, source: Source, keywords: frozenset[str]) -> None:
        super().__init__(visit_tokens=False)
        self._source = source
        self._keywords = keywords
        self.found: list[Diagnostic] = []

    def __default__(self, data: str, children: list[Any], meta: Meta) -> Any:
        parts = [str(part) if isinstance(part, Token) else part for part in children]
        return _class(data)(*parts, span=self._whole(meta))

    def _whole(self, meta: Meta) -> Span:
        return Span(self._source, 0, 0) if meta.empty else Span(self._source, meta.start_pos, meta.end_pos)

    def _at(self, token: Token) -> Span:
        start = token.start_pos or 0
        return Span(self._source, start, start + len(token))

    def many(self, parts: list[Any]) -> tuple[Any, ...]:
        return tuple(part for part in parts if part is not None)

    def file(self, parts: list[Any]) -> tree.File:
        return tree.File(*parts, span=Span(self._source, 0, len(self._source.text)))

    def name(self, parts: list[Token]) -> tree.Name:
        span = self._at(parts[0])
        if parts[0] in self._keywords:
            self.found.append(mistakes.keyword_as_name(span))
        return tree.Name(str(parts[0]), span=span)

    @v_args(meta=True)
    def role(self, meta: Meta, parts: list[Any]) -> tree.Role:
        name, group, *rest = parts
        return tree.Role(name, group is not None, *rest, span=self._whole(meta))

    @v_args(meta=True)
    def answer(self, meta: Meta, parts: list[Any]) -> tree.Answer:
        return tree.Answer(parts[0] is not None, parts[1], span=self._whole(meta))

    @v_args(meta=True)
    def intervention(self, meta: Meta, parts: list[Any]) -> tree.Intervention:
        kind, each, *rest = parts
        return tree.Intervention(kind, each is not None, *rest, span=self._whole(meta))

    def doc(self, parts: list[Token]) -> tree.Doc:
        span, decoded = self._decoded(parts[0])
        return tree.Doc(decoded.text, decoded.triple, span=span)

    def string(self, parts: list[Token]) -> tree.String:
        span, decoded = self._decoded(parts[0])
        return tree.String(decoded.text, decoded.triple, span=span)

    def template(self, parts: list[Token]) -> tree.Template:
        span, decoded = self._decoded(parts[0])
        pieces, found = strings.holes(decoded, span)
        self.found += found
        return tree.Template(pieces, decoded.triple, span=span)

    def _decoded(self, token: Token) -> tuple[Span, strings.Decoded]:
        span = self._at(token)
        decoded, found = strings.decode(span)
        self.found += found
        return span, decoded

    def int(self, parts: list[Token]) -> tree.Int:
        (text,) = parts
        span = self._at(text)
        return tree.Int(self._digits(text.rstrip("KMG"), span) * _SUFFIX.get(text[-1], 1), span=span)

    def float(self, parts: list[Token]) -> tree.Float:
        span = self._at(parts[0])
        value = float(parts[0])
        if abs(value) == float("inf"):
            self.found.append(mistakes.bad_number(span, "this number is too large"))
            value = 0.0
        return tree.Float(value + 0.0, span=span)

    def fraction(self, parts: list[Token]) -> tree.Fraction:
        span = self._at(parts[0])
        above, below = (self._digits(text, span) for text in parts[0].split("/"))
        if below == 0:
            self.found.append(mistakes.bad_number(span, "a fraction cannot be over 0"))
        return tree.Fraction(Fraction(above, below or 1), span=span)

    def percent(self, parts: list[Token]) -> tree.Percent:
        span = self._at(parts[0])
        text = parts[0][:-1]
        share = Fraction(0) if self._digits(text.replace(".", ""), span) == 0 else Fraction(text) / 100
        return tree.Percent(share, span=span)

    def _digits(self, text: str, span: Span) -> Any:
        """Python refuses to read integers of thousands of digits; nobody needs more than a few."""
        if len(text.lstrip("-")) > _MAX_DIGITS:
            self.found.append(mistakes.bad_number(span, f"this number has more than {_MAX_DIGITS} digits"))
            return 0
        return int(text)


@cache
def _class(rule: str) -> type[tree.Node]:
    """The class of a rule's nodes."""
    return getattr(tree, "".join(part.capitalize() for part in rule.split("_")))


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
