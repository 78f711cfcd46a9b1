"""A draw's body -> the different texts it can have, where they can be listed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from circuitlang.language.program.expression import Choice, Expression, Number, Ref, Sequence, Text
from circuitlang.language.program.task import Rule

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
