"""Outcome, Interval, Verdict, Control: what is known about a claim and a null, and what follows for the spec."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from circuitlang.source.diagnostic import CommandError, ProgramError, Unmeasurable

Relation = Literal["<", "<=", ">", ">=", "=="]
HYPOTHESIS = "circuit"
"""The name of the verdict on roles and arrows; no claim can be called like a word of the language."""

UNMEASURED = (Unmeasurable, CommandError, ProgramError)
"""What a measurement raises on purpose where there is no number; the last two where prompts do not fit the model, or
there are none. Others are bugs, and end the run."""


class Outcome(StrEnum):
    """How a claim ended, from best to worst. Only `PASS` is green; none of them stands for another."""

    PASS = "pass"  # the whole interval lies on the claimed side
    UNDECIDED = (
        "undecided"  # measured on as many datapoints as allowed; the bound still lies inside the interval
    )
    NOT_MEASURED = "not measured"  # there is no number: the measurement raised, or gave NaN or an infinity
    VOID = "void"  # a null reaches the claim too, so that reaching it says nothing
    FAIL = "fail"  # the whole interval lies on the other side

    @property
    def severity(self) -> int:
        """0 for `pass`, larger is worse."""
        return tuple(Outcome).index(self)


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured mean and the range that holds the true one, in the metric's unit (nats, share or count).

    `value` lies in [low, high], all three finite: not a number is never an interval. `datapoints`: how many
    of the task's datapoints the mean is over (0 for what is counted, not sampled). `method`: how it was
    computed, a name of claims/interval.py.
    """

    value: float
    low: float
    high: float
    datapoints: int
    method: str

    def __post_init__(self) -> None:
        numbers = (self.low, self.value, self.high)
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"an interval needs finite numbers, not low, value, high = {numbers}")
        if not self.low <= self.value <= self.high:
            raise ValueError(f"an interval needs low <= value <= high, not {numbers}")

    def outcome(self, relation: Relation, bound: float) -> Outcome:
        """Compare with the whole interval: a bound inside it proves nothing either way.

        `==` passes only for an exact value (low == high), that is for a count or a full enumeration.
        """
        if math.isnan(bound):
            raise ValueError("a bound is never NaN")
        holds, broken = {
            "<": (self.high < bound, self.low >= bound),
            "<=": (self.high <= bound, self.low > bound),
            ">": (self.low > bound, self.high <= bound),
            ">=": (self.low >= bound, self.high < bound),
            "==": (self.low == self.high == bound, not self.low <= bound <= self.high),
        }[relation]
        return Outcome.PASS if holds else Outcome.FAIL if broken else Outcome.UNDECIDED


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A prompt on which a claim breaks. Answers as texts, with `not` in front where anything else is meant."""

    prompt: str
    expected: str
    model_answer: str
    circuit_answer: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one claim, for one pruning seed.

    name, text, line   the claim's name, its words, and where it stands in the spec's file (1-based)
    interval           of the left quantity; of left − right where the right side is a quantity too, with
                       bound 0. None when there is no number.
    relation, bound    what the interval was compared with
    right              the right side as written: a number or a quantity
    right_value        the right quantity's own mean, where the right side is one
    note               one sentence more: why it is void or not measured, which member is the worst
    seed               of the pruning; None for what does not depend on a circuit (competence)
    member             the worst member of an `each` claim
    counterexample     of a claim that failed: the smallest prompt found on which it breaks
    hardest            of a claim about random circuits: the names of those that were judged
    """

    name: str
    text: str
    line: int
    outcome: Outcome
    interval: Interval | None = None
    relation: Relation = "<="
    bound: float | None = None
    right: str = ""
    right_value: float | None = None
    note: str = ""
    seed: int | None = None
    member: str | None = None
    counterexample: Counterexample | None = None
    hardest: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.interval is None and self.outcome in (Outcome.PASS, Outcome.UNDECIDED):
            raise ValueError(f"{self.name}: {self.outcome} without a measured interval")

    @property
    def margin(self) -> float:
        """How far the interval lies inside the claimed side; negative: reaches over; −inf: no number."""
        if self.interval is None or self.bound is None:
            return -math.inf
        if self.relation in ("<", "<="):
            return self.bound - self.interval.high
        if self.relation in (">", ">="):
            return self.interval.low - self.bound
        return -max(self.interval.high - self.bound, self.bound - self.interval.low)


def void(verdict: Verdict, control: str) -> Verdict:
    """The verdict when a null reaches the claim as well: a pass says nothing. What does not pass stays."""
    if verdict.outcome is not Outcome.PASS:
        return verdict
    return replace(verdict, outcome=Outcome.VOID, note=f"the control {control} reaches it too")


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of one claim over pruning seeds, or over the members of an `each`: the worst outcome.

    Of equal outcomes the one with the smallest margin, of equal margins the first. ValueError when empty.
    """
    return min(verdicts, key=lambda verdict: (-verdict.outcome.severity, verdict.margin))


def worst_over_seeds(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Every claim's worst verdict, in the order in which the claims first occur."""
    claims: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        claims.setdefault(verdict.name, []).append(verdict)
    return tuple(worst(group) for group in claims.values())


def overall(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a whole spec: its worst. A spec of which nothing was judged has shown nothing."""
    return max(outcomes, key=lambda outcome: outcome.severity, default=Outcome.NOT_MEASURED)


def exit_status(outcome: Outcome) -> int:
    """0 every claim holds · 1 one fails or is void · 3 none fails, but one is undecided or not measured."""
    if outcome is Outcome.PASS:
        return 0
    return 1 if outcome in (Outcome.FAIL, Outcome.VOID) else 3


SEARCHED = ("nonsense", "shuffled_answers", "shuffled_weights", "one_answer")
"""The nulls that are searched for a circuit; random circuits need no search."""


@dataclass(frozen=True)
class Control:
    """What became of one null.

    voids         whether a claim that it passes is void
    gates         whether it affects the verdict at all: by its claims, or by its size
    nodes, edges  of the smallest circuit that reaches the target; None where none does
    loss_at_size  nats per prompt on `select`, of a circuit with at most the real one's nodes and edges
    ratio         its nodes over the real circuit's, both at the target
    reaches       names of the claims that it passes
    close         whether it needs less than `margin` times the circuit's nodes, where that is asked of it
    note          why there is no number, or what else there is to say
    """

    name: str
    text: str
    voids: bool
    gates: bool = False
    nodes: int | None = None
    edges: int | None = None
    loss_at_size: float | None = None
    ratio: float | None = None
    reaches: tuple[str, ...] = ()
    close: bool = False
    note: str = ""


def held(claim: str, controls: Sequence[Control]) -> str | None:
    """`held`, or the gating nulls that pass a claim; None where none was run."""
    reached = [control.name for control in controls if control.voids and claim in control.reaches]
    return ", ".join(reached) or "held" if controls else None
