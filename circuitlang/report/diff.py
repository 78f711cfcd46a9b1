"""Two reports of one task -> what differs: inputs, competence, nodes, edges, roles, claims, controls, battery."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from circuitlang.circuit.graph import CircuitGraph
from circuitlang.report.compare import equal
from circuitlang.report.report import Report
from circuitlang.report.results import SeedCircuit
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
