"""Spec: a checked hypothesis with its claims. If one exists, everything it names exists and fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from circuitlang.language.program.hypothesis import Arrow, Circuit, Port
from circuitlang.language.program.recipe import Recipe
from circuitlang.language.program.signature import Crossing, Form
from circuitlang.language.program.task import Task
from circuitlang.source.diagnostic import Span

Ablate = Literal["resample", "resample(text)", "mean", "mean(task)", "zero"]
"""What an ablated node becomes: its value on another prompt of the task, at another place of pretraining text, its mean
over text or task, or 0."""


@dataclass(frozen=True)
class PruneSettings:
    """How a circuit is searched for (paper section 2.2, A.5). Losses are nats per prompt."""

    loss: float = 0.15  # the target: the smallest circuit with at most this loss on `select`
    ablate: Ablate = "resample"  # what an ablated node becomes (circuit/ablation.py)
    seeds: tuple[int, ...] = (0,)
    steps: int = 500
    batch: int = 8  # datapoints per step; each is one prompt per case
    learning_rate: float = 0.03
    penalty: tuple[float, ...] = (8e-3,)  # nats per kept node; every one is tried, `select` decides
    temperature: float = 1.0  # of the sigmoid that stands in for the Heaviside step's derivative

    @property
    def resamples(self) -> bool:
        """Whether an ablated node takes values that differ from prompt to prompt."""
        return self.ablate.startswith("resample")


@dataclass(frozen=True)
class VerdictSettings:
    """When a claim counts as shown (docs/verdicts.md)."""

    confidence: float = 0.99
    samples: tuple[int, int] = (512, 8192)  # datapoints at the first look and at the last
    competence: float = 0.9  # accuracy of the untouched model below which nothing is judged
    mass: float = 0.01  # mean probability of answer and foils together, likewise
    margin: float = 2.0  # how many times as many nodes a null must need at the same loss
    strict: bool = False  # whether a smaller ratio fails the spec, not only warns


Target = Literal["circuit", "random"] | Port | Arrow | Crossing
"""`circuit`: the pruned circuit; `random`: circuits with as many nodes at the same sites."""
Argument = Port | str | tuple[str, str] | float
"""Of a metric, by its parameter's type: a role; a mark, a text, a case or a choice; two cases; a number."""


@dataclass(frozen=True)
class Intervention:
    """`kind` is a name of the vocabulary's interventions. `each`: what is taken one at a time: the nodes or the edges
    of the target, which is then `circuit`, or the members of the role that is then the target. `value`: of a crossing
    the number of its site, None for all."""

    kind: str
    target: Target
    each: Literal["node", "edge", "role"] | None = None
    value: float | None = None
    at: str | None = None  # a mark; None is everywhere
    to: str | None = None  # a case; None is the other of two
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def form(self) -> Form:
        """What it is of, in the words of the vocabulary."""
        if self.each is not None:
            return {"node": "each node", "edge": "each edge", "role": "each ROLE"}[self.each]  # pyright: ignore[reportReturnType]
        if isinstance(self.target, Arrow):
            return "arrow"
        if isinstance(self.target, Port):
            return "port" if self.target.part else "role"
        return self.target


@dataclass(frozen=True)
class Quantity:
    """`METRIC [given …] [where …] [for case …]`: an expectation over datapoints, or a count for nodes and
    edges. `arguments`: by the name of the metric's parameter; those that are left out are absent."""

    metric: str
    interventions: tuple[Intervention, ...] = ()
    where: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # param -> inclusive range
    case: str | None = None
    text: str = ""
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def over_text(self) -> bool:
        """Whether it is measured over pretraining text, not over the task's prompts."""
        return self.arguments.get("over") == "text"


@dataclass(frozen=True)
class Claim:
    """`left relation right`; `right` is a number (nats, share or count by the metric) or another quantity."""

    name: str
    left: Quantity
    relation: Literal["<", "<=", ">", ">=", "=="]
    right: float | Quantity
    text: str
    span: Span = field(compare=False, repr=False)

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The sides that are measured: the left one, and the right one where it is no number."""
        return (self.left, self.right) if isinstance(self.right, Quantity) else (self.left,)


@dataclass(frozen=True)
class Spec:
    """`model` is `zoo:NAME`, a checkpoint's path, or the name of a model block. `text`: canonical text of the
    block."""

    name: str
    doc: str | None
    task: Task
    model: str
    prune: PruneSettings
    verdict: VerdictSettings
    claims: tuple[Claim, ...]
    text: str
    span: Span = field(compare=False, repr=False)
    recipe: Recipe | None = None  # of the model block, where `model` names one
    circuit: Circuit | None = None  # None: whatever circuit is found
    model_at: Span | None = field(default=None, compare=False, repr=False)  # where it is written
