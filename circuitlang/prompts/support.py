"""A task -> how many datapoints it has, before any is generated.

Counted from the expressions: an upper bound, exact where different draws give different prompts (an unambiguous
task). Only what some prompt shows is counted. Counts stop at `CAP`. Where the bound is small, every choice is made
and the datapoints are told apart, so that the count is exact for ambiguous tasks too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import perm

from circuitlang.language.program.expression import Choice, Expression, Number, Ref, Repeat, Sequence, Text
from circuitlang.language.program.sizes import listed
from circuitlang.language.program.task import Case, Draw, Task
from circuitlang.prompts.choice import Choices, choices
from circuitlang.prompts.enumeration import TooManyError, every_datapoint
from circuitlang.prompts.unroll import Grammar
from circuitlang.source.diagnostic import Diagnostic

CAP = 1 << 62
SMALLEST = 30  # datapoints below which three splits cannot be told from each other's noise

EXACT = 500  # a larger count is an upper bound
_PATHS = 4 * EXACT  # choices of hidden draws and of repeated entries included, that are made to count exactly
_COMBINATIONS = 4096  # of params' values that are counted one by one; more are bounded by the largest
_STATES = 4096  # ways to use rules that are told apart; more are bounded by the most frequent use

Where = Mapping[str, tuple[int, int]]
Uses = tuple[tuple[str, int], ...]  # copies of rules and how often they are used, sorted
Counts = Mapping[str, int]  # the params' values
Lists = Mapping[tuple[str, ...], Choices | None]  # a draw's names -> its choices


def check_support(task: Task, where: Where | None = None) -> list[Diagnostic]:
    """What is wrong with the number of a task's datapoints."""
    if where is None and _surely(task, SMALLEST):
        return []
    count = support(task, where, enough=SMALLEST)
    if count >= SMALLEST:
        return []
    message = (
        f"task `{task.name}` has only {count} different datapoints; its three splits need {SMALLEST} together"
    )
    return [
        Diagnostic("CIR-201", message, task.span.head, hint="give its draws, params or rules more choices")
    ]


def support(task: Task, where: Where | None = None, enough: int = CAP) -> int:
    """The number of different datapoints, splits together, with params in their own ranges or those of
    `where`. Counting stops at `enough`; the number is exact below it."""
    bound = upper_bound(task, where, max(enough, EXACT + 1))
    return bound if bound > EXACT else _told_apart(task, where, bound)


def _told_apart(task: Task, where: Where | None, bound: int) -> int:
    """The different datapoints among all that choices lead to; the bound where there are too many choices."""
    seen: set[tuple[str, ...]] = set()
    try:
        for path, prompts in enumerate(every_datapoint(task, where)):
            if path == _PATHS:
                return bound
            seen.add(tuple(prompt.text for prompt in prompts))
    except TooManyError:
        return bound
    return len(seen)


def upper_bound(task: Task, where: Where | None = None, enough: int = CAP) -> int:
    """How many datapoints there are if different choices give different ones; counting stops at `enough`."""
    grammar = Grammar(task.rules)
    lists = {draw.names: choices(grammar.unroll(draw.body), grammar) for draw in task.draws}
    visible = _visible(task)
    ranges = {
        param.name: (where or {}).get(param.name, (param.low, param.high))
        for param in task.params
        if param.name in visible
    }
    combinations = 1
    for low, high in ranges.values():
        combinations *= high - low + 1
    if combinations > _COMBINATIONS:
        largest = {name: high for name, (_, high) in ranges.items()}
        return min(CAP, combinations * _Counter(task, grammar, lists, visible, largest).datapoints(enough))
    total = 0
    for values in product(*(range(low, high + 1) for low, high in ranges.values())):
        counts = dict(zip(ranges, values, strict=True))
        total = min(CAP, total + _Counter(task, grammar, lists, visible, counts).datapoints(enough - total))
        if total >= enough:
            break
    return total


def _visible(task: Task) -> set[str]:
    """The names that some prompt's text depends on."""
    draws = {name: draw.body for draw in task.draws for name in draw.names}
    seen: set[str] = set()
    for case in task.cases:
        waiting: list[Expression] = [Sequence(case.prompt.parts)]
        bound: set[str] = set()
        while waiting:
            for ref in _names(waiting.pop()):
                if ref.kind == "binding":
                    waiting += [case.bindings[ref.name]] if ref.name not in bound else []
                    bound.add(ref.name)
                elif ref.name not in seen:
                    seen.add(ref.name)
                    waiting += [task.rules[ref.name].body] if ref.kind == "rule" else []
                    waiting += [draws[ref.name]] if ref.kind == "draw" else []
    return seen


def _names(expression: Expression) -> Iterator[Ref]:
    """The names an expression needs itself, counts of repetitions included."""
    match expression:
        case Ref():
            yield expression
        case Repeat(body, count=count):
            yield from _names(body)
            if count is not None:
                yield Ref(count, "param")
        case Sequence(parts) | Choice(parts):
            for part in parts:
                yield from _names(part)


class _Counter:
    """Counts with every param fixed."""

    def __init__(self, task: Task, grammar: Grammar, lists: Lists, visible: set[str], counts: Counts) -> None:
        self._task = task
        self._lists = lists
        self._grammar = grammar
        self._visible = visible
        self._counts = counts
        self._rules: dict[str, int] = {}

    def datapoints(self, enough: int = CAP) -> int:
        """At least `enough`, or exact."""
        draws = self._draws(enough)
        return draws if draws >= enough else min(CAP, draws * self._cases())  # no task is without cases

    def _texts(self, expression: Expression) -> int:
        """How many ways an unrolled expression can be expanded, all inside it included."""
        match expression:
            case Text():
                return 1
            case Number(low, high):
                return high - low + 1
            case Ref(symbol, "rule"):
                if symbol not in self._rules:
                    self._rules[symbol] = self._texts(self._grammar.body(symbol))
                return self._rules[symbol]
            case Ref():
                return 1
            case Sequence(items):
                count = 1
                for item in items:
                    count = min(CAP, count * self._texts(item))
                return count
            case Choice():
                return min(CAP, sum(map(self._texts, _different(expression))))
            case Repeat(body):
                each = self._texts(body)
                if each == 1:
                    return len(self._times(expression))
                total = 0
                for times in self._times(expression):
                    total = min(CAP, total + (each**times if times < 62 else CAP))
                    if total == CAP:
                        break
                return total

    def _times(self, repeat: Repeat) -> range:
        """How often it may repeat."""
        if repeat.count is None:
            return range(repeat.low, repeat.high + 1)
        return range(self._counts[repeat.count], self._counts[repeat.count] + 1)

    def _draws(self, enough: int) -> int:
        """Ways to make the draws that are visible: at least `enough`, or exact."""
        total = 1
        for group in _coupled(self._task.draws):
            if total >= enough:  # and no draw of a checked task takes that away
                break
            lists = [self._lists[draw.names] for draw in group]
            exact = _assignments(group, lists, self._visible) if len(group) > 1 else None
            if exact is not None:
                total = min(CAP, total * exact)
                continue
            for draw, drawn in zip(group, lists, strict=True):
                shown = sum(name in self._visible for name in draw.names)
                if shown:
                    size = self._texts(self._grammar.unroll(draw.body)) if drawn is None else len(drawn)
                    total = min(CAP, total * perm(size, shown))
        return total

    def _cases(self) -> int:
        """Ways to expand the cases when the draws are made. What cases have in common counts once: a
        binding with the same expression, and the n-th use of a rule."""
        states: dict[tuple[Uses, ...], int] = {tuple(() for _ in self._task.cases): 1}
        for body, users in self._parts().items():
            outcomes = self._uses(self._grammar.unroll(body[1]))
            merged: dict[tuple[Uses, ...], int] = {}
            for (state, ways), (uses, more) in product(states.items(), outcomes.items()):
                after = tuple(_sum(used, uses) if i in users else used for i, used in enumerate(state))
                merged[after] = min(CAP, merged.get(after, 0) + ways * more)
            states = merged
            if len(states) > _STATES:
                states = {tuple(map(_most, zip(*states, strict=True))): min(CAP, sum(states.values()))}
        total = 0
        for state, ways in states.items():
            for symbol, times in _most(state):
                each = self._texts(Ref(symbol, "rule"))
                ways = min(CAP, ways * (each**times if times < 62 or each == 1 else CAP))
            total = min(CAP, total + ways)
        return total

    def _parts(self) -> dict[tuple[str, Expression], set[int]]:
        """The cases' own expressions, by name and body, and the cases that each stands in."""
        parts: dict[tuple[str, Expression], set[int]] = {}
        for i, case in enumerate(self._task.cases):
            parts.setdefault(("", Sequence(case.prompt.parts)), set()).add(i)
            for name in _bound(case):
                parts.setdefault((name, case.bindings[name]), set()).add(i)
        return parts

    def _uses(self, expression: Expression) -> dict[Uses, int]:
        """Which uses of rules an expression can make, and in how many ways each."""
        match expression:
            case Ref(symbol, "rule"):
                return {((symbol, 1),): 1}
            case Text() | Number() | Ref():
                return {(): self._texts(expression)}
            case Sequence(items):
                total: dict[Uses, int] = {(): 1}
                for item in items:
                    total = _both(total, self._uses(item))
                return total
            case Choice():
                return _either([self._uses(option) for option in _different(expression)])
            case Repeat(body):
                each, power = self._uses(body), {(): 1}
                times = self._times(expression)
                found: list[dict[Uses, int]] = []
                for n in range(times.stop):
                    found += [power] if n in times else []
                    power = _both(power, each)
                return _either(found)


def _different(choice: Choice) -> list[Expression]:
    """The options that can be chosen, equal ones once."""
    pairs = zip(choice.options, choice.weights, strict=True)
    return list(dict.fromkeys(option for option, weight in pairs if weight > 0))


def _sum(first: Uses, second: Uses) -> Uses:
    total = dict(first)
    for symbol, times in second:
        total[symbol] = total.get(symbol, 0) + times
    return tuple(sorted(total.items()))


def _most(uses: tuple[Uses, ...]) -> Uses:
    """The largest number of uses of each rule."""
    most: dict[str, int] = {}
    for row in uses:
        for symbol, times in row:
            most[symbol] = max(times, most.get(symbol, 0))
    return tuple(sorted(most.items()))


def _both(first: dict[Uses, int], second: dict[Uses, int]) -> dict[Uses, int]:
    """The outcomes of two expressions side by side."""
    found: dict[Uses, int] = {}
    for (uses, ways), (others, more) in product(first.items(), second.items()):
        both = _sum(uses, others)
        found[both] = min(CAP, found.get(both, 0) + ways * more)
    return _bounded(found)


def _either(outcomes: list[dict[Uses, int]]) -> dict[Uses, int]:
    """The outcomes of one expression or another."""
    found: dict[Uses, int] = {}
    for outcome in outcomes:
        for uses, ways in outcome.items():
            found[uses] = min(CAP, found.get(uses, 0) + ways)
    return _bounded(found)


def _bounded(outcomes: dict[Uses, int]) -> dict[Uses, int]:
    if len(outcomes) <= _STATES:
        return outcomes
    return {_most(tuple(outcomes)): min(CAP, sum(outcomes.values()))}


def _bound(case: Case) -> list[str]:
    """The bindings that the case's prompt needs."""
    found: dict[str, None] = {}
    waiting: list[Expression] = [Sequence(case.prompt.parts)]
    while waiting:
        for ref in _names(waiting.pop()):
            if ref.kind == "binding" and ref.name not in found:
                found[ref.name] = None
                waiting.append(case.bindings[ref.name])
    return list(found)


def _coupled(draws: tuple[Draw, ...]) -> list[list[Draw]]:
    """Draws in groups, so that `except` never reaches from one group into another."""
    groups: list[list[Draw]] = []
    for draw in draws:
        near = [group for group in groups if any(set(draw.without) & set(other.names) for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append([*(other for group in near for other in group), draw])
    return groups


def _assignments(group: list[Draw], lists: list[Choices | None], visible: set[str]) -> int | None:
    """How many different texts the visible names of coupled draws can have; None where there are too many
    to try."""
    rows: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
    tries = 1
    for draw, drawn in zip(group, lists, strict=True):
        if drawn is None:
            return None
        for place, name in enumerate(draw.names):
            rows.append((name, (*draw.without, *draw.names[:place]), drawn.texts))
            tries *= len(drawn)
    if tries > _STATES:
        return None
    made: list[dict[str, str]] = [{}]
    for name, others, texts in rows:
        made = [
            {**row, name: text}
            for row in made
            for text in texts
            if text not in {row[other] for other in others}
        ]
    return len({tuple(text for name, text in row.items() if name in visible) for row in made})


def _surely(task: Task, enough: int) -> bool:
    """Whether a glance shows that `support(task)` is at least `enough`: at draws whose names stand in a prompt itself,
    and that no `except` ties to others."""
    shown = {part.name for case in task.cases for part in case.prompt.parts if isinstance(part, Ref)}
    tied = {name for draw in task.draws for name in draw.without}
    total = 1
    for draw in task.draws:
        if draw.without or tied.intersection(draw.names) or not shown.intersection(draw.names):
            continue
        choices = listed(draw.body, task.rules)
        if choices is not None:
            total *= perm(len(choices), sum(name in shown for name in draw.names))
            if total >= enough:
                return True
    return False
