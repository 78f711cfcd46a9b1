"""What is true of a planted model: a claim's value over a large sample of its own, for the roles as they were written.

The nodes of roles come from the hand that wrote them, not from the match; the prompts from a generator with another
seed. What an intervention or a metric computes is shared with the judge: that it computes what its words say is shown
by the true specs, whose bounds follow from the weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.judge.subject import Subject, meter_of
from benchmarks.judge.wiring import Wiring
from circuitlang.circuit.match import Binding, Match
from circuitlang.circuit.parts import Part
from circuitlang.claims.assess import COUNTED, Assessor
from circuitlang.language.program.spec import Claim, Quantity
from circuitlang.prompts.generate import Generator
from circuitlang.site import Node, Place

LARGE = 1024
"""Datapoints behind a true value."""
SEED = 1_000_003
"""Of their generator: one that no judged spec uses."""
MARGIN = 0.02
"""How far past the true value a bound is moved at least, in the metric's unit; and six standard errors of the value."""


@dataclass(frozen=True)
class Value:
    """A mean, or the worst member's, and its standard error."""

    mean: float
    error: float

    @property
    def margin(self) -> float:
        return max(MARGIN, 6 * self.error)


class Known(Assessor):
    """Roles are played by what was written for them."""

    known: Binding

    @cached_property
    def match(self) -> Match | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return Match(self.known, 1)


def binding(subject: Subject) -> Binding:
    planted = subject.planted
    wiring = Wiring.of(planted, planted.nodes)

    def part(nodes: tuple[Node, ...]) -> Part:
        first = nodes[0]
        if first.site.place is Place.NEURON:
            return Part(str(first), nodes, frozenset(nodes))
        written = {end for node in nodes for end in wiring.graph.successors(node)}
        name = f"{first.site.layer}.head[{first.index // wiring.head_width}]"
        return Part(name, nodes, frozenset(end for end in written if isinstance(end, Node)))

    return Binding({role: (part(nodes),) for role, nodes in planted.parts.items()})


@dataclass
class Truth:
    """True values of claims about one subject, over so many datapoints."""

    subject: Subject
    datapoints: int = LARGE

    @cached_property
    def assessor(self) -> Known:
        subject = self.subject
        meter = meter_of(subject.planted.checkpoint, Generator(subject.spec.task, SEED), subject.spec.prune)
        graph = subject.graph_of(sorted(subject.planted.nodes))
        known = Known(meter, graph, subject.spec.verdict, 0, subject.spec.circuit)
        known.known = binding(subject)
        return known

    def value(self, claim: Claim) -> Value | None:
        """None where there is none: a count, random circuits, two quantities, a role without what is asked of it."""
        if claim.left.metric in COUNTED or isinstance(claim.right, Quantity):
            return None
        try:
            views = self.assessor.views(claim.left)
            found = [self.assessor.measure(claim, view, None)(self.datapoints) for view in views.values()]
        except ValueError:
            return None
        means = [
            (float(np.mean(v)), float(np.std(v)) / math.sqrt(self.datapoints))
            for v in found
            if isinstance(v, np.ndarray)
        ]
        means = [Value(*each) for each in means if all(map(math.isfinite, each))]
        if len(means) < len(found):
            return None
        return (min if claim.relation in (">", ">=") else max)(means, key=lambda value: value.mean)

    def refutes(self, claim: Claim) -> bool:
        """Whether the claim is false, by at least the margin."""
        value = self.value(claim)
        if value is None:
            return False
        bound = float(claim.right)  # pyright: ignore[reportArgumentType]
        past = bound - value.mean if claim.relation in (">", ">=") else value.mean - bound
        return past >= value.margin
