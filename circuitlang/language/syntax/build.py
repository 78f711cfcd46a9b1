"""Lark's tree of a text -> the syntax tree: rule `hold_out` becomes a `tree.HoldOut(*parts, span=…)`, `many` a tuple.

A new rule needs a class of its name in tree.py, and nothing here.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

from lark import Token, v_args
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive

from circuitlang.language.syntax import mistakes, strings, tree
from circuitlang.source.diagnostic import Diagnostic, Source, Span

_SUFFIX = {"K": 10**3, "M": 10**6, "G": 10**9}
_MAX_DIGITS = 18


class Build(Transformer_NonRecursive):
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
