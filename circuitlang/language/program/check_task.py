"""A `task` block of the tree -> a checked Task, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil

from circuitlang.language.program import errors
from circuitlang.language.program.check_case import check_cases
from circuitlang.language.program.expression import Expression
from circuitlang.language.program.rules import reached, recursion
from circuitlang.language.program.scope import Kind, Scope
from circuitlang.language.program.sizes import LISTED, MAX_LEVELS, MAX_TEXT, listed, too_large
from circuitlang.language.program.task import Draw, Param, Rule, Task
from circuitlang.language.syntax import tree
from circuitlang.language.syntax.format import bare_text
from circuitlang.source.diagnostic import Diagnostic, Span

MAX_PARTS = 100
_MARKS = frozenset({"start", "end"})


def check_task(task: tree.Task) -> tuple[Task, list[Diagnostic]]:
    """The task, valid if no diagnostic is an error."""
    found = too_many(task.items)
    spans = declared(task.items, found)
    params = tuple(_param(item, found) for item in task.items if isinstance(item, tree.Param))
    scope = Scope(kinds_of(task.items), {param.name: param for param in params}, found)
    written = rules_of(task.items)
    rules = {name: check_rule(rule, scope) for name, rule in written.items()}
    found += recursion(written, rules)
    draws = check_draws(task.items, rules, spans, scope)
    hold_out = _hold_out(task, draws, rules, found)
    cases = check_cases(task, scope, spans)
    if not any(problem.severity == "error" for problem in found):
        bodies = {name: draw.body for draw in draws for name in draw.names}
        bodies |= {f"{case.name} {name}": body for case in cases for name, body in case.bindings.items()}
        places = spans | _binding_places(task)
        found += sizes_of(rules, bodies, {param.name: param.high for param in params}, places)
    found += unused(scope, spans)
    doc = task.doc.text if task.doc else None
    name = task.name.text
    return Task(name, doc, params, rules, draws, hold_out, cases, bare_text(task), task.span), found


def _binding_places(task: tree.Task) -> dict[str, Span]:
    """Where each binding of each case stands, by `CASE NAME`."""
    cases = (item for item in task.items if isinstance(item, tree.Case))
    return {f"{case.name.text} {each.name.text}": each.name.span for case in cases for each in case.bindings}


def sizes_of(
    rules: Mapping[str, Rule],
    bodies: Mapping[str, Expression],
    counts: Mapping[str, int],
    places: Mapping[str, Span],
) -> list[Diagnostic]:
    """Rules, draws and bindings whose text can grow too long."""
    return [
        errors.too_nested(places[name], MAX_LEVELS) if nested else errors.too_long(places[name], MAX_TEXT)
        for name, nested in too_large(rules, bodies, counts)
    ]


def too_many(items: Iterable[tree.Item]) -> list[Diagnostic]:
    """What there is more of than can be told apart in good time: names of a draw, params, cases."""
    params = [item.name for item in items if isinstance(item, tree.Param)]
    cases = [item.name for item in items if isinstance(item, tree.Case)]
    parts = [(params, "params"), (cases, "cases")]
    parts += [(list(item.names), "names") for item in items if isinstance(item, tree.Draw)]
    return [
        errors.too_many(names[MAX_PARTS].span, what, MAX_PARTS)
        for names, what in parts
        if len(names) > MAX_PARTS
    ]


def declared(items: Iterable[tree.Item], found: list[Diagnostic]) -> dict[str, Span]:
    """Where each param, rule and draw is declared; they share one set of names."""
    spans: dict[str, Span] = {}
    for item in items:
        for name in _names(item):
            kind = type(item).__name__.lower()
            if name.text in spans:
                found.append(errors.declared_twice(kind, name.span, spans[name.text]))
            elif name.text in _MARKS:
                found.append(errors.reserved_mark(name.span))
            spans.setdefault(name.text, name.span)
    return spans


def _names(item: tree.Item) -> tuple[tree.Name, ...]:
    if isinstance(item, tree.Draw):
        return item.names
    return (item.name,) if isinstance(item, (tree.Param, tree.Rule)) else ()


def kinds_of(items: Iterable[tree.Item]) -> dict[str, Kind]:
    """What each declared name is; of two of the same name, the first counts."""
    kinds: dict[str, Kind] = {}
    names: dict[type, Kind] = {tree.Param: "param", tree.Rule: "rule", tree.Draw: "draw"}
    for item in items:
        for name in _names(item):
            kinds.setdefault(name.text, names[type(item)])
    return kinds


def _param(item: tree.Param, found: list[Diagnostic]) -> Param:
    if isinstance(item.value, tree.Int):
        return Param(item.name.text, item.value.value, item.value.value)
    low, high = item.value.low.value, item.value.high.value
    if low > high:
        found.append(errors.empty_range(item.value.span))
    return Param(item.name.text, low, high)


def rules_of(items: Iterable[tree.Item]) -> dict[str, tree.Rule]:
    """The rules by name; of two of the same name, the first counts."""
    found: dict[str, tree.Rule] = {}
    for item in items:
        if isinstance(item, tree.Rule):
            found.setdefault(item.name.text, item)
    return found


def check_rule(item: tree.Rule, scope: Scope) -> Rule:
    """A rule in its scope; also the rules of corpora."""
    return Rule(item.name.text, scope.expression(item.body), item.depth.value if item.depth else None)


def check_draws(
    items: Iterable[tree.Item], rules: Mapping[str, Rule], spans: Mapping[str, Span], scope: Scope
) -> tuple[Draw, ...]:
    """The draws in the order written; also those of corpora."""
    draws: list[Draw] = []
    earlier: dict[str, frozenset[str] | None] = {}  # name -> its choices
    for item in items:
        if not isinstance(item, tree.Draw):
            continue
        for name in item.without:
            if name.text not in earlier:
                scope.found.append(errors.not_drawn_before(name.span, earlier))
            scope.used.add(name.text)
        names = tuple(name.text for name in item.names)
        draw = Draw(names, scope.expression(item.body), tuple(name.text for name in item.without))
        _needs_earlier(item, rules, scope, earlier, spans)
        choices = listed(draw.body, rules)
        needed = len(names) + _overlapping(draw, choices, earlier)
        if choices is not None and len(choices) < needed:
            scope.found.append(errors.too_few_choices(item.body.span, len(choices), needed))
        draws.append(draw)
        earlier |= dict.fromkeys(names, choices)
    return tuple(draws)


def _overlapping(
    draw: Draw, choices: frozenset[str] | None, earlier: Mapping[str, frozenset[str] | None]
) -> int:
    """How many choices the values of `except` can take away at most."""
    others = [earlier.get(name) for name in draw.without]
    return sum(choices is not None and (other is None or bool(choices & other)) for other in others)


def _needs_earlier(
    item: tree.Draw,
    rules: Mapping[str, Rule],
    scope: Scope,
    earlier: Collection[str],
    spans: Mapping[str, Span],
) -> None:
    """A draw may use the values of earlier draws only, also through rules."""
    for name in mentioned(item.body):
        kind = scope.kinds.get(name.text)
        if kind == "draw" and name.text not in earlier:
            scope.found.append(errors.drawn_later(name.span, spans[name.text], None))
        elif kind == "rule":
            needs = reached(rules[name.text].body, rules).values()
            late = [ref.name for ref in needs if ref.kind == "draw" and ref.name not in earlier]
            if late:
                scope.found.append(errors.drawn_later(name.span, spans[late[0]], late[0]))


def mentioned(choice: tree.Choice) -> list[tree.Name]:
    """Every name in an expression, where it stands."""
    names: list[tree.Name] = []
    waiting: list[tree.Node] = [part for option in choice.options for part in option.items]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, tree.Name):
            names.append(part)
        elif isinstance(part, tree.Repeat):
            waiting += [part.body, part.count]
        elif isinstance(part, tree.Group):
            waiting += [inner for option in part.body.options for inner in option.items]
    return names


def _hold_out(
    task: tree.Task, draws: Sequence[Draw], rules: Mapping[str, Rule], found: list[Diagnostic]
) -> dict[str, Fraction]:
    by_name = {name: draw for draw in draws for name in draw.names}
    held: dict[str, Fraction] = {}
    spans: dict[str, Span] = {}
    for item in task.items:
        if not isinstance(item, tree.HoldOut):
            continue
        name = item.name.text
        if name in spans:
            found.append(errors.declared_twice("hold out", item.name.span, spans[name]))
        spans[name] = item.name.span
        held[name] = item.share.value
        if name not in by_name:
            params = {part.name.text for part in task.items if isinstance(part, tree.Param)}
            kind = "rule" if name in rules else "param" if name in params else None
            found.append(errors.hold_out_not_draw(item.name.span, by_name, kind))
        elif not 0 < item.share.value < 1:
            found.append(errors.hold_out_share(item.share.span))
        else:
            found += _sides(item, by_name[name], rules)
    return held


def _sides(item: tree.HoldOut, draw: Draw, rules: Mapping[str, Rule]) -> list[Diagnostic]:
    """Both the held-out and the remaining choices must be enough for the draw."""
    choices = listed(draw.body, rules)
    if choices is None:
        return [errors.not_enumerable(item.name.span, "`hold out`", LISTED)]
    held = ceil(item.share.value * len(choices))
    needed = len(draw.names) + len(draw.without)
    if held < 1 or len(choices) - held < needed:
        return [errors.hold_out_sides(item.span, len(choices), held, needed)]
    return []


def unused(scope: Scope, spans: Mapping[str, Span]) -> list[Diagnostic]:
    """Names that no expression and no template mentions."""
    return [errors.unused(scope.kinds[name], span) for name, span in spans.items() if name not in scope.used]
