"""What each rule of the grammar builds: `hold_out` a `tree.HoldOut(*parts, span=…)`, `many` a tuple.

A new rule needs a class of its name in tree.py, and nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar

from circuitlang.source import Diagnostic, Source, Span
from circuitlang.syntax import mistakes, strings, tree
from circuitlang.syntax.lalr import ANY, GROW, ONE, SAME, Make, Reduction, keywords
from circuitlang.syntax.tables import Rule, tables

_SUFFIX = {"K": 10**3, "M": 10**6, "G": 10**9}
_MAX_DIGITS = 18
_N = TypeVar("_N", bound=tree.Node)


class Build:
    """What the makers need of the text that is read. `found`: what is wrong with names, texts and numbers."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.keywords = keywords()
        self.found: list[Diagnostic] = []

    def decoded(self, start: int, end: int) -> tuple[Span, strings.Decoded]:
        span = Span(self.source, start, end)
        decoded, found = strings.decode(span)
        self.found += found
        return span, decoded

    def digits(self, text: str, span: Span) -> int:
        """Python refuses to read integers of thousands of digits; nobody needs more than a few."""
        if len(text.lstrip("-")) > _MAX_DIGITS:
            self.found.append(mistakes.bad_number(span, f"this number has more than {_MAX_DIGITS} digits"))
            return 0
        return int(text)


@cache
def reductions() -> list[Reduction]:
    """What the reader does at each rule: that of rule r stands at -1 - r."""
    return [_reduction(rule) for rule in reversed(tables().rules)]


@cache
def recognition() -> list[Reduction]:
    """The same for whoever wants to know only whether a text is well formed."""
    return [(ANY, len(rule.symbols), rule.origin, (), (), None) for rule in reversed(tables().rules)]


def _reduction(rule: Rule) -> Reduction:
    size = len(rule.symbols)
    kept: list[int | None] = []
    joined: list[int] = []
    symbols = iter(range(size))
    for left_out in rule.empty or (False,) * size:
        if left_out:
            kept.append(None)
            continue
        place = next(symbols)
        symbol = rule.symbols[place]
        if symbol.startswith("__"):
            joined.append(size - 1 - place)
        if symbol.startswith("__") or rule.keeps_tokens or not symbol.startswith("_"):
            kept.append(size - 1 - place)
    make = _maker(rule, kept)
    way = ANY
    if size == 1 and (make is _only or (make is None and joined)):
        way = SAME
    elif size == 1 and (make is _many or not joined):
        way = ONE
        make = _whole if joined else make
    elif make is None and joined == [size - 1] and kept == [size - 1, 0]:
        way = GROW
    return way, size, rule.origin, tuple(kept), tuple(joined), make


def _maker(rule: Rule, kept: list[int | None]) -> Make | None:
    name = rule.alias or rule.origin
    if name.startswith("__"):
        return None
    if rule.inlined and len(kept) == 1:
        return _only
    return _MAKERS.get(name) or _node("".join(part.capitalize() for part in name.split("_")))


def _node(name: str) -> Make:
    kind: type[tree.Node] = getattr(tree, name)
    names = [each.name for each in fields(kind) if not each.kw_only]

    def make(build: Build, parts: list[Any], start: int, end: int) -> tree.Node:
        node = kind.__new__(kind)
        node.__dict__.update(zip(names, parts, strict=True), span=Span(build.source, start, end))
        return node

    return make


def _new(kind: type[_N], **values: object) -> _N:
    """What `kind(…)` does, without looking for mistakes of ours."""
    node = kind.__new__(kind)
    node.__dict__.update(values)
    return node


def _only(_: Build, parts: list[Any], _start: int, _end: int) -> Any:
    return parts[0]


def _many(_: Build, parts: list[Any], _start: int, _end: int) -> tuple[Any, ...]:
    return tuple([part for part in parts if part is not None])


def _whole(_: Build, parts: list[Any], _start: int, _end: int) -> tuple[Any, ...]:
    return tuple([part for part in parts[0] if part is not None])


def _file(build: Build, parts: list[Any], _start: int, _end: int) -> tree.File:
    return tree.File(*parts, span=Span(build.source, 0, len(build.source.text)))


def _name(build: Build, parts: list[Any], start: int, end: int) -> tree.Name:
    span = Span(build.source, start, end)
    if parts[0] in build.keywords:
        build.found.append(mistakes.keyword_as_name(span))
    return _new(tree.Name, text=parts[0], span=span)


def _role(build: Build, parts: list[Any], start: int, end: int) -> tree.Role:
    name, group, *rest = parts
    return tree.Role(name, group is not None, *rest, span=Span(build.source, start, end))


def _answer(build: Build, parts: list[Any], start: int, end: int) -> tree.Answer:
    return tree.Answer(parts[0] is not None, parts[1], span=Span(build.source, start, end))


def _intervention(build: Build, parts: list[Any], start: int, end: int) -> tree.Intervention:
    kind, each, *rest = parts
    return tree.Intervention(kind, each is not None, *rest, span=Span(build.source, start, end))


def _doc(build: Build, _: list[Any], start: int, end: int) -> tree.Doc:
    span, decoded = build.decoded(start, end)
    return tree.Doc(decoded.text, decoded.triple, span=span)


def _string(build: Build, parts: list[Any], start: int, end: int) -> tree.String:
    raw: str = parts[0]
    if "\\" not in raw and raw[:3] != '"""':
        return _new(tree.String, text=raw[1:-1], span=Span(build.source, start, end))
    span, decoded = build.decoded(start, end)
    return tree.String(decoded.text, decoded.triple, span=span)


def _template(build: Build, _: list[Any], start: int, end: int) -> tree.Template:
    span, decoded = build.decoded(start, end)
    pieces, found = strings.holes(decoded, span)
    build.found += found
    return tree.Template(pieces, decoded.triple, span=span)


def _int(build: Build, parts: list[Any], start: int, end: int) -> tree.Int:
    span = Span(build.source, start, end)
    text: str = parts[0]
    return tree.Int(build.digits(text.rstrip("KMG"), span) * _SUFFIX.get(text[-1], 1), span=span)


def _float(build: Build, parts: list[Any], start: int, end: int) -> tree.Float:
    span = Span(build.source, start, end)
    value = float(parts[0])
    if abs(value) == float("inf"):
        build.found.append(mistakes.bad_number(span, "this number is too large"))
        value = 0.0
    return tree.Float(value + 0.0, span=span)


def _fraction(build: Build, parts: list[Any], start: int, end: int) -> tree.Fraction:
    span = Span(build.source, start, end)
    above, below = (build.digits(text, span) for text in parts[0].split("/"))
    if below == 0:
        build.found.append(mistakes.bad_number(span, "a fraction cannot be over 0"))
    return tree.Fraction(Fraction(above, below or 1), span=span)


def _percent(build: Build, parts: list[Any], start: int, end: int) -> tree.Percent:
    span = Span(build.source, start, end)
    text: str = parts[0][:-1]
    share = Fraction(0) if build.digits(text.replace(".", ""), span) == 0 else Fraction(text) / 100
    return tree.Percent(share, span=span)


_MAKERS: Mapping[str, Make] = {
    "many": _many, "file": _file, "name": _name, "role": _role, "answer": _answer, "doc": _doc,
    "intervention": _intervention, "string": _string, "template": _template, "int": _int, "float": _float,
    "fraction": _fraction, "percent": _percent,
}  # fmt: skip
