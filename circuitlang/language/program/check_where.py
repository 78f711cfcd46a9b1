"""The conditions of a quantity (`where PARAM = n`) -> pinned params."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from circuitlang.language.program import errors, errors_spec
from circuitlang.language.program.expression import Choice, Expression, Repeat, Sequence
from circuitlang.language.program.sizes import MAX_TEXT, too_large
from circuitlang.language.program.task import Task
from circuitlang.language.syntax import tree
from circuitlang.source.diagnostic import Diagnostic


def check_where(
    written: Iterable[tree.Condition], task: Task | None, found: list[Diagnostic]
) -> dict[str, tuple[int, int]]:
    """Pinned params. A pin may lie beyond the param's range."""
    pins: dict[str, tuple[int, int]] = {}
    spans = {}
    for condition in written:
        name, value = condition.name, condition.value
        low = value.value if isinstance(value, tree.Int) else value.low.value
        high = value.value if isinstance(value, tree.Int) else value.high.value
        if low > high:
            found.append(errors.empty_range(value.span))
        if name.text in spans:
            found.append(errors.declared_twice("condition", name.span, spans[name.text]))
        spans.setdefault(name.text, name.span)
        pins[name.text] = low, high
        if task is None:
            continue
        if name.text not in task.param_names:
            found.append(errors.unknown("param", name.span, task.param_names))
        elif low < 0 and name.text in _counters(task):
            found.append(errors_spec.pinned_below_zero(value.span, name.text))
        elif low <= high and makes_too_long(task, {name.text: high}):
            found.append(errors.too_long(value.span, MAX_TEXT))
    return pins


def makes_too_long(task: Task, pins: Mapping[str, int]) -> bool:
    """Whether a text could have more characters than any may, with these params pinned."""
    return bool(too_large(task.rules, _bodies(task), pins))


def _bodies(task: Task) -> dict[str, Expression]:
    """What a task expands besides its rules."""
    bodies = {name: draw.body for draw in task.draws for name in draw.names}
    return bodies | {
        f"{case.name} {name}": body for case in task.cases for name, body in case.bindings.items()
    }


def _counters(task: Task) -> frozenset[str]:
    """The params that count repetitions."""
    waiting = [*(rule.body for rule in task.rules.values()), *_bodies(task).values()]
    found: set[str] = set()
    while waiting:
        match waiting.pop():
            case Repeat(body, _, _, count, _):
                found |= {count} if count is not None else set()
                waiting.append(body)
            case Sequence(items):
                waiting += items
            case Choice(options):
                waiting += options
    return frozenset(found)
