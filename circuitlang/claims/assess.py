"""The claims of a spec + one pruned circuit to verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from math import inf, isfinite
from typing import Literal

import numpy as np

from circuitlang.circuit.graph import CircuitGraph
from circuitlang.circuit.match import Match, match
from circuitlang.claims.counterexample import counterexample, of_single_prompts
from circuitlang.claims.judge import (
    UNMEASURED,
    judge,
    judge_binding,
    judge_count,
    judge_each,
    not_measured,
    reason,
)
from circuitlang.claims.kind import kind_of
from circuitlang.claims.look import Values
from circuitlang.claims.looks import JUDGED, RANDOM_CIRCUITS, SCREENED, Plan
from circuitlang.claims.measure import UNTOUCHED, Meter, Setting
from circuitlang.claims.metrics import METRICS, Unbound, View, measured
from circuitlang.claims.random_circuits import alive_nodes, random_circuits
from circuitlang.claims.resolve_intervention import Subject
from circuitlang.claims.verdict import Outcome, Verdict
from circuitlang.language.program.hypothesis import Circuit
from circuitlang.language.program.spec import Claim, Quantity, VerdictSettings
from circuitlang.site import Node
from circuitlang.source.diagnostic import Span

Pairs = Mapping[str, tuple[View, View | None]]
"""What is compared, by member: the left side, and the right one where it is a quantity."""

COUNTED: Mapping[str, Callable[[CircuitGraph], int]] = {
    "nodes": lambda graph: graph.node_count,
    "edges": lambda graph: graph.edge_count,
}


def competence(meter: Meter, settings: VerdictSettings, span: Span) -> dict[str, Verdict]:
    """Whether the untouched model does the task at all, and means it; by the same looks as any claim."""
    plan, setting = planned(meter, settings, [UNTOUCHED])
    view = View(meter, setting[0], None)

    def verdict(
        name: str, measure: Callable[[int], Values], relation: Literal[">", ">="], bound: float
    ) -> Verdict:
        claim = Claim(name, Quantity(name), relation, bound, f"{name} {relation} {bound:g}", span)
        return judge(claim, measure, "share", plan)

    return {
        "accuracy": verdict("accuracy", view.accuracy, ">", settings.competence),
        "mass": verdict("mass", view.mass, ">=", settings.mass),
    }


@dataclass
class Assessor:
    """Judges claims about one circuit, found with one pruning seed. `graph`: the circuit; `seed` also draws the random
    circuits; `hardest`: by claim, those of them to judge, where they were chosen before."""

    meter: Meter
    graph: CircuitGraph
    settings: VerdictSettings
    seed: int
    hypothesis: Circuit | None = None
    hardest: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        return self.graph.kept

    @cached_property
    def randoms(self) -> dict[str, tuple[Node, ...]]:
        """name -> nodes."""
        alive = alive_nodes(self.meter.checkpoint.model, self.meter.prompts("select", (), 0))
        drawn = random_circuits(self.nodes, alive, RANDOM_CIRCUITS, self.seed)
        return {f"random circuit {number}": nodes for number, nodes in enumerate(drawn)}

    @cached_property
    def match(self) -> Match | None:
        """The nodes that play the hypothesis's roles, chosen on `select`; None where there is no hypothesis."""
        if self.hypothesis is None:
            return None
        return match(self.hypothesis, self.graph, self.effect)

    def effect(self, nodes: tuple[Node, ...]) -> float:
        """What the circuit's loss on a few datapoints of `select` rises by when these nodes are ablated in it, too."""
        rest = tuple(node for node in self.nodes if node not in set(nodes))
        return self.loss_on_select(rest) - self.loss_on_select(self.nodes)

    def loss_on_select(self, nodes: tuple[Node, ...]) -> float:
        """Mean in nats over the first datapoints of `select`, with these nodes alone."""
        return float(self.meter.table(Setting.keep(nodes, "select"), "loss", SCREENED).mean(dtype="float64"))

    def judge_hypothesis(self) -> Verdict | None:
        """Whether the circuit has nodes for all roles and arrows; None where there is no hypothesis."""
        found = self.match
        if found is None or self.hypothesis is None:
            return None
        return judge_binding(self.hypothesis, found, self.seed)

    def judge(self, claim: Claim) -> Verdict:
        if claim.left.metric in COUNTED:
            right = COUNTED[claim.right.metric](self.graph) if isinstance(claim.right, Quantity) else None
            return judge_count(claim, COUNTED[claim.left.metric](self.graph), right, self.seed)
        try:
            pairs = self.pairs(claim)
        except Unbound as reason:
            return not_measured(claim, str(reason), self.seed)
        if claim.left.over_text:
            return self._over_text(claim, pairs[""][0])
        note, among = "", ()
        if self._is_random(claim):
            note = f"the {JUDGED} hardest of {len(pairs)} random circuits, as ranked on `select`"
            pairs = self.hardest_pairs(claim, pairs)
            among = tuple(pairs)
        plan, pairs = self.planned(claim, pairs)
        measures = {name: self.measure(claim, *pair) for name, pair in pairs.items()}
        kind = kind_of(claim.left, self.meter.cases)
        if len(measures) == 1 and not note:
            return judge(claim, next(iter(measures.values())), kind, plan, self.seed)

        def ahead(members: Sequence[str], size: int) -> None:
            for side, quantity in enumerate((claim.left, claim.right)):
                how = METRICS.get(quantity.metric) if isinstance(quantity, Quantity) else None
                if how is not None and how.look is not None:
                    views = [view for name in members if (view := pairs[name][side]) is not None]
                    self.meter.ahead([view.setting for view in views], size, how.look)

        found = judge_each(claim, measures, kind, plan, self.seed, ahead)
        if note and found.outcome is Outcome.NOT_MEASURED:
            note = f"{found.note}; {note}"
        return replace(found, note=note, hardest=among) if note else found

    def pairs(self, claim: Claim) -> Pairs:
        """Raises Unbound where the claim speaks of a role that nothing plays."""
        left = self.views(claim.left)
        right = self.views(claim.right) if isinstance(claim.right, Quantity) else {"": None}
        return {f"{a}{b}": (left[a], right[b]) for a, b in product(left, right)}

    def explained(self, claim: Claim, verdict: Verdict) -> Verdict:
        """The verdict with the smallest prompt found on which the claim breaks, where it fails. It says so where there
        is none; of a metric whose number for one prompt says nothing about that prompt it says nothing."""
        if verdict.outcome is not Outcome.FAIL or not of_single_prompts(claim.left.metric):
            return verdict
        _, pairs = self.planned(claim, self.pairs(claim))
        found = counterexample(claim, verdict, *pairs[verdict.member or next(iter(pairs))])
        if found is not None:
            return replace(verdict, counterexample=found)
        return replace(verdict, note="; ".join(filter(None, (verdict.note, "no single prompt breaks it"))))

    def _over_text(self, claim: Claim, view: View) -> Verdict:
        """One look at all the documents that there are, as there are few."""
        metric = measured(claim.left.metric)
        try:
            documents = len(metric(view, self.settings.samples[1]))
        except UNMEASURED as error:
            return not_measured(claim, reason(error), self.seed)
        plan = Plan((documents, documents), self.settings.confidence)
        verdict = judge(
            claim, lambda n: metric(view, n), kind_of(claim.left, self.meter.cases), plan, self.seed
        )
        note = f"over {documents} documents of pretraining text"
        return replace(verdict, note=f"{verdict.note}; {note}" if verdict.note else note)

    def views(self, quantity: Quantity) -> dict[str, View]:
        """The settings that a quantity is about: one, or one per member, by the member's name."""
        names = [case.name for case in self.meter.generator.task.cases]
        case = None if quantity.case is None else names.index(quantity.case)
        binding = self.match.binding if self.match else None
        randoms = self.randoms if any(act.target == "random" for act in quantity.interventions) else {}
        subject = Subject(self.graph, binding, randoms, names)
        return {
            name: View(self.meter, setting, case, quantity.arguments, binding)
            for name, setting in subject.settings(quantity).items()
        }

    def planned(self, claim: Claim, pairs: Pairs) -> tuple[Plan, Pairs]:
        """How far to look, and the views that do: those of every datapoint where there are few enough."""
        names, sides = list(pairs), [side for pair in pairs.values() for side in pair if side is not None]
        if any("between" in side.arguments for side in sides):  # compares datapoints drawn in pairs
            return Plan(self.settings.samples, self.settings.confidence), pairs
        plan, settings = planned(self.meter, self.settings, [side.setting for side in sides])
        views = iter(replace(side, setting=s) for side, s in zip(sides, settings, strict=True))
        return plan, {name: (next(views), None if pairs[name][1] is None else next(views)) for name in names}

    def measure(
        self, claim: Claim, left: View, right: View | None
    ) -> Callable[[int], Values | tuple[Values, Values]]:
        metric = measured(claim.left.metric)
        if right is None:
            return lambda n: metric(left, n)
        assert isinstance(claim.right, Quantity)
        other = measured(claim.right.metric)
        return lambda n: (metric(left, n), other(right, n))

    def hardest_pairs(self, claim: Claim, pairs: Pairs) -> Pairs:
        """Of all random circuits, the ones nearest to breaking the claim on `select`: those are judged on `test`."""
        names = self.hardest.get(claim.name, ())
        if not names or not pairs.keys() >= set(names):
            margins = self.meter.each(lambda name: (self._margin(claim, *pairs[name]), name), pairs)
            names = [name for _, name in sorted(margins)[:JUDGED]]
        return {name: pairs[name] for name in names}

    def margin_on_select(self, claim: Claim) -> float | None:
        """How far inside the claimed side the mean is on a few datapoints of `select`; of several members the worst
        one's. None where there is nothing to measure."""
        try:
            return min((self._margin(claim, *pair) for pair in self.pairs(claim).values()), default=None)
        except Unbound:
            return None

    def _margin(self, claim: Claim, left: View, right: View | None) -> float:
        left = replace(left, setting=left.setting.on_select)
        right = None if right is None else replace(right, setting=right.setting.on_select)
        try:
            measured = self.measure(claim, left, right)(SCREENED)
        except UNMEASURED:
            return -inf  # judged on `test`, where the reason is said
        values = measured[0] - measured[1] if isinstance(measured, tuple) else measured
        bound = 0.0 if isinstance(claim.right, Quantity) else float(claim.right)
        away = (1.0 if claim.relation in (">", ">=") else -1.0) * (float(np.mean(values)) - bound)
        return away if isfinite(away) else -inf

    @staticmethod
    def _is_random(claim: Claim) -> bool:
        return any(act.target == "random" for side in claim.quantities for act in side.interventions)


def planned(
    meter: Meter, settings: VerdictSettings, measured: Sequence[Setting]
) -> tuple[Plan, list[Setting]]:
    """How far to look at settings on the same prompts: at drawn datapoints of `test`, or at all that it has, where
    those are at most as many as the last look would draw."""
    places = {setting.where for setting in measured}
    found = meter.population(places.pop(), settings.samples[1]) if len(places) == 1 else None
    if found is None:
        return Plan(settings.samples, settings.confidence), list(measured)
    plan = Plan(settings.samples, settings.confidence, len(found), found.weights)
    return plan, [setting.on_every for setting in measured]


def verdict_of_competence(verdicts: Mapping[str, Verdict]) -> Outcome:
    """The outcome of the competence check: its worst."""
    return max((v.outcome for v in verdicts.values()), key=lambda outcome: outcome.severity)
