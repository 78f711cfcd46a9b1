"""A draw's body -> the list of its choices, and picking among them without the ones already taken."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import accumulate, product

from circuitlang.language.program.expression import Choice, Expression, Number, Ref, Sequence, Text
from circuitlang.prompts.expand import Page, Piece, even
from circuitlang.prompts.stream import TRIES, WORDS, Stream
from circuitlang.prompts.unroll import Grammar, label

LISTED = 20_000  # a body with more choices is expanded instead of listed

Entry = tuple[tuple[str, ...], tuple[Piece, ...], float]  # pieces, marks, chance


class Choices:
    """Texts, all different, with their weights. Each is a finished page, marks of inner names included."""

    __slots__ = ("_cumulative", "_limit", "_rows", "pages", "texts", "weights")

    def __init__(self, entries: Iterable[Entry]) -> None:
        pages: dict[str, Page] = {}
        weights: dict[str, float] = {}
        for pieces, marks, weight in entries:
            page = Page({}, {}, list(pieces), list(marks))
            pages.setdefault(page.text(), page)
            weights[page.text()] = weights.get(page.text(), 0.0) + weight
        self.texts = tuple(pages)
        self.pages = tuple(pages.values())
        self.weights = tuple(weights.values())
        table = even(self.weights) if pages else []
        self._rows = None if table is None else [(self.texts[i], self.pages[i]) for i in table]
        self._limit = WORDS - WORDS % max(1, len(table or ()))
        self._cumulative = list(accumulate(self.weights))

    def __len__(self) -> int:
        return len(self.texts)

    def mean_length(self) -> float:
        """The mean number of characters of a pick."""
        total = sum(len(text) * weight for text, weight in zip(self.texts, self.weights, strict=True))
        return total / sum(self.weights)

    def only(self, texts: Collection[str]) -> Choices:
        """The choices with these texts, at the same relative weights."""
        return Choices(
            (tuple(page.pieces), tuple(page.marks), weight)
            for text, page, weight in zip(self.texts, self.pages, self.weights, strict=True)
            if text in texts
        )

    @property
    def table(self) -> tuple[str, ...] | None:
        """The texts, each as often as its weight says, where that is a short list."""
        return None if self._rows is None else tuple(text for text, _ in self._rows)

    def pick(self, stream: Stream, taken: Collection[str], tries: int = TRIES) -> tuple[str, Page] | None:
        """One of the choices that are not taken, by weight; None when all are."""
        if not self.texts:
            return None
        rows, limit, word = self._rows, self._limit, stream.word
        for _ in range(tries):
            if rows is None:
                index = stream.weighted(self._cumulative)
                row = self.texts[index], self.pages[index]
            else:
                value = word()
                while value >= limit:
                    value = word()
                row = rows[value % len(rows)]
            if row[0] not in taken:
                return row
        left = [index for index, text in enumerate(self.texts) if text not in taken]
        if not left:
            return None
        index = left[stream.weighted(list(accumulate(self.weights[i] for i in left)))]
        return self.texts[index], self.pages[index]


def choices(body: Expression, grammar: Grammar) -> Choices | None:
    """The choices of an unrolled body; None where it has too many, repeats, or depends on other draws or
    params."""
    listed = _entries(body, grammar)
    return None if listed is None else Choices(listed)


def _entries(expression: Expression, grammar: Grammar) -> list[Entry] | None:
    match expression:
        case Text(text):
            return [((text,), (), 1.0)]
        case Number(low, high):
            count = high - low + 1
            if count > LISTED:
                return None
            return [((str(value),), (), 1.0 / count) for value in range(low, high + 1)]
        case Ref(symbol, "rule") if "@" not in symbol:
            inner = _entries(grammar.body(symbol), grammar)
            if inner is None:
                return None
            name = label(symbol)
            return [(pieces, ((name, 0, len(pieces)), *marks), weight) for pieces, marks, weight in inner]
        case Choice(options, weights):
            lists = [_entries(option, grammar) for option in options]
            if any(entries is None for entries in lists):
                return None
            total = sum(weights)
            rows = [
                (pieces, marks, weight / total * share)
                for entries, weight in zip(lists, weights, strict=True)
                for pieces, marks, share in entries or ()
                if weight > 0
            ]
            return rows if len(rows) <= LISTED else None
        case Sequence(items):
            return _joined([_entries(item, grammar) for item in items])
        case _:
            return None


def _joined(lists: list[list[Entry] | None]) -> list[Entry] | None:
    count = 1
    for entries in lists:
        count *= LISTED + 1 if entries is None else len(entries)
    if count > LISTED:
        return None
    rows: list[Entry] = []
    for combination in product(*(entries or () for entries in lists)):
        pieces: tuple[str, ...] = ()
        marks: tuple[Piece, ...] = ()
        chance = 1.0
        for more, inner, weight in combination:
            base = len(pieces)
            pieces += more
            marks += tuple((name, base + start, base + end) for name, start, end in inner)
            chance *= weight
        rows.append((pieces, marks, chance))
    return rows
