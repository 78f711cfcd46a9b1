"""Diff -> lines of a text, each with `+`, `-` or `~`, and plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from circuitlang.report.compare import short
from circuitlang.report.diff import PARTS, Change, Diff
from circuitlang.report.escape import harmless_to_ci, visible
from circuitlang.report.words import number, spread

SHOWN = 40  # lines of one kind of change in a text; the data has all


def diff_lines(found: Diff) -> Iterator[str]:
    """A head, and below it the changes by what they are of."""
    yield harmless_to_ci(visible(_head(found)))
    if not found.changes:
        yield "  no difference"
    for (part, seed), group in groupby(found.changes, key=lambda change: (change.part, change.seed)):
        changes = list(group)
        yield f"  {PARTS[part]}{'' if seed is None else f', seed {seed}'}"
        yield from (f"    {visible(line(change))}" for change in changes[:SHOWN])
        if len(changes) > SHOWN:
            yield f"    … and {len(changes) - SHOWN} more; --format json has them all"


def _head(found: Diff) -> str:
    if found.old is None or found.new is None:
        name, _ = found.old or found.new or ("", "")
        return f"{name}: only in the {'new' if found.old is None else 'old'} one"
    names = [found.old[0], *([found.new[0]] if found.new[0] != found.old[0] else [])]
    verdicts = [found.old[1], *([found.new[1]] if found.new[1] != found.old[1] else [])]
    return f"{' and '.join(names)}: {', now '.join(verdicts)}{'' if len(verdicts) > 1 else ', as before'}"


def line(change: Change) -> str:
    """One change: its sign, what it is of, what it was and what it is."""
    if change.sign == "~":
        old, new = _value(change, change.old), _value(change, change.new)
        said = f"{old}, now {new}" if old != new else f"{old}, but for digits that are not shown"
    else:
        said = _value(change, change.new if change.sign == "+" else change.old)
    return f"{change.sign} {change.name}{f': {said}' if said else ''}"


def _value(change: Change, value: Any) -> str:
    if change.part == "claim":
        other = change.sign != "~" or change.old["text"] != change.new["text"]
        return f"{value['text']}: {_measured(value)}" if other else _measured(value)
    if change.part in ("competence", "check") and isinstance(value, dict):
        return _measured(value)
    if change.part == "input":
        return short(value)
    if isinstance(value, dict):
        other = change.new if value is change.old else change.old
        kept = {
            n: v
            for n, v in value.items()
            if (other.get(n) != v if isinstance(other, dict) else v is not None)
        }
        return ", ".join(f"{name} {_text(each)}" for name, each in kept.items())
    return _text(value)


def _measured(value: dict[str, Any]) -> str:
    verdict = value.get("verdict") or ""
    if value["value"] is None or value["low"] is None:
        return verdict
    mean, interval = spread(value["value"], value["low"], value["high"])
    return " ".join(filter(None, (verdict, mean, f"({interval})" if interval else "")))


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return number(value)
    return ", ".join(map(str, value)) or "nothing" if isinstance(value, list) else str(value)


def diff_data(found: Sequence[Diff]) -> dict[str, Any]:
    return {
        "schema": 1,
        "diffs": [
            {
                "old": each.old and dict(zip(("spec", "verdict"), each.old, strict=True)),
                "new": each.new and dict(zip(("spec", "verdict"), each.new, strict=True)),
                "changes": [
                    {
                        "sign": change.sign,
                        "part": change.part,
                        "seed": change.seed,
                        "name": change.name,
                        "old": change.old,
                        "new": change.new,
                    }
                    for change in each.changes
                ],
            }
            for each in found
        ],
    }
