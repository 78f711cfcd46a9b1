"""Checked expressions -> closures that append pieces of text and record which name made which.

Marks are kept as ranges of pieces while a page grows and turned into
characters once, at the end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import accumulate, groupby
from math import gcd, lcm
from typing import Protocol

from circuitlang.language.program.expression import Choice, Expression, Number, Ref, Repeat, Sequence, Text
from circuitlang.prompts.prompt import Mark
from circuitlang.prompts.stream import WORDS, Word
from circuitlang.prompts.unroll import Grammar, label

TABLE = 4096  # the largest table of equally likely entries that stands in for a weighted choice

Piece = tuple[str, int, int]  # a mark: name, first piece, piece after the last


class Scope(Protocol):
    """What the expressions of a case can ask for, beyond what all text can."""

    def use(self, name: str, tag: bytes, step: Step, page: Page) -> None:
        """Add the next use of a rule in this case to the page."""
        ...

    def binding(self, name: str, page: Page) -> None: ...


class Page:
    """A labelled text while it is being written. `values`: the finished pages of draws and params.
    `counts`: the params' integers, for repetitions. `marks`: (name, first piece, piece after the last),
    outer before inner."""

    __slots__ = ("counts", "marks", "pieces", "scope", "values")
    scope: Scope  # only a page of a case's own expressions has one

    def __init__(
        self,
        values: Mapping[str, Page],
        counts: Mapping[str, int],
        pieces: list[str] | None = None,
        marks: list[Piece] | None = None,
    ) -> None:
        self.values = values
        self.counts = counts
        self.pieces: list[str] = [] if pieces is None else pieces
        self.marks: list[Piece] = [] if marks is None else marks

    def text(self) -> str:
        return "".join(self.pieces)

    def insert(self, name: str, page: Page) -> None:
        """Add a finished page's text and marks, all of it under the mark `name`."""
        base = len(self.pieces)
        self.pieces += page.pieces
        self.marks.append((name, base, len(self.pieces)))
        if page.marks:
            self.marks += [(other, base + start, base + end) for other, start, end in page.marks]

    def expand(self, name: str, step: Step, word: Word) -> Part:
        """Add an expression's text under the mark `name`."""
        pieces, marks = self.pieces, self.marks
        start, place = len(pieces), len(marks)
        marks.append((name, start, start))
        step(pieces.append, word, self)
        marks[place] = (name, start, len(pieces))
        return self, place, len(marks)

    def repeat(self, part: Part) -> None:
        """Add once more what stands in a part of this page or another."""
        page, first, last = part
        _, start, end = page.marks[first]
        shift = len(self.pieces) - start
        self.pieces += page.pieces[start:end]
        self.marks += [(name, at + shift, to + shift) for name, at, to in page.marks[first:last]]

    def ranges(self) -> tuple[Mark, ...]:
        """The marks as characters [start, end); names that gave no text are left out."""
        at = list(accumulate(map(len, self.pieces), initial=0))
        new = tuple.__new__  # Mark's own constructor takes twice as long, and a prompt has a dozen
        return tuple([new(Mark, (name, at[a], at[b])) for name, a, b in self.marks if at[a] < at[b]])


Part = tuple[
    Page, int, int
]  # what stands under a mark: the page, the mark, and the mark after its inner ones
Append = Callable[[str], None]
Step = Callable[[Append, Word, Page], None]
Compiled = Step | str  # a string where the text is always the same
Refer = Callable[["Compiler", Ref], Compiled]


class Compiler:
    """Expressions of one grammar -> closures `(append, word, page)`. `refer` says what becomes of a name."""

    def __init__(self, grammar: Grammar, refer: Refer) -> None:
        self._grammar = grammar
        self._refer = refer
        self._rules: dict[str, Compiled] = {}

    def outside(self, expression: Expression) -> Compiled:
        """An expression that stands outside all rules."""
        return self.compile(self._grammar.unroll(expression))

    def rule(self, symbol: str) -> Compiled:
        """The closure of one copy of a rule, made once. All copies are made, inner ones first: one inside
        the other they would exhaust the stack sooner than the grammar does."""
        if symbol not in self._rules:
            for copy in self._grammar.copies():
                if copy not in self._rules:
                    self._rules[copy] = self.compile(self._grammar.body(copy))
        return self._rules[symbol]

    def compile(self, expression: Expression) -> Compiled:
        match expression:
            case Text(text):
                return text
            case Number(low, high):
                return _number(low, high)
            case Ref():
                return self._refer(self, expression)
            case Sequence(items):
                return _sequence([self.compile(item) for item in items])
            case Choice(options, weights):
                return _choice([self.compile(option) for option in options], weights)
            case Repeat(body, low, high, count, joiner):
                step = as_step(self.compile(body))
                return _repeat(step, low, high, joiner) if count is None else _counted(step, count, joiner)


def labelled(compiler: Compiler, ref: Ref) -> Compiled:
    """Names in labelled text leave a mark, and so do the names inside them."""
    name = label(ref.name)
    if ref.kind != "rule":
        return lambda append, word, page: page.insert(name, page.values[name])
    inner = as_step(compiler.rule(ref.name))

    def step(append: Append, word: Word, page: Page) -> None:
        page.expand(name, inner, word)

    return step


def as_step(compiled: Compiled) -> Step:
    if not isinstance(compiled, str):
        return compiled
    text = compiled

    def step(append: Append, word: Word, page: Page) -> None:
        append(text)

    return step


def _number(low: int, high: int) -> Compiled:
    count = high - low + 1
    if count <= TABLE:
        return _entries([str(value) for value in range(low, high + 1)])
    limit = WORDS - WORDS % count

    def step(append: Append, word: Word, page: Page) -> None:
        value = word()
        while value >= limit:
            value = word()
        append(str(low + value % count))

    return step


def _sequence(parts: list[Compiled]) -> Compiled:
    merged: list[Compiled] = []
    for constant, group in groupby(parts, lambda part: isinstance(part, str)):
        pieces = list(group)
        merged += ["".join(map(str, pieces))] if constant else pieces
    merged = [part for part in merged if part != ""]
    if len(merged) <= 1:
        return merged[0] if merged else ""
    steps = tuple(map(as_step, merged))
    if len(steps) == 2:
        first, second = steps

        def pair(append: Append, word: Word, page: Page) -> None:
            first(append, word, page)
            second(append, word, page)

        return pair

    def step(append: Append, word: Word, page: Page) -> None:
        for part in steps:
            part(append, word, page)

    return step


def _choice(options: list[Compiled], weights: tuple[float, ...]) -> Compiled:
    table = even(weights)
    if table is not None:
        return _entries([options[index] for index in table])
    steps = tuple(map(as_step, options))
    cumulative = list(accumulate(weights))
    total, last = cumulative[-1], len(cumulative) - 1

    def step(append: Append, word: Word, page: Page) -> None:
        place = (word() >> 11) * 2.0**-53 * total
        steps[bisect_right(cumulative, place, 0, last)](append, word, page)

    return step


def even(weights: tuple[float, ...]) -> list[int] | None:
    """Indices, each as often as its weight says, so that a uniform entry is a weighted choice; None if too
    long."""
    if min(weights) == max(weights):  # as nearly always: fractions are slow
        return list(range(len(weights))) if len(weights) <= TABLE else None
    shares = [Fraction(repr(weight)) for weight in weights]  # what was written: 0.1 is a tenth
    unit = lcm(*(share.denominator for share in shares))
    times = [int(share * unit) for share in shares]
    common = gcd(*times)
    if sum(times) > TABLE * common:
        return None
    return [index for index, n in enumerate(times) for _ in range(n // common)]


def _entries(entries: list[Compiled]) -> Compiled:
    """One of equally likely entries."""
    count = len(entries)
    if count == 1:
        return entries[0]
    limit = WORDS - WORDS % count
    texts = tuple(entry for entry in entries if isinstance(entry, str))
    if len(texts) == count:

        def pick(append: Append, word: Word, page: Page) -> None:
            value = word()
            while value >= limit:
                value = word()
            append(texts[value % count])

        return pick
    steps = tuple(map(as_step, entries))

    def step(append: Append, word: Word, page: Page) -> None:
        value = word()
        while value >= limit:
            value = word()
        steps[value % count](append, word, page)

    return step


def _repeat(body: Step, low: int, high: int, joiner: str) -> Compiled:
    count = high - low + 1
    limit = WORDS - WORDS % count
    if high == 0:
        return ""

    def step(append: Append, word: Word, page: Page) -> None:
        times = low
        if count > 1:
            value = word()
            while value >= limit:
                value = word()
            times += value % count
        _times(times, body, joiner, append, word, page)

    return step


def _counted(body: Step, name: str, joiner: str) -> Compiled:
    return lambda append, word, page: _times(page.counts[name], body, joiner, append, word, page)


def _times(times: int, body: Step, joiner: str, append: Append, word: Word, page: Page) -> None:
    if times < 1:
        return
    body(append, word, page)
    if joiner:
        for _ in range(times - 1):
            append(joiner)
            body(append, word, page)
    else:
        for _ in range(times - 1):
            body(append, word, page)
