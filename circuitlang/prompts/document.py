"""A corpus -> its documents: endless text of its rules, addressed by number.

Document i is a pure function of (the corpus' text, seed, i), so that processes can share the work by
ranges. Weights are shares of the text, by characters, so a rule with short documents is chosen more often
than one with long ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate, count

from circuitlang.language.program.expression import Choice, Expression, Number, Ref, Repeat, Sequence, Text
from circuitlang.language.program.recipe import Corpus
from circuitlang.language.program.task import Draw
from circuitlang.prompts.choice import Choices, choices
from circuitlang.prompts.expand import Compiled, Compiler, Page, as_step
from circuitlang.prompts.stream import Stream, derive, words
from circuitlang.prompts.unroll import Grammar, label
from circuitlang.source.diagnostic import CommandError


class RuleDocuments:
    """The rule documents of a corpus: `text(i)` is document i."""

    def __init__(self, corpus: Corpus, seed: int) -> None:
        self._corpus = corpus
        self._key = derive("corpus", corpus.text, seed)
        self._grammar = Grammar(corpus.rules)
        self._draws: list[tuple[Draw, Choices]] = []
        for draw in corpus.draws:
            listed = choices(self._grammar.unroll(draw.body), self._grammar)
            if listed is None:
                raise CommandError(f"corpus {corpus.name}: a draw must be a list of texts: `{draw.names[0]}`")
            self._draws.append((draw, listed))
        compiler = Compiler(self._grammar, _unmarked)
        self._rules = [
            (as_step(compiler.outside(Ref(entry.name, "rule"))), derive(self._key, "rule", entry.name))
            for entry in corpus.documents
        ]

    @cached_property
    def cumulative(self) -> list[float]:
        """Running sums of the chances with which a document comes from each `document` entry."""
        known = {name: listed.mean_length() for draw, listed in self._draws for name in draw.names}
        lengths = [
            expected_length(self._grammar.unroll(Ref(entry.name, "rule")), self._grammar, known)
            for entry in self._corpus.documents
        ]
        weights = (entry.weight for entry in self._corpus.documents)
        return list(
            accumulate(weight / max(1.0, length) for weight, length in zip(weights, lengths, strict=True))
        )

    def rule_text(self, entry: int, index: int) -> str:
        """Document `index` of the `document` entry with that number."""
        step, key = self._rules[entry]
        place = key + index.to_bytes(8, "little")
        page = Page(self._draw(derive(place, "draws")), {})
        step(page.pieces.append, words(place), page)
        return page.text()

    def _draw(self, key: bytes) -> dict[str, Page]:
        """The values that hold throughout one document."""
        stream, texts = Stream(key), {}
        for draw, listed in self._draws:
            taken = {texts[name] for name in draw.without}
            for name in draw.names:
                picked = listed.pick(stream, taken)
                if picked is None:
                    raise CommandError(f"corpus {self._corpus.name}: nothing is left to draw for `{name}`")
                texts[name] = picked[0]
                taken.add(texts[name])
        return {name: Page({}, {}, [text]) for name, text in texts.items()}

    def text(self, index: int) -> str:
        """Document `index` of the mixture."""
        if len(self._rules) == 1:
            return self.rule_text(0, index)
        choice = Stream(derive(self._key, "mixture", index))
        return self.rule_text(choice.weighted(self.cumulative), index)


def _unmarked(compiler: Compiler, ref: Ref) -> Compiled:
    """What a name becomes in a document, of which nobody asks what made what."""
    name = label(ref.name)
    if ref.kind == "rule":
        return compiler.rule(ref.name)
    return lambda append, word, page: append(page.values[name].text())


def rule_documents(corpus: Corpus, seed: int, start: int = 0, stop: int | None = None) -> Iterator[str]:
    """Rule documents [start, stop), without end when `stop` is None. Two processes that take different
    ranges make together exactly what one would."""
    if not corpus.documents:
        return
    documents = RuleDocuments(corpus, seed)
    for index in count(start) if stop is None else range(start, stop):
        yield documents.text(index)


def expected_length(expression: Expression, grammar: Grammar, known: dict[str, float]) -> float:
    """The mean number of characters of an unrolled expression, exact up to rounding. `known` holds finished
    rules."""
    match expression:
        case Text(text):
            return float(len(text))
        case Number(low, high):
            return _digits(low, high)
        case Ref(symbol):
            if symbol not in known:
                known[symbol] = expected_length(grammar.body(symbol), grammar, known)
            return known[symbol]
        case Sequence(items):
            return sum(expected_length(item, grammar, known) for item in items)
        case Choice(options, weights):
            lengths = (expected_length(option, grammar, known) for option in options)
            total = sum(length * weight for length, weight in zip(lengths, weights, strict=True))
            return total / sum(weights)
        case Repeat(body, low, high, _, joiner):
            joiners = sum(max(0, times - 1) for times in range(low, high + 1)) / (high - low + 1)
            return (low + high) / 2 * expected_length(body, grammar, known) + joiners * len(joiner)


def _digits(low: int, high: int) -> float:
    """The mean length of the integers of [low, high] in decimal."""
    total, value = 0, low
    while value <= high:
        length = len(str(value))
        longest = 10**length - 1 if value >= 0 else min(-1, -(10 ** (length - 2)))
        last = min(high, longest)
        total += length * (last - value + 1)
        value = last + 1
    return total / (high - low + 1)
