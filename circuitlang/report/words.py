"""Numbers of a report -> the words that every format of it shares."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from circuitlang.claims.verdict import Outcome
from circuitlang.report.battery import BatteryResult, ControlResult
from circuitlang.report.listing import size_of
from circuitlang.report.results import (
    CircuitResult,
    ClaimResult,
    Measured,
    Overlap,
    ReportData,
    SeedCircuit,
    SeedVerdict,
    TaskResult,
)

_LISTED = 24
"""Of a longer list a reader sees so many; report.json has it whole."""
LOCKED = ", as locked"
"""Behind what is of the lock and was not measured again."""
_EVERY = "every datapoint"
"""The method of a mean over all datapoints that there are."""


ABLATIONS = {
    "resample": "resample ablation: what is outside the circuit takes its values on another prompt of the task",
    "resample(text)": "resample ablation: what is outside the circuit takes its values elsewhere in pretraining text",
    "mean": "mean ablation: what is outside the circuit takes its mean over pretraining text",
    "mean(task)": "mean ablation: what is outside the circuit takes its mean over the task",
    "zero": "zero ablation: what is outside the circuit is 0",
}
"""What a verdict holds under, by the spec's word."""


def under(report: ReportData) -> str:
    """What the verdict holds under; empty for a report that does not say."""
    return f"under {ABLATIONS[report.ablation]}" if report.ablation in ABLATIONS else ""


def partners(circuit: CircuitResult) -> str:
    """How positions of prompts were matched with those of their donors; empty where none were."""
    if not circuit.partners:
        return ""
    by = {"mark": "by mark", "prefix": "by common prefix", "end": "by distance from the end"}
    found = [f"{circuit.partners[name]:.0%} {said}" for name, said in by.items() if name in circuit.partners]
    without = 1 - sum(circuit.partners.values())
    return (
        f"positions matched with the donor's: {', '.join(found)}; {max(0.0, without):.0%} have no counterpart"
    )


def left_out(report: ReportData) -> str:
    """`claims only: controls and battery not run`, or which was left out, where a circuit was judged."""
    parts = {"controls": report.controls, "battery": report.battery}
    missing = [name for name, found in parts.items() if not found]
    if not missing or not report.claims or report.circuit is None:
        return ""
    return f"{'claims only: ' * (len(missing) == 2)}{' and '.join(missing)} not run"


def meaning(report: ReportData) -> str:
    """What the verdict rests on, and what was not looked at, in one sentence without a full stop."""
    if report.task.outcome is Outcome.FAIL:
        return report.note or "the model is not competent at the task"
    held = sum(claim.verdict is Outcome.PASS for claim in report.claims)
    found = [
        "every claim holds"
        if held == len(report.claims) > 0
        else f"{held} of {len(report.claims)} claims hold"
    ]
    if report.task.outcome is not Outcome.PASS:
        found.append(f"{report.task.outcome.value}: competence")
    for outcome in reversed(Outcome):
        names = [claim.name for claim in report.claims if claim.verdict is outcome]
        names += [gate.name for gate in gates(report) if gate.outcome is outcome]
        if names and outcome is not Outcome.PASS:
            found.append(f"{outcome.value}: {', '.join(names)}")
    return "; ".join(filter(None, (*found, left_out(report))))


def shortened(note: str) -> str:
    """A note in which something lists hundreds of things, as the idle nodes of a large circuit: the first of them."""
    return "; ".join(map(_first_of, note.split("; ")))


def _first_of(said: str) -> str:
    things = said.split(", ")
    more = len(things) - _LISTED
    return said if more <= 0 else f"{', '.join(things[:_LISTED])}, and {more:,} more in report.json"


class Gate(NamedTuple):
    """What counts in the verdict beside the claims: a check of the battery, or a null that is too small."""

    name: str
    outcome: Outcome
    said: str


def gates(report: ReportData) -> list[Gate]:
    """In the order of the report."""
    found = [
        Gate(f"control {control.name}", control.verdict, control.note)
        for control in report.controls
        if control.verdict is Outcome.FAIL
    ]
    for check in report.battery:
        if check.gates and check.verdict is not None:
            what, value, interval = headline(check)
            measured = " ".join(filter(None, (what, value))) + (f" ({interval})" if interval else "")
            said = (measured, shortened(check.note), "as locked, not run this time" if check.locked else "")
            found.append(Gate(check.name, check.verdict, "; ".join(filter(None, said))))
    return found


def not_run(results: Sequence[BatteryResult | ControlResult]) -> str:
    """What stands behind a heading whose rows are the lock's."""
    return " (as locked, not run this time)" if any(each.locked for each in results) else ""


def number(value: float) -> str:
    """Four significant digits; whole numbers in full, thousands apart."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"


def optional(value: float | None) -> str:
    return "–" if value is None else number(value)


def spread(value: float, low: float, high: float) -> tuple[str, str]:
    """A mean and its interval, to the second digit of the interval's width: ("0.121", "0.112 … 0.131")."""
    width = high - low
    if width <= 0:
        return number(value), ""
    decimals = max(0, 1 - math.floor(math.log10(width)))
    if decimals > 6:
        return f"{value:.3g}", f"{low:.3g} … {high:.3g}"
    return f"{value:.{decimals}f}", f"{low:.{decimals}f} … {high:.{decimals}f}"


def measured(found: Measured | SeedVerdict) -> tuple[str, str]:
    """The number and its interval; two empty texts where nothing was measured."""
    if found.value is None or found.low is None or found.high is None:
        return "", ""
    return spread(found.value, found.low, found.high)


def evidence(claim: ClaimResult) -> str:
    """What a claim's number rests on: `2,048 prompts`, `all 4,096 prompts`, `counted`, or nothing."""
    if claim.value is None:
        return ""
    if claim.method == "count":
        return "counted"
    return _over(claim.prompts, claim.method)


def asked(task: TaskResult) -> str:
    """How many prompts the untouched model was asked, as `evidence` says it."""
    methods = {interval.method for interval in task.intervals.values()}
    return _over(task.prompts, methods.pop() if len(methods) == 1 else "")


def _over(prompts: int, method: str) -> str:
    return f"{'all ' if method == _EVERY else ''}{prompts:,} prompts"


def remarks(claim: ClaimResult) -> list[str]:
    """What else there is to say about a claim, each a short sentence without a full stop."""
    found = []
    if claim.right_value is not None and claim.value is not None:
        left = number(claim.value + claim.right_value)
        found.append(f"{left} against {number(claim.right_value)}; the interval is of the difference")
    if claim.member is not None or claim.note:
        found.append(": ".join(filter(None, (claim.member, claim.note))))
    if claim.control in ("held", f"held{LOCKED}"):
        found.append(f"no gating null passes it{claim.control.removeprefix('held')}")
    elif claim.control is not None:
        found.append(f"passed by a null as well: {claim.control}")
    if claim.informational:
        found.append(f"passed by {', '.join(claim.informational)}, too, which is informational")
    return found


def sentence(claim: ClaimResult) -> str:
    """Everything about a claim on one line: what is claimed, the number, what it rests on, remarks."""
    value, interval = measured(claim)
    facts = (f"{value} ({interval})" if interval else value, evidence(claim), *remarks(claim))
    return "; ".join(filter(None, (claim.text, *facts)))


def breaks(claim: ClaimResult) -> list[str]:
    """Where a failed claim breaks: the prompt, and what was expected and answered there."""
    found = claim.counterexample
    if found is None:
        return []
    answers = f"the model says {found.model_answer}, the circuit {found.circuit_answer}"
    return [f"breaks on: {found.prompt}", f"expected {found.expected}; {answers}"]


def seeds(claim: ClaimResult) -> str:
    """Every seed's own outcome, where there is more than one: `seed 0 pass 0.121 · seed 1 fail 0.162`."""
    if len(claim.seeds) < 2:
        return ""
    return " · ".join(
        " ".join(filter(None, (f"seed {one.seed}", one.verdict.value, measured(one)[0])))
        for one in claim.seeds
    )


def headline(check: BatteryResult) -> tuple[str, str, str]:
    """A check's most telling number: what it is, the number and its interval with its threshold; empty where there is
    none."""
    if check.measured is None:
        return "", "", ""
    name = next(iter(check.numbers), check.name)
    value, interval = measured(check.measured)
    return (
        ("" if name == check.name else name),
        value,
        ", ".join(filter(None, (interval, needed(check.measured)))),
    )


def needed(found: Measured) -> str:
    """`needs at least 0.75`; empty where there is no threshold."""
    if found.relation is None or found.threshold is None:
        return ""
    return f"needs {_NEEDS[found.relation]} {number(found.threshold)}"


_NEEDS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}


def other_numbers(check: BatteryResult) -> list[str]:
    """All but the headline, each as `name value (low … high)`."""
    rest = list(check.numbers.items())[1:]
    return [
        " ".join(filter(None, (name, value, f"({', '.join(more)})" if more else "")))
        for name, found in rest
        for value, interval in [measured(found)]
        for more in [[part for part in (interval, needed(found)) if part]]
    ]


def of_check(check: BatteryResult) -> str:
    """The outcome of a check in one word."""
    return check.verdict.value if check.verdict is not None else "informational"


def overlap(overlaps: tuple[Overlap, ...]) -> str:
    """How much the seeds' circuits share (Jaccard index), from the least to the most."""
    if not overlaps:
        return ""
    nodes, edges = ([getattr(o, part) for o in overlaps] for part in ("nodes", "edges"))
    return f"shared by two seeds: {_range(nodes)} of the nodes, {_range(edges)} of the edges"


def _range(shares: list[float]) -> str:
    low, high = (f"{share:.0%}" for share in (min(shares), max(shares)))
    return low if low == high else f"{low} to {high}"


def circuit_line(circuit: CircuitResult) -> str:
    """The size and the loss of the circuit that is drawn, in one line."""
    found = f"{size(circuit)}, {edges(circuit)}; loss" if circuit.nodes else f"{size(circuit)}; loss of that"
    return (
        f"{found} {optional(circuit.loss)} nats{'' if circuit.target is None else f', target {number(circuit.target)}'}"
        f"; seed{'s' if len(circuit.seeds) > 1 else ''} {', '.join(map(str, circuit.seeds))}"
    )


NAMED = 12  # constant nodes that a line names


def size(circuit: CircuitResult) -> str:
    """How many nodes the circuit that is drawn has."""
    return size_of(circuit.nodes, circuit.total_nodes, circuit.per_seed[0].reached)


def constants(circuit: CircuitResult) -> str:
    """Which nodes of the circuit that is drawn say nothing of a prompt; empty where each says something."""
    found = circuit.per_seed[0].constant
    if not found:
        return ""
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return (
        f"{len(found):,} of the {circuit.nodes:,} nodes have one value at every token of every prompt, as a bias has: "
        f"{', '.join(found[:NAMED])}{more}"
    )


def edges(circuit: CircuitResult) -> str:
    """How many, and how many of them are drawn."""
    graph = circuit.per_seed[0].graph
    needed = "" if graph is None or not graph.unneeded else f", {graph.needed_edge_count:,} of them needed"
    return f"{circuit.edges:,} edges{needed}"


def answer_set(task: TaskResult, circuit: SeedCircuit) -> str:
    """The probability of answer and foils together, over the whole vocabulary: of the circuit, beside the model's."""
    model = "" if task.mass is None else f", of the model {number(task.mass)}"
    return f"probability of the answer set: of the circuit {optional(circuit.mass_test)}{model}"


def circuit_row(circuit: SeedCircuit) -> tuple[str, ...]:
    """Under the heads of `CIRCUIT_HEADS`."""
    return (
        str(circuit.seed),
        f"{circuit.nodes:,}",
        f"{circuit.edges:,}",
        optional(circuit.loss_select),
        optional(circuit.loss_test),
        optional(circuit.loss_without),
        optional(circuit.mass_test),
        "reached" if circuit.reached else "missed",
    )


CIRCUIT_HEADS = ("seed", "nodes", "edges", "select", "test", "ablated", "answer set", "target")


def control_row(control: ControlResult, name: Callable[[str], str] = str) -> tuple[str, ...]:
    """Under the heads of `CONTROL_HEADS`. `name`: how the format writes a name."""
    return (
        name(control.name),
        "gates" if control.gates else "informational",
        optional(control.nodes),
        optional(control.edges),
        optional(control.loss_at_size),
        optional(control.ratio),
        ", ".join(map(name, control.reaches)) or "nothing",
    )


CONTROL_HEADS = ("control", "verdict", "nodes", "edges", "loss at size", "ratio", "passes")
