"""What rules reach: recursion, endings, and which names an expression needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from circuitlang.language.program import errors
from circuitlang.language.program.expression import Choice, Expression, Ref, Repeat, Sequence
from circuitlang.language.program.task import Rule
from circuitlang.language.syntax import tree
from circuitlang.source.diagnostic import Diagnostic

MAX_DEPTH = 32


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
    recursive = families(rules)
    unbound = families({name: rule for name, rule in rules.items() if rule.depth is None})
    for name in rules:
        at = written[name]
        if name in recursive and name not in finite:
            found.append(errors.never_ends(at.name.span))
        elif name in unbound:
            found.append(errors.needs_depth(at.name.span, _way_back(name, rules, unbound)))
        if at.depth is not None and not 1 <= at.depth.value <= MAX_DEPTH:
            found.append(errors.bad_depth(at.depth.span, MAX_DEPTH))
        elif at.depth is not None and name not in recursive:
            found.append(errors.useless_depth(at.depth.span))
        elif at.depth is not None and at.depth.value == 1 and name in finite:
            found += _never_chosen(at, rules)
    return found


def families(rules: Mapping[str, Rule]) -> dict[str, str]:
    """The rules that recurse, each with the name of its family: rules that can all reach each other. Tarjan's
    strongly connected components, without Python's recursion, which long chains of rules would exhaust."""
    edges = {
        name: [ref.name for ref in references(rule.body) if ref.kind == "rule" and ref.name in rules]
        for name, rule in rules.items()
    }
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: dict[str, str] = {}
    done: set[str] = set()
    for root in rules:
        waiting = [(root, iter(edges[root]))] if root not in order else []
        while waiting:
            name, following = waiting[-1]
            if name not in order:
                order[name] = low[name] = len(order)
                stack.append(name)
            for other in following:
                if other not in order:
                    waiting.append((other, iter(edges[other])))
                    break
                if other not in done:
                    low[name] = min(low[name], order[other])
            else:
                waiting.pop()
                if waiting:
                    low[waiting[-1][0]] = min(low[waiting[-1][0]], low[name])
                if low[name] == order[name]:
                    members = [stack.pop()]
                    while members[-1] != name:
                        members.append(stack.pop())
                    done |= set(members)
                    if len(members) > 1 or name in edges[name]:
                        found |= dict.fromkeys(members, name)
    return found


def _finite(rules: Mapping[str, Rule]) -> frozenset[str]:
    """The rules that have an expansion which uses no rule inside itself: grows until nothing is added."""
    finite: set[str] = set()
    waiting = list(rules)
    while True:
        left = [
            name
            for name in waiting
            if not (_ends(rules[name].body, rules, finite) and finite.add(name) is None)
        ]
        if len(left) == len(waiting):
            return frozenset(finite)
        waiting = left[::-1]  # in both directions, so that long chains need few rounds


def _ends(expression: Expression, rules: Mapping[str, Rule], finite: Collection[str]) -> bool:
    """Whether an expansion uses none but finite rules."""
    match expression:
        case Ref(name, "rule"):
            return name in finite or name not in rules
        case Repeat(body, low, _, count):
            return (low == 0 and count is None) or _ends(body, rules, finite)
        case Sequence(items):
            return all(_ends(item, rules, finite) for item in items)
        case Choice(options):
            return any(_ends(option, rules, finite) for option in options)
    return True


def _never_chosen(written: tree.Rule, rules: Mapping[str, Rule]) -> list[Diagnostic]:
    """Alternatives of a rule with `depth 1` of which every expansion uses the rule again."""
    name = written.name.text
    body = rules[name].body
    if not isinstance(body, Choice):
        return []
    without = {**rules, name: Rule(name, Ref(name, "rule"), None)}
    finite = _finite(without)
    return [
        errors.never_chosen(option.span, name)
        for option, meant in zip(written.body.options, body.options, strict=True)
        if not _ends(meant, without, finite)
    ]


def _way_back(name: str, rules: Mapping[str, Rule], family: Mapping[str, str]) -> list[str]:
    """The shortest way from a rule to itself inside its family."""
    ways: list[list[str]] = [[name]]
    seen: set[str] = set()
    for way in ways:
        for ref in references(rules[way[-1]].body):
            if ref.name == name:
                return [*way, name]
            if family.get(ref.name) == family[name] and ref.name not in seen:
                seen.add(ref.name)
                ways.append([*way, ref.name])
    raise AssertionError(f"{name} is in a family and has no way back")
