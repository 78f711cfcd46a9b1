"""Rules that recurse under a depth -> rules that do not recurse: one copy per nesting level.

Everything that walks expressions (expansion, counting, enumeration, expected lengths) works on the copies
and so needs no notion of depth. `depth n` allows n expansions of a rule inside each other. In the n-th,
alternatives that would recurse are left out; a repetition that may be empty is empty where nothing else is
left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from circuitlang.language.program.expression import Choice, Expression, Number, Ref, Repeat, Sequence, Text
from circuitlang.language.program.task import Rule
from circuitlang.source.diagnostic import CommandError

Levels = Mapping[str, int]  # rule with a depth -> how many of its expansions we are inside of
Cut = tuple[Expression | None, bool]  # what is left of an expression (None: nothing), and whether it recursed


def label(symbol: str) -> str:
    """The rule's name, as written, of one of its copies."""
    return symbol.partition("@")[0]


class Grammar:
    """Rules without recursion. In the expressions it gives out, a `Ref` to a rule names a copy
    (`value@value=2`)."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self._reach = {name: _reachable(name, rules) for name in rules}
        self._bodies: dict[str, Cut] = {}

    def body(self, symbol: str) -> Expression:
        """What a copy expands to."""
        body = self._bodies[symbol][0]
        assert body is not None, f"{symbol} has no expansion"
        return body

    def copies(self) -> list[str]:
        """The copies made so far, each after those that it uses."""
        return [symbol for symbol, (body, _) in self._bodies.items() if body is not None]

    def unroll(self, expression: Expression) -> Expression:
        """An expression that stands outside all rules, with its references turned to copies."""
        try:
            unrolled, _ = self._cut(expression, {})
        except RecursionError:
            message = "the rules nest too deeply to be expanded: give `depth` a smaller number."
            raise CommandError(message) from None
        if unrolled is None:
            raise ValueError(f"no expansion ends within its depth: {expression}")
        return unrolled

    def _cut(self, expression: Expression, levels: Levels) -> Cut:
        match expression:
            case Text() | Number():
                return expression, False
            case Ref(name, "rule"):
                return self._use(name, levels)
            case Ref():
                return expression, False
            case Sequence(items):
                parts = [self._cut(item, levels) for item in items]
                kept = tuple(part for part, _ in parts if part is not None)
                recursed = any(flag for _, flag in parts)
                return (Sequence(kept) if len(kept) == len(items) else None), recursed
            case Repeat(body, low, _, count, _):
                part, recursed = self._cut(body, levels)
                if part is not None:
                    return replace(expression, body=part), recursed
                return (Text("") if low == 0 and count is None else None), True
            case Choice():
                return self._choose(expression, levels)

    def _choose(self, choice: Choice, levels: Levels) -> Cut:
        parts = [(*self._cut(o, levels), w) for o, w in zip(choice.options, choice.weights, strict=True)]
        possible = [(part, recursed, weight) for part, recursed, weight in parts if part is not None]
        ending = [row for row in possible if not row[1]]
        rows = ending or possible
        if not rows:
            return None, True
        return Choice(tuple(row[0] for row in rows), tuple(row[2] for row in rows)), not ending

    def _use(self, name: str, levels: Levels) -> Cut:
        rule = self._rules[name]
        inside = {other: n for other, n in levels.items() if other in self._reach[name]}
        if rule.depth is not None and name in self._reach[name]:
            inside[name] = inside.get(name, 0) + 1
            if inside[name] > rule.depth:
                return None, True
        symbol = name
        if inside:
            symbol += "@" + ",".join(f"{other}={n}" for other, n in sorted(inside.items()))
        if symbol not in self._bodies:
            self._bodies[symbol] = self._cut(rule.body, inside)
        body, recursed = self._bodies[symbol]
        return (None if body is None else Ref(symbol, "rule")), recursed


def _reachable(name: str, rules: Mapping[str, Rule]) -> frozenset[str]:
    """The rules that an expansion of `name` can use; `name` itself only when it recurses."""
    seen: set[str] = set()
    waiting = [rules[name].body]
    while waiting:
        for ref in references(waiting.pop()):
            if ref.kind == "rule" and ref.name not in seen:
                seen.add(ref.name)
                waiting.append(rules[ref.name].body)
    return frozenset(seen)


def references(expression: Expression) -> list[Ref]:
    """The names that an expression writes itself, in order; not those inside the rules it uses."""
    match expression:
        case Text() | Number():
            return []
        case Ref():
            return [expression]
        case Repeat(body):
            return references(body)
        case Sequence(parts) | Choice(parts):
            return [ref for part in parts for ref in references(part)]
