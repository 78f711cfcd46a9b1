"""One function per metric of the vocabulary: a view of a model on a task -> one number per datapoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal

import numpy as np

from circuitlang.circuit.match import Binding
from circuitlang.claims.measure import SCORES, Look, Meter, Setting, Table, Values
from circuitlang.program.hypothesis import Port
from circuitlang.program.plugins import metric_row
from circuitlang.program.spec import Argument
from circuitlang.prompts.stream import Stream, derive
from circuitlang.site import Node

Kind = Literal["loss", "share", "real"]


class Unbound(ValueError):
    """A claim speaks of a role that no node of the circuit plays."""


@dataclass(frozen=True)
class View:
    """A setting and the untouched model on the same prompts, of one case (its column) or of all; with the arguments of
    the metric, and the nodes that its roles stand for."""

    meter: Meter
    setting: Setting
    case: int | None = None
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    binding: Binding | None = None

    def _of(self, table: Table) -> Values:
        """(datapoint): the mean over the cases, or one of them."""
        numbers = np.asarray(table, np.float64)
        return numbers.mean(1) if self.case is None else numbers[:, self.case]

    def loss(self, n: int) -> Values:
        """Nats per prompt between the answer and its foils."""
        return self._of(self.meter.table(self.setting, "loss", n))

    def accuracy(self, n: int) -> Values:
        """Share of prompts with the right choice."""
        return self._of(self.meter.table(self.setting, "choice", n) == 0)

    def mass(self, n: int) -> Values:
        """Probability of answer and foils together, over the whole vocabulary."""
        return self._of(self.meter.table(self.setting, "mass", n))

    def probability(self, n: int) -> Values:
        """Probability of the answer, over the whole vocabulary."""
        return self._of(self.meter.table(self.setting, "probability", n))

    def rise(self, n: int) -> Values:
        """Loss minus the untouched model's on the same prompts, in nats."""
        return self.loss(n) - self._of(self.meter.table(self.setting.untouched, "loss", n))

    def agreement(self, n: int) -> Values:
        """Share of prompts on which the choice equals the untouched model's."""
        here, there = (self.meter.table(s, "choice", n) for s in (self.setting, self.setting.untouched))
        return self._of(here == there)

    def kl(self, n: int) -> Values:
        """Divergence from the untouched model's prediction over the vocabulary, nats per prompt."""
        return self._of(self.meter.table(self.setting, "divergence", n, Look("divergence")))

    def flip(self, n: int) -> Values:
        """Share of prompts on which the choice is the other case's answer now, and was not before."""
        here, there = (self.meter.table(s, "says", n) for s in (self.setting, self.setting.untouched))
        cases = self.meter.cases
        to = self.arguments.get("to")
        names = [case.name for case in self.meter.generator.task.cases]
        others = np.array([names.index(str(to))] * cases if to is not None else [1, 0])
        turned = (here.astype(np.int64) >> others & 1) & ~(there.astype(np.int64) >> others) & 1
        if to is None or self.case is not None:
            return self._of(turned)
        return turned[:, [c for c in range(cases) if c != others[0]]].astype(np.float64).mean(1)

    def attention(self, n: int) -> Values:
        """Share of the head's attention that goes from the tokens of one mark to those of another."""
        (part,) = self._parts()
        layer, _, head = part.name.partition(".head")
        marks = (str(self.arguments["from"]), str(self.arguments["to"]))
        look = Look("attention", head=(int(layer), int(head.strip("[]"))), marks=marks)
        return self._of(self.meter.table(self.setting, "attention", n, look))

    def activation(self, n: int) -> Values:
        """Mean value of a node over the tokens of a mark, or over all tokens of the prompt."""
        mark = self.arguments.get("at")
        look = Look("activation", self._node(), marks=(None if mark is None else str(mark),))
        return self._of(self.meter.table(self.setting, "activation", n, look))

    def auroc(self, n: int) -> Values:
        """How well a node's value tells the tokens of a mark from the prompt's others; with `between`, one case's from
        another's: then datapoint i is compared with one of n others, each used once, so that the n numbers are
        independent and their mean is the area under the curve."""
        mark, between = str(self.arguments["at"]), self.arguments.get("between")
        if between is None:
            look = Look("stands out", self._node(), marks=(mark,))
            return self._of(self.meter.table(self.setting, "stands out", n, look))
        assert isinstance(between, tuple)
        names = [case.name for case in self.meter.generator.task.cases]
        first, second = (names.index(name) for name in between)
        look = Look("activation", self._node(), marks=(mark,))
        values = np.asarray(self.meter.table(self.setting, "activation", 2 * n, look), np.float64)
        above, below = values[:n, first], values[n:, second][_order(n)]
        return (above > below) + 0.5 * (above == below)

    def _parts(self):
        role = next(value for value in self.arguments.values() if isinstance(value, Port))
        if self.binding is None:
            raise Unbound(f"no node of the circuit plays the role `{role.role}`")
        return self.binding.parts[role.role]

    def _node(self) -> Node:
        (part,) = self._parts()
        return part.nodes[0]


def _order(n: int) -> list[int]:
    """A fixed random order: in `test` every second datapoint has a held-out choice, and no two kinds may be tied."""
    stream = Stream(derive("auroc", n))
    left = list(range(n))
    return [left.pop(stream.below(len(left))) for _ in range(n)]


METRICS: Mapping[str, tuple[Callable[[View, int], Values], Kind]] = {
    "loss": (View.loss, "loss"),
    "accuracy": (View.accuracy, "share"),
    "rise": (View.rise, "real"),
    "agreement": (View.agreement, "share"),
    "kl": (View.kl, "loss"),
    "flip": (View.flip, "share"),
    "probability": (View.probability, "share"),
    "mass": (View.mass, "share"),
    "attention": (View.attention, "share"),
    "activation": (View.activation, "real"),
    "auroc": (View.auroc, "share"),
}
"""The sampled metrics of the vocabulary, each with the kind of its values; `nodes` and `edges` are counted."""

LOOKS: Mapping[str, Look] = {
    **dict.fromkeys(("loss", "accuracy", "rise", "agreement", "flip", "probability", "mass"), SCORES),
    "kl": Look("divergence"),
}
"""What is read off for a metric, where settings that differ late can be measured together."""


def measured(name: str) -> tuple[Callable[[View, int], Values], Kind]:
    """The function that measures a metric, and the kind of its values; a plug-in's by the words of its row."""
    if name in METRICS:
        return METRICS[name]
    row = metric_row(name)
    module, _, function = row.measure.partition(":")
    kind = "share" if row.unit == "share" else "loss" if row.unit == "nats" and row.low == 0 else "real"
    return getattr(import_module(module), function), kind
