"""One function per metric of the vocabulary: a view of a model on a task -> one number per datapoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import NamedTuple

import numpy as np

from circuitlang.circuit.match import Binding
from circuitlang.circuit.plugin_intervention import PluginFailed
from circuitlang.claims.interval import outside
from circuitlang.claims.kind import kind_of_metric
from circuitlang.claims.look import LACKS_MARK, NO_CHOICE, SCORES, Look, Table, Values
from circuitlang.claims.measure import Meter, Setting
from circuitlang.claims.pretraining_text import exceeds
from circuitlang.language.program.hypothesis import Port
from circuitlang.language.program.plugins import metric_row
from circuitlang.language.program.signature import Metric
from circuitlang.language.program.spec import Argument
from circuitlang.prompts.stream import Stream, derive
from circuitlang.site import Node
from circuitlang.source.diagnostic import Unmeasurable


class Unbound(Unmeasurable):
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
        choice = self.meter.table(self.setting, "choice", n)
        return self._of(_known(choice == 0, choice))

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
        return self._of(_known(here == there, here, there))

    def kl(self, n: int) -> Values:
        """Divergence from the untouched model's prediction over the vocabulary, nats per prompt."""
        return self._of(self.meter.table(self.setting, "divergence", n, Look("divergence")))

    def flip(self, n: int) -> Values:
        """Share of prompts on which the choice is the other case's answer now, and was not before."""
        here, there = (self.meter.table(s, "says", n) for s in (self.setting, self.setting.untouched))
        cases = self.meter.cases
        to = self.arguments.get("to")
        others = np.array([self._names.index(str(to))] * cases if to is not None else [1, 0])
        becomes = (here.astype(np.int64) >> others & 1) & ~(there.astype(np.int64) >> others) & 1
        turned = _known(becomes, here, there)
        if to is None or self.case is not None:
            return self._of(turned)
        return turned[:, [c for c in range(cases) if c != others[0]]].mean(1)

    def attention(self, n: int) -> Values:
        """Share of the head's attention that goes from the tokens of one mark to those of another."""
        (part,) = self._parts()
        layer, _, head = part.name.partition(".head")
        marks = (str(self.arguments["from"]), str(self.arguments["to"]))
        look = Look("attention", head=(int(layer), int(head.strip("[]"))), marks=marks)
        return self._of(self._at_marks(n, look))

    def activation(self, n: int) -> Values:
        """Mean value of a node over the tokens of a mark, or over all tokens of the prompt; over pretraining text, of
        a document."""
        if self.arguments.get("over") == "text":
            return self._over_text("activation")[:n]
        mark = self.arguments.get("at")
        look = Look("activation", self._node(), marks=(None if mark is None else str(mark),))
        return self._of(self._at_marks(n, look))

    def auroc(self, n: int) -> Values:
        """How well a node's value tells the tokens of a mark from the prompt's others; with `between`, one case's from
        another's: then datapoint i is compared with one of n others, each used once, so that the n numbers are
        independent and their mean is the area under the curve. Over pretraining text: tells the tokens that hold a
        text from the other tokens of their document."""
        if self.arguments.get("over") == "text":
            return self._over_text("auroc")[:n]
        mark, between = str(self.arguments["at"]), self.arguments.get("between")
        if between is None:
            look = Look("stands out", self._node(), marks=(mark,))
            return self._of(self._at_marks(n, look))
        assert isinstance(between, tuple)
        first, second = (self._names.index(name) for name in between)
        look = Look("activation", self._node(), marks=(mark,))
        values = np.asarray(self._at_marks(2 * n, look, (first, second)), np.float64)
        above, below = values[:n, first], values[n:, second][_order(n)]
        return exceeds(above, below)

    def _over_text(self, kind: str) -> Values:
        """(document) of all the documents of pretraining text that have such tokens. Raises ValueError for none."""
        at = self.arguments.get("at")
        return self.meter.over_text(kind, self._node(), None if at is None else str(at))

    @property
    def _names(self) -> list[str]:
        return [case.name for case in self.meter.generator.task.cases]

    def _at_marks(self, n: int, look: Look, cases: tuple[int, ...] = ()) -> Table:
        """(datapoint, case) what a look at marks finds. Raises Unmeasurable where a prompt that counts (of `cases`, or
        of the view's) lacks a mark."""
        lacks = self.meter.table(self.setting, "lacks", n, look)
        columns = cases or (range(len(self._names)) if self.case is None else (self.case,))
        for case in columns:
            if lacks[:, case].any():
                why = int(lacks[lacks[:, case] != 0, case][0])
                raise Unmeasurable(_lacking(look.marks, self._names[case], why))
        return self.meter.table(self.setting, look.kind, n, look)

    def _parts(self):
        role = next(value for value in self.arguments.values() if isinstance(value, Port))
        if self.binding is None:
            raise Unbound(f"no node of the circuit plays the role `{role.role}`")
        return self.binding.parts[role.role]

    def _node(self) -> Node:
        (part,) = self._parts()
        return part.nodes[0]


def _lacking(marks: tuple[str | None, ...], case: str, why: int) -> str:
    """A sentence for a LACKS_."""
    names = " or ".join(f"`{mark}`" for mark in dict.fromkeys(marks) if mark is not None)
    if why == LACKS_MARK:
        return f"a prompt of case `{case}` has no token at {names}"
    return f"a prompt of case `{case}` has no other token than those at {names or 'all of it'}"


def _known(values: Table, *choices: Table) -> Values:
    """The values, and NaN where a choice is none."""
    there = np.logical_and.reduce([choice != NO_CHOICE for choice in choices])
    return np.where(there, values.astype(np.float64), np.nan)


def _order(n: int) -> list[int]:
    """A fixed random order: in `test` every second datapoint has a held-out choice, and no two kinds may be tied."""
    return Stream(derive("auroc", n)).pick(range(n), n)


class Measured(NamedTuple):
    """How a metric is measured. `look`: what is read off, where settings that differ late can be measured together."""

    function: Callable[[View, int], Values]
    look: Look | None = None


METRICS: Mapping[str, Measured] = {
    "loss": Measured(View.loss, SCORES),
    "accuracy": Measured(View.accuracy, SCORES),
    "rise": Measured(View.rise, SCORES),
    "agreement": Measured(View.agreement, SCORES),
    "kl": Measured(View.kl, Look("divergence")),
    "flip": Measured(View.flip, SCORES),
    "probability": Measured(View.probability, SCORES),
    "mass": Measured(View.mass, SCORES),
    "attention": Measured(View.attention),
    "activation": Measured(View.activation),
    "auroc": Measured(View.auroc),
}
"""The sampled metrics of the vocabulary; `nodes` and `edges` are counted."""


def measured(name: str) -> Callable[[View, int], Values]:
    """The function that measures a metric; a plug-in's by the words of its row."""
    if name in METRICS:
        return METRICS[name].function
    row = metric_row(name)
    return lambda view, n: _by_package(row, view, n)


def _by_package(row: Metric, view: View, n: int) -> Values:
    """(datapoint) what a package's function measures. Raises PluginFailed, so that its mistakes are not measured."""
    path = row.measure
    module, _, function = path.partition(":")
    try:
        found = np.asarray(getattr(import_module(module), function)(view, n), np.float64)
    except Exception as error:  # whatever a package raises is its own mistake, and no number
        why = f"{type(error).__name__}: {error}"
        raise PluginFailed(f"the plug-in `{path}` does not work: {why}") from error
    if found.shape != (n,):
        raise PluginFailed(f"the plug-in `{path}` gave numbers of shape {found.shape}, not {n} of them")
    if stray := outside(found, kind_of_metric(row)):
        raise PluginFailed(f"the plug-in `{path}` gave what its row excludes: {stray}")
    return found
