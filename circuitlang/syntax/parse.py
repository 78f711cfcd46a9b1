"""Text -> syntax tree; syntax mistakes explained by example."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer, Tree, UnexpectedInput, v_args

from circuitlang.source import Diagnostic, ProgramError, Source, Span
from circuitlang.syntax import mistakes, strings, tree
from circuitlang.syntax.comments import attach
from circuitlang.syntax.recover import all_mistakes, limits

_SUFFIX = {"K": 10**3, "M": 10**6, "G": 10**9}
_MAX_DIGITS = 18


def parse(source: Source) -> tree.File:
    """The tree of a file. Raises ProgramError with every syntax mistake that could be told apart."""
    found = limits(source)
    if found:
        raise ProgramError(found)
    try:
        concrete = grammar().parse(source.text)
    except UnexpectedInput as error:
        raise ProgramError(all_mistakes(grammar(), source, error)) from None
    file, found = built(concrete, source)
    if found:
        raise ProgramError(found)
    return attach(file, source)


def built(concrete: Tree[Any], source: Source) -> tuple[tree.File, list[Diagnostic]]:
    """The parser's result -> the tree without its comments, and what is wrong inside its tokens."""
    build = _Build(source)
    return build.transform(concrete), build.found


@cache
def grammar() -> Lark:
    """The parser of grammar.lark. Built at the first use, once: it never changes."""
    text = files("circuitlang.syntax").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", start="file", propagate_positions=True, maybe_placeholders=True)


@cache
def keywords() -> frozenset[str]:
    """Every word that the grammar reserves."""
    patterns = [terminal.pattern.value for terminal in grammar().terminals]
    return frozenset(pattern[:-2] for pattern in patterns if pattern.endswith(r"\b"))


def _camel(rule: str) -> str:
    return "".join(part.capitalize() for part in rule.split("_"))


class _Build(Transformer):
    """Rule `hold_out` builds `tree.HoldOut(*parts, span=…)`. A new rule needs a class of that name, nothing
    here."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self.found: list[Diagnostic] = []

    def __default__(self, data: str, children: list[Any], meta: Any) -> Any:
        make: Callable[..., tree.Node] = getattr(tree, _camel(data))
        parts = [bool(part) if isinstance(part, Token) and part.type in _FLAGS else part for part in children]
        return make(*parts, span=self._span(meta))

    def _span(self, meta: Any) -> Span:
        if meta.empty:
            return Span(self._source, 0, 0)
        return Span(self._source, meta.start_pos, meta.end_pos)

    def _token(self, token: Token) -> Span:
        start = token.start_pos or 0
        return Span(self._source, start, start + len(token))

    def many(self, parts: list[Any]) -> tuple[Any, ...]:
        return tuple(part for part in parts if part is not None)

    @v_args(meta=True)
    def file(self, meta: Any, parts: list[Any]) -> tree.File:
        return tree.File(*parts, span=Span(self._source, 0, len(self._source.text)))

    def name(self, parts: list[Token]) -> tree.Name:
        span = self._token(parts[0])
        if span.text in keywords():
            self.found.append(mistakes.keyword_as_name(span))
        return tree.Name(str(parts[0]), span=span)

    def key(self, parts: list[Token]) -> tree.Key:
        return tree.Key(str(parts[0]), span=self._token(parts[0]))

    def hop(self, parts: list[Any]) -> tree.Hop:
        span = self._token(parts[0])
        return tree.Hop(str(parts[0]), parts[1], span=Span(self._source, span.start, parts[1].span.end))

    @v_args(meta=True)
    def role(self, meta: Any, parts: list[Any]) -> tree.Role:
        name, group, *rest = parts
        return tree.Role(name, group is not None, *rest, span=self._span(meta))

    @v_args(meta=True)
    def answer(self, meta: Any, parts: list[Any]) -> tree.Answer:
        return tree.Answer(parts[0] is not None, parts[1], span=self._span(meta))

    @v_args(meta=True)
    def intervention(self, meta: Any, parts: list[Any]) -> tree.Intervention:
        kind, each, *rest = parts
        return tree.Intervention(kind, each is not None, *rest, span=self._span(meta))

    @v_args(meta=True)
    def claim(self, meta: Any, parts: list[Any]) -> tree.Claim:
        name, left, relation, right = parts
        return tree.Claim(name, left, str(relation), right, span=self._span(meta))

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
        span = self._token(token)
        decoded, found = strings.decode(span)
        self.found += found
        return span, decoded

    def int(self, parts: list[Token]) -> tree.Int:
        text = str(parts[0])
        scale = _SUFFIX.get(text[-1], 1)
        return tree.Int(self._digits(parts[0], text.rstrip("KMG")) * scale, span=self._token(parts[0]))

    def float(self, parts: list[Token]) -> tree.Float:
        value = float(parts[0])
        if abs(value) == float("inf"):
            self.found.append(mistakes.bad_number(self._token(parts[0]), "this number is too large"))
            value = 0.0
        return tree.Float(value + 0.0, span=self._token(parts[0]))

    def fraction(self, parts: list[Token]) -> tree.Fraction:
        above, below = (self._digits(parts[0], text) for text in str(parts[0]).split("/"))
        if below == 0:
            self.found.append(mistakes.bad_number(self._token(parts[0]), "a fraction cannot be over 0"))
        return tree.Fraction(Fraction(above, below or 1), span=self._token(parts[0]))

    def percent(self, parts: list[Token]) -> tree.Percent:
        text = str(parts[0])[:-1]
        share = Fraction(0) if self._digits(parts[0], text.replace(".", "")) == 0 else Fraction(text) / 100
        return tree.Percent(share, span=self._token(parts[0]))

    def _digits(self, token: Token, text: str) -> int:
        """Python refuses to read integers of thousands of digits; nobody needs more than a few."""
        if len(text.lstrip("-")) > _MAX_DIGITS:
            message = f"this number has more than {_MAX_DIGITS} digits"
            self.found.append(mistakes.bad_number(self._token(token), message))
            return 0
        return int(text)


_FLAGS = frozenset({"NOT", "PLUS", "EACH"})
