"""Two reports of one task -> what differs: inputs, nodes, edges, roles, claims, battery; as lines or as data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from circuitlang.circuit.graph import CircuitGraph
from circuitlang.report.compare import equal, short
from circuitlang.report.escape import harmless_to_ci, visible
from circuitlang.report.report import Report
from circuitlang.report.results import SeedCircuit
from circuitlang.report.words import number, spread
from circuitlang.site import Node
from circuitlang.source.diagnostic import CommandError

Sign = Literal["+", "-", "~"]
"""In the new one alone, in the old one alone, in both and different."""
PARTS = {
    "spec": "specs",
    "verdict": "the whole spec",
    "input": "what went in",
    "version": "versions",
    "competence": "the untouched model",
    "seed": "seeds",
    "size": "sizes and losses of the circuit",
    "node": "nodes",
    "edge": "edges",
    "role": "roles",
    "claim": "claims",
    "control": "controls",
    "check": "battery",
}
"""What a change may be of, in the order in which a diff has them, and what is above them in a text."""


@dataclass(frozen=True, slots=True)
class Change:
    """`part`: a key of `PARTS`. `old`, `new`: in terms of JSON, None where there is none. `seed`: of the pruning."""

    sign: Sign
    part: str
    name: str
    old: Any
    new: Any
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Diff:
    """`old`, `new`: name and verdict of the spec, None where only the other side has it."""

    old: tuple[str, str] | None
    new: tuple[str, str] | None
    changes: tuple[Change, ...]


def diff_reports(old: Report | None, new: Report | None) -> Diff:
    """Numbers that agree to four digits are equal. CommandError where the two are about different tasks."""
    if old is None or new is None:
        there = old or new
        assert there is not None, "a diff has two sides"
        one = ("-" if old else "+", "spec", there.spec)
        change = Change(*one, old and old.verdict.value, new and new.verdict.value)
        return Diff(_head(old), _head(new), (change,))
    if old.task.name != new.task.name:
        raise CommandError(
            f"these are about different tasks, `{old.task.name}` and `{new.task.name}`: there is nothing to compare"
        )
    return Diff(_head(old), _head(new), tuple(_changes(old, new)))


def _head(report: Report | None) -> tuple[str, str] | None:
    return None if report is None else (report.spec, report.verdict.value)


def _changes(old: Report, new: Report) -> Iterator[Change]:
    yield from _of("verdict", {"verdict": old.verdict.value}, {"verdict": new.verdict.value})
    yield from _of("input", _inputs(old, new), _inputs(new, old))
    yield from _of("version", old.provenance.versions, new.provenance.versions)
    yield from _of("competence", _competence(old), _competence(new))
    before, after = _by_seed(old), _by_seed(new)
    alone = [
        {f"seed {seed}": _size(each) for seed, each in side.items() if seed not in other}
        for side, other in ((before, after), (after, before))
    ]
    yield from _of("seed", alone[0], alone[1])
    for seed in sorted(before.keys() & after.keys()):
        yield from _of_circuits(seed, before[seed], after[seed])
    yield from _of("claim", _claims(old), _claims(new))
    yield from _of("control", _controls(old), _controls(new))
    yield from _of("check", _checks(old), _checks(new))


def _inputs(report: Report, other: Report) -> dict[str, str]:
    """A lock does not hold the code's hash."""
    return {n: v for n, v in report.provenance.inputs.items() if n != "code" or n in other.provenance.hashes}


def _of(
    part: str, old: Mapping[str, Any], new: Mapping[str, Any], seed: int | None = None
) -> Iterator[Change]:
    """In the order of the new side; what the old one has alone comes first."""
    for name, value in old.items():
        if name not in new:
            yield Change("-", part, name, value, None, seed)
    for name, value in new.items():
        if name not in old:
            yield Change("+", part, name, None, value, seed)
        elif not same(old[name], value):
            yield Change("~", part, name, old[name], value, seed)


def same(old: Any, new: Any) -> bool:
    """Whether two values in terms of JSON are equal, numbers to four digits."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(same(value, new[name]) for name, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(same, old, new))
    if isinstance(old, float) and isinstance(new, float):
        return equal(old, new)
    return old == new


def _of_circuits(seed: int, old: SeedCircuit, new: SeedCircuit) -> Iterator[Change]:
    yield from _of("size", _size(old), _size(new), seed)
    if old.graph is not None and new.graph is not None:
        yield from _of("node", _nodes(old.graph), _nodes(new.graph), seed)
        yield from _of("edge", _edges(old.graph), _edges(new.graph), seed)
    roles = [{role: list(nodes) for role, nodes in each.roles.items()} for each in (old, new)]
    yield from _of("role", roles[0], roles[1], seed)


def _competence(report: Report) -> dict[str, Any]:
    numbers = report.task.intervals.items()
    found: dict[str, Any] = {name: {"value": m.value, "low": m.low, "high": m.high} for name, m in numbers}
    return {**found, "outcome": report.task.outcome.value}


def _by_seed(report: Report) -> dict[int, SeedCircuit]:
    return {each.seed: each for each in report.per_seed}


def _size(circuit: SeedCircuit) -> dict[str, Any]:
    names = ("nodes", "edges", "reached", "loss_select", "loss_test", "loss_without")
    return {name: getattr(circuit, name) for name in names}


def _nodes(graph: CircuitGraph) -> dict[str, Any]:
    return {str(each.node): {"cost": each.cost} for each in graph.nodes}


def _edges(graph: CircuitGraph) -> dict[str, Any]:
    return {
        f"{_end(each.source)} -> {_end(each.target)}": {"weight": each.weight, "kind": each.kind}
        for each in graph.edges
    }


def _end(end: Node | str) -> str:
    """A token is quoted, so that one that is spelled like a node's name stays a token."""
    return str(end) if isinstance(end, Node) else json.dumps(end, ensure_ascii=False)


def _claims(report: Report) -> dict[str, Any]:
    return {
        each.name: {
            "text": each.text,
            "verdict": each.verdict.value,
            "value": each.value,
            "low": each.low,
            "high": each.high,
        }
        for each in report.claims
    }


def _controls(report: Report) -> dict[str, Any]:
    return {
        each.name: {
            "verdict": each.verdict and each.verdict.value,
            "nodes": each.nodes,
            "edges": each.edges,
            "loss_at_size": each.loss_at_size,
            "ratio": each.ratio,
            "reaches": list(each.reaches),
        }
        for each in report.controls
    }


def _checks(report: Report) -> dict[str, Any]:
    return {
        each.name: {
            "verdict": each.verdict and each.verdict.value,
            "value": each.measured and each.measured.value,
            "low": each.measured and each.measured.low,
            "high": each.measured and each.measured.high,
        }
        for each in report.battery
    }


SHOWN = 40  # lines of one kind of change in a text; the data has all


def diff_lines(found: Diff) -> Iterator[str]:
    """A head, and below it the changes by what they are of."""
    yield harmless_to_ci(visible(_both(found)))
    if not found.changes:
        yield "  no difference"
    for (part, seed), group in groupby(found.changes, key=lambda change: (change.part, change.seed)):
        changes = list(group)
        yield f"  {PARTS[part]}{'' if seed is None else f', seed {seed}'}"
        yield from (f"    {visible(line(change))}" for change in changes[:SHOWN])
        if len(changes) > SHOWN:
            yield f"    … and {len(changes) - SHOWN} more; --format json has them all"


def _both(found: Diff) -> str:
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
