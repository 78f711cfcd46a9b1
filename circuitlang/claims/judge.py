"""Claims and measurements -> verdicts: sequential looks that share one budget of error.

A claim is looked at after samples[0] datapoints, then twice as many, up to samples[1], until it is decided.
Each look uses an interval that misses with probability at most (1 - confidence) / looks, both sides together;
so over all looks a false claim passes, or a true one fails, with probability at most 1 - confidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuitlang.circuit.match import Match
from circuitlang.claims.interval import Values, exact, interval
from circuitlang.claims.kind import Kind, of_difference
from circuitlang.claims.looks import Plan
from circuitlang.claims.verdict import HYPOTHESIS, UNMEASURED, Interval, Outcome, Verdict, worst
from circuitlang.language.program.hypothesis import Circuit
from circuitlang.language.program.spec import Claim
from circuitlang.source.diagnostic import ProgramError

Pair = tuple[NDArray[np.floating], NDArray[np.floating]]
Measure = Callable[[int], NDArray[np.floating] | Pair]
"""n -> the left quantity's values of the first n datapoints of `test`, shape (n,); (left, right) on the
same datapoints where the right side is a quantity too. Called with growing n: what was computed can be kept.
"""


def judge(claim: Claim, measure: Measure, kind: Kind, plan: Plan, seed: int | None = None) -> Verdict:
    """The verdict of a claim about one thing. `kind`: of the left quantity's values (claims/interval.py)."""
    return _Question(claim, kind, plan, seed, 1).answer({"": measure})


Ahead = Callable[[Sequence[str], int], None]
"""(members, n): called before some members are looked at, each after n datapoints, so that they can be measured
together."""


def judge_each(
    claim: Claim,
    members: Mapping[str, Measure],
    kind: Kind,
    plan: Plan,
    seed: int | None = None,
    ahead: Ahead = lambda members, size: None,
) -> Verdict:
    """The verdict of an `each` claim, which holds when it holds for every member: the worst one's.

    It passes when every member's interval lies on the claimed side, each at the full level (an
    intersection-union test). It fails when some member's lies on the other side; of many members one may do
    so by chance, so that takes an interval whose error is divided by their number. Of no members nothing is
    known: not measured.
    """
    question = _Question(claim, kind, plan, seed, len(members))
    if not members:
        return question.verdict(Outcome.NOT_MEASURED, note="there is no member to measure")
    return question.answer(members, ahead)


def judge_count(claim: Claim, left: int, right: int | None = None, seed: int | None = None) -> Verdict:
    """The verdict on what is counted (nodes, edges). `right`: the count of the right side, if it is one."""
    question = _Question(claim, "real", Plan((1, 1), 0.5), seed, 1)
    number = float(left if right is None else left - right)
    found = Interval(number, number, number, 0, "count")
    return question.verdict(found.outcome(claim.relation, question.bound), found, right_value=right)


def judge_binding(hypothesis: Circuit, found: Match, seed: int | None = None) -> Verdict:
    """The verdict on the roles and arrows of a hypothesis: the number of ways in which the circuit fits it."""
    counted = Interval(found.count, found.count, found.count, 0, "count")
    note = found.why
    if found.binding is not None:
        parts = {role: ", ".join(part.name for part in parts) for role, parts in found.binding.parts.items()}
        note = "; ".join(f"{role} = {names}" for role, names in parts.items())
    return Verdict(
        name=HYPOTHESIS,
        text=f"{len(hypothesis.roles)} roles and {len(hypothesis.arrows)} arrows",
        line=hypothesis.span.line if hypothesis.span else 0,
        outcome=Outcome.PASS if found.binding is not None else Outcome.FAIL,
        interval=counted,
        relation=">=",
        bound=1.0,
        right="1 binding",
        note=note,
        seed=seed,
    )


def not_measured(claim: Claim, why: str, seed: int | None = None) -> Verdict:
    """The verdict where there is nothing to measure."""
    return _Question(claim, "real", Plan((1, 1), 0.5), seed, 1).verdict(Outcome.NOT_MEASURED, note=why)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of each member. `members`: how many there are."""

    claim: Claim
    kind: Kind
    plan: Plan
    seed: int | None
    members: int

    @property
    def bound(self) -> float:
        """What the interval is compared with: the claimed number, or no difference."""
        return float(self.claim.right) if isinstance(self.claim.right, int | float) else 0.0

    def answer(self, members: Mapping[str, Measure], ahead: Ahead = lambda members, size: None) -> Verdict:
        """The worst member's verdict. A member is looked at until it is decided, all until one fails."""
        verdicts: dict[str, Verdict] = {}
        undecided = list(members)
        for size in self.plan.looks:
            ahead(undecided, size)
            for member in undecided:
                verdicts[member] = self.look(member, members[member], size)
            undecided = [member for member in undecided if verdicts[member].outcome is Outcome.UNDECIDED]
            if not undecided or any(verdict.outcome is Outcome.FAIL for verdict in verdicts.values()):
                break
        return worst(verdicts.values())

    def look(self, member: str, measure: Measure, size: int) -> Verdict:
        """A member's verdict after `size` datapoints. Not a number, or none at all, is `not measured`."""
        try:
            measured = measure(size)
            left, right = _checked(measured, size)
            finite = np.isfinite(left) if right is None else np.isfinite(left) & np.isfinite(right)
            if not finite.all():
                note = f"{size - int(finite.sum())} of {size} values are not finite"
                return self.verdict(Outcome.NOT_MEASURED, note=note, member=member)
            values = left if right is None else left - right
            kind = self.kind if right is None else of_difference(self.kind)
            found = (
                exact(values, self.plan.weights)
                if self.plan.exhaustive
                else interval(values, kind, self.plan.alpha)
            )
            outcome = found.outcome(self.claim.relation, self.bound)
            if outcome is Outcome.FAIL and self.members > 1 and not self.plan.exhaustive:
                strict = interval(values, kind, self.plan.alpha / self.members)
                outcome = strict.outcome(self.claim.relation, self.bound)
        except UNMEASURED as error:
            return self.verdict(Outcome.NOT_MEASURED, note=reason(error), member=member)
        mean = None if right is None else exact(right, self.plan.weights).value
        note = f"the worst of {self.members}" if self.members > 1 else ""
        return self.verdict(outcome, found, mean, note, member)

    def verdict(
        self,
        outcome: Outcome,
        found: Interval | None = None,
        right_value: float | None = None,
        note: str = "",
        member: str = "",
    ) -> Verdict:
        right = self.claim.right
        return Verdict(
            name=self.claim.name,
            text=self.claim.text,
            line=self.claim.span.line,
            outcome=outcome,
            interval=found,
            relation=self.claim.relation,
            bound=self.bound,
            right=f"{right:g}" if isinstance(right, int | float) else right.text,
            right_value=right_value,
            note=note,
            seed=self.seed,
            member=member or None,
        )


def _checked(measured: NDArray[np.floating] | Pair, size: int) -> tuple[Values, Values | None]:
    """Both sides in double precision. Another shape than asked for is a bug of the measurement."""
    sides = measured if isinstance(measured, tuple) else (measured,)
    left, *right = (np.asarray(side, dtype=np.float64) for side in sides)
    for side in (left, *right):
        if side.shape != (size,):
            raise AssertionError(f"{size} datapoints were asked for, an array of shape {side.shape} measured")
    return left, right[0] if right else None


def reason(error: Exception) -> str:
    """Why there is no number, in words."""
    return error.diagnostics[0].message if isinstance(error, ProgramError) else str(error)
