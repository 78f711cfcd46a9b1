"""What rules reach: recursion, endings, and which names an expression needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from circuitlang.program import errors
from circuitlang.program.expression import Choice, Expression, Ref, Repeat, Sequence
from circuitlang.program.task import Rule
from circuitlang.source import Diagnostic
from circuitlang.syntax import tree

MAX_DEPTH = 64


def references(expression: Expression) -> Iterator[Ref]:
    """Every name that an expression mentions itself, with a param that counts a repetition."""
    match expression:
        case Ref():
            yield expression
        case Repeat():
            yield from references(expression.body)
            if expression.count is not None:
                yield Ref(expression.count, "param")
        case Sequence():
            for item in expression.items:
                yield from references(item)
        case Choice():
            for option in expression.options:
                yield from references(option)


def reached(expression: Expression, rules: Mapping[str, Rule]) -> dict[str, Ref]:
    """Every name that an expression needs, also through rules; insertion order is order of discovery."""
    found: dict[str, Ref] = {}
    waiting = list(references(expression))
    while waiting:
        ref = waiting.pop(0)
        if ref.name not in found:
            found[ref.name] = ref
            if ref.kind == "rule" and ref.name in rules:
                waiting += references(rules[ref.name].body)
    return found


def recursion(written: Mapping[str, tree.Rule], rules: Mapping[str, Rule]) -> list[Diagnostic]:
    """Rules that recurse without a depth, never end, or bound what does not recurse."""
    found: list[Diagnostic] = []
    finite = _finite(rules)
    for name, rule in rules.items():
        at = written[name]
        recurses = name in reached(rule.body, rules)
        if recurses and name not in finite:
            found.append(errors.never_ends(at.name.span))
        elif rule.depth is None:
            way = _way_back(name, rules)
            found += [errors.needs_depth(at.name.span, way)] if way else []
        if at.depth is not None and not 1 <= at.depth.value <= MAX_DEPTH:
            found.append(errors.bad_depth(at.depth.span, MAX_DEPTH))
        elif at.depth is not None and not recurses:
            found.append(errors.useless_depth(at.depth.span))
    return found


def _finite(rules: Mapping[str, Rule]) -> frozenset[str]:
    """The rules that have an expansion which uses no rule inside itself: grows until nothing is added."""
    finite: set[str] = set()

    def ends(expression: Expression) -> bool:
        match expression:
            case Ref(name, "rule"):
                return name in finite or name not in rules
            case Repeat(body, low, _, count):
                return (low == 0 and count is None) or ends(body)
            case Sequence(items):
                return all(map(ends, items))
            case Choice(options):
                return any(map(ends, options))
        return True

    while True:
        more = {name for name, rule in rules.items() if name not in finite and ends(rule.body)}
        if not more:
            return frozenset(finite)
        finite |= more


def _way_back(name: str, rules: Mapping[str, Rule]) -> list[str] | None:
    """The shortest way from a rule to itself through rules without a depth, or None."""
    ways: list[list[str]] = [[name]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for ref in references(rules[way[-1]].body):
            if ref.name == name:
                return [*way, name]
            if (
                ref.kind == "rule"
                and ref.name in rules
                and ref.name not in seen
                and rules[ref.name].depth is None
            ):
                seen.add(ref.name)
                ways.append([*way, ref.name])
    return None
