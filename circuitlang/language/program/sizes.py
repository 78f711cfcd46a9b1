"""Which texts a draw can have, how long they become and how deep rules nest, before anything is generated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from circuitlang.language.program.expression import Choice, Expression, Number, Ref, Repeat, Sequence, Text
from circuitlang.language.program.rules import families, references
from circuitlang.language.program.task import Rule

MAX_TEXT = 1_000_000  # characters of one expansion, every part counted as one more
MAX_LEVELS = 100  # expansions inside each other


class TooNested(Exception):
    """Rules use rules more than MAX_LEVELS deep."""


@dataclass(frozen=True)
class Sizes:
    """Upper bounds for the expressions of one block. `counts`: the highest value of every param."""

    rules: Mapping[str, Rule]
    counts: Mapping[str, int]
    families: Mapping[str, str]  # of the rules that recurse
    _done: dict[tuple[str, int], tuple[int, int] | None] = field(default_factory=dict)
    _depths: dict[str, int] = field(default_factory=dict)

    def longest(self, expression: Expression) -> int:
        """The most characters of one expansion, at most a little above MAX_TEXT. Raises TooNested."""
        size = self._size(expression, None, 0, 0)
        return size[0] if size else 0

    def _size(
        self, expression: Expression, inside: str | None, used: int, level: int
    ) -> tuple[int, int] | None:
        """(characters, levels) of the longest expansion, or None where none ends. `inside`: the rule whose
        text this is; `used`: how many bounded rules of one family are inside each other."""
        match expression:
            case Text(text):
                return len(text) + 1, 0
            case Number(low, high):
                return max(len(str(low)), len(str(high))) + 1, 0
            case Ref(name, "rule"):
                return self._rule(name, inside, used, level) if name in self.rules else (1, 0)
            case Ref(name):
                return len(str(self.counts.get(name, ""))) + 1, 0
            case Sequence(items):
                sizes = [self._size(item, inside, used, level) for item in items]
                if any(size is None for size in sizes):
                    return None
                return _capped(sum(s[0] for s in sizes if s)), max(s[1] for s in sizes if s)
            case Choice(options):
                found = [size for option in options if (size := self._size(option, inside, used, level))]
                return (max(s[0] for s in found), max(s[1] for s in found)) if found else None
            case Repeat(body, low, high, count, joiner):
                times = max(0, high if count is None else self.counts.get(count, high))
                size = self._size(body, inside, used, level)
                if size is None:
                    return (1, 0) if low == 0 and count is None else None
                return _capped(times * (size[0] + len(joiner)) + 1), size[1]

    def _rule(self, name: str, inside: str | None, used: int, level: int) -> tuple[int, int] | None:
        family = self.families.get(name)
        if family is None:
            used = 0
        else:
            together = inside is not None and self.families.get(inside) == family
            used = (used if together else 0) + (self.rules[name].depth is not None)
            if used > self._allowed(family):
                return None
        key = name, used
        if key in self._done:
            size = self._done[key]
        else:
            if level >= MAX_LEVELS:
                raise TooNested
            self._done[key] = size = self._size(self.rules[name].body, name, used, level + 1)
        if size is not None and level + size[1] >= MAX_LEVELS:
            raise TooNested
        return None if size is None else (size[0], size[1] + 1)

    def _allowed(self, family: str) -> int:
        """How many bounded rules of a family can be inside each other."""
        if family not in self._depths:
            members = (name for name, other in self.families.items() if other == family)
            self._depths[family] = sum(self.rules[name].depth or 0 for name in members)
        return self._depths[family]


def _capped(size: int) -> int:
    """Sizes beyond the limit are all alike; this keeps the numbers small."""
    return min(size, 2 * MAX_TEXT)


def too_large(
    rules: Mapping[str, Rule], bodies: Mapping[str, Expression], counts: Mapping[str, int]
) -> list[tuple[str, bool]]:
    """What can grow too long: the names of rules and of other bodies, each with whether it nests too deep. Of
    names that only use one another, those that are the cause; of nesting, the first."""
    sizes = Sizes(rules, counts, families(rules))
    everything = {**{name: Ref(name, "rule") for name in rules}, **bodies}
    found: set[str] = set()
    for name, expression in everything.items():
        try:
            if sizes.longest(expression) > MAX_TEXT:
                found.add(name)
        except TooNested:
            return [(name, True)]
    written = {**{name: rule.body for name, rule in rules.items()}, **bodies}
    causes = [name for name in everything if name in found and not _uses(written[name]) & (found - {name})]
    return [(name, False) for name in causes or sorted(found)[:1]]


def _uses(expression: Expression) -> set[str]:
    return {ref.name for ref in references(expression)}


LISTED = 20_000  # a body with more choices is not listed


def listed(body: Expression, rules: Mapping[str, Rule]) -> frozenset[str] | None:
    """The choices of a draw. None where there are too many, or where they repeat, recurse or depend on the
    datapoint."""
    return _texts(body, rules, ())


def _texts(body: Expression, rules: Mapping[str, Rule], inside: tuple[str, ...]) -> frozenset[str] | None:
    match body:
        case Text(text):
            return frozenset((text,))
        case Number(low, high):
            return frozenset(map(str, range(low, high + 1))) if high - low < LISTED else None
        case Ref(name, "rule") if name in rules and name not in inside:
            return _texts(rules[name].body, rules, (*inside, name))
        case Choice(options):
            parts = [_texts(option, rules, inside) for option in options]
            found = frozenset().union(*(part for part in parts if part is not None))
            return None if any(part is None for part in parts) or len(found) > LISTED else found
        case Sequence(items):
            return _joined([_texts(item, rules, inside) for item in items])
    return None


def _joined(parts: list[frozenset[str] | None]) -> frozenset[str] | None:
    count = 1
    for part in parts:
        count *= LISTED + 1 if part is None else len(part)
        if count > LISTED:
            return None
    return frozenset("".join(words) for words in product(*(part or () for part in parts)))
