"""What a report is made of: the task, each claim, the circuits of all seeds; and the verdict that follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from circuitlang.circuit.graph import CircuitGraph, graph_schema, jaccard
from circuitlang.claims.verdict import Counterexample as Breaking
from circuitlang.claims.verdict import Interval, Outcome, Verdict, exit_status, overall, worst
from circuitlang.report.battery import BatteryResult, ControlResult
from circuitlang.report.circuit import Circuit
from circuitlang.report.diagram import Diagram, dot
from circuitlang.report.drift import Drift
from circuitlang.report.edges import led_on
from circuitlang.report.hypothesis import HypothesisResult
from circuitlang.report.part import Measured, Part, Text


def _graph(value: object) -> CircuitGraph:
    if isinstance(value, CircuitGraph):
        return value
    if isinstance(value, dict):
        return CircuitGraph.from_data(value)
    raise ValueError("not a circuit")


Graph = Annotated[
    CircuitGraph,
    PlainValidator(_graph),
    PlainSerializer(CircuitGraph.to_data),
    WithJsonSchema(graph_schema()),
]


class TaskResult(Part):
    """What the untouched model makes of the task, on `test`. `outcome`: `fail` means not competent."""

    name: Text
    model: Text
    outcome: Outcome
    prompts: int = Field(ge=0)
    accuracy: float | None = None
    loss: float | None = Field(default=None, description="nats per prompt")
    mass: float | None = Field(default=None, description="probability of answer and foils together")
    intervals: dict[str, Measured] = Field(default_factory=dict)
    note: Text = ""

    @classmethod
    def of(
        cls,
        name: str,
        model: str,
        outcome: Outcome,
        prompts: int,
        intervals: dict[str, Interval],
        note: str = "",
    ) -> Self:
        """`intervals`: of `accuracy`, `loss`, `mass`; what could not be measured is left out."""
        values = {metric: interval.value for metric, interval in intervals.items()}
        return cls(
            name=name,
            model=model,
            outcome=outcome,
            prompts=prompts,
            accuracy=values.get("accuracy"),
            loss=values.get("loss"),
            mass=values.get("mass"),
            intervals={metric: Measured.of(interval) for metric, interval in intervals.items()},
            note=note,
        )


class SeedCircuit(Part):
    """The circuit that one pruning seed found. Losses are nats per prompt."""

    seed: int
    nodes: int = Field(ge=0)
    edges: int = Field(ge=0, description="nonzero weights between two kept nodes")
    embedding_edges: int = Field(default=0, ge=0)
    unembedding_edges: int = Field(default=0, ge=0)
    reached: bool = Field(description="whether the circuit's loss on select is within the target")
    penalty: float | None = Field(default=None, description="nats per kept node, as chosen on select")
    loss_select: float | None = Field(default=None, description="of the circuit alone")
    loss_test: float | None = Field(default=None, description="of the circuit alone")
    loss_without: float | None = Field(
        default=None, description="of the model with the circuit ablated, on test"
    )
    mass_test: float | None = Field(
        default=None, description="probability that the circuit gives answer and foils together, on test"
    )
    constant: tuple[Text, ...] = Field(
        default=(),
        description="the nodes that have one value at every token of every prompt, in the circuit, on 64 datapoints of "
        "select: they count as nodes, and say nothing of a prompt",
    )
    graph: Graph | None = Field(default=None, repr=False)
    roles: dict[str, tuple[Text, ...]] = Field(
        default_factory=dict, description="role of the hypothesis -> the nodes that play it"
    )


class Overlap(Part):
    """Jaccard index of two seeds' circuits: shared over all."""

    seeds: tuple[int, int]
    nodes: float = Field(ge=0, le=1)
    edges: float = Field(ge=0, le=1)


class CircuitResult(Part):
    """The circuits of all seeds. The numbers at the top are those of the first seed, whose graph is drawn."""

    nodes: int
    edges: int
    total_nodes: int = Field(description="nodes of the whole model that a circuit may keep")
    loss: float | None = Field(description="of the circuit alone, on test, nats per prompt")
    target: float | None = Field(default=None, description="the loss that pruning had to reach on select")
    partners: dict[Text, float] = Field(
        default_factory=dict,
        description="share of the prompts' positions that have a counterpart in their donor by mark, common prefix, or "
        "distance from the end; empty where ablated nodes do not take values of other prompts",
    )
    seeds: tuple[int, ...]
    per_seed: tuple[SeedCircuit, ...]
    overlap: tuple[Overlap, ...] = ()

    @classmethod
    def of(
        cls,
        per_seed: Sequence[SeedCircuit],
        total_nodes: int,
        target: float | None = None,
        partners: Mapping[str, float] | None = None,
    ) -> Self:
        """Overlaps are those of every two seeds whose graphs are given."""
        first = per_seed[0]
        drawn = [(circuit.seed, circuit.graph) for circuit in per_seed if circuit.graph is not None]
        return cls(
            nodes=first.nodes,
            edges=first.edges,
            total_nodes=total_nodes,
            loss=first.loss_test,
            target=target,
            partners=dict(partners or {}),
            seeds=tuple(circuit.seed for circuit in per_seed),
            per_seed=tuple(per_seed),
            overlap=tuple(_overlap(*one, *other) for one, other in combinations(drawn, 2)),
        )

    def plain_graph(self, seed: int | None = None) -> CircuitGraph:
        """The circuit as plain data; of the first seed unless told."""
        wanted = self.seeds[0] if seed is None else seed
        for circuit in self.per_seed:
            if circuit.seed == wanted and circuit.graph is not None:
                return circuit.graph
        raise ValueError(f"the report holds no graph for seed {wanted}")

    def graph(self, seed: int | None = None) -> Any:
        """The circuit as a networkx.DiGraph, as `Circuit.graph` has it."""
        return led_on(self.plain_graph(seed)).networkx()

    def diagram(self, seed: int | None = None) -> Diagram:
        """The circuit as a picture: DOT text that shows itself in a notebook."""
        return Diagram(dot(self.plain_graph(seed), roles=self.roles(seed)))

    def _repr_svg_(self) -> str | None:
        return self.diagram()._repr_svg_()

    def roles(self, seed: int | None = None) -> dict[str, tuple[str, ...]]:
        """Role -> the names of its nodes; of the first seed unless told."""
        wanted = self.seeds[0] if seed is None else seed
        return next(circuit.roles for circuit in self.per_seed if circuit.seed == wanted)


def _overlap(seed: int, graph: CircuitGraph, other_seed: int, other_graph: CircuitGraph) -> Overlap:
    nodes, edges = jaccard(graph, other_graph)
    return Overlap(seeds=(seed, other_seed), nodes=nodes, edges=edges)


class SeedVerdict(Part):
    """What became of a claim for one pruning seed (null: it does not depend on the circuit)."""

    seed: int | None
    verdict: Outcome
    value: float | None = None
    low: float | None = None
    high: float | None = None
    datapoints: int = Field(default=0, ge=0)
    method: Text = ""
    right_value: float | None = None
    member: Text | None = None
    note: Text = ""
    hardest: tuple[Text, ...] = Field(default=(), description="the random circuits that were judged")

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        interval = verdict.interval
        return cls(
            seed=verdict.seed,
            verdict=verdict.outcome,
            value=None if interval is None else interval.value,
            low=None if interval is None else interval.low,
            high=None if interval is None else interval.high,
            datapoints=0 if interval is None else interval.datapoints,
            method="" if interval is None else interval.method,
            right_value=verdict.right_value,
            member=verdict.member,
            note=verdict.note,
            hardest=verdict.hardest,
        )


class Counterexample(Part):
    """The smallest prompt found on which the claim breaks."""

    prompt: Text
    expected: Text
    model_answer: Text
    circuit_answer: Text

    @classmethod
    def of(cls, found: Breaking) -> Self:
        return cls(
            prompt=found.prompt,
            expected=found.expected,
            model_answer=found.model_answer,
            circuit_answer=found.circuit_answer,
        )


class ClaimResult(SeedVerdict):
    """A claim: its worst verdict over the seeds, and each seed's."""

    name: Text
    text: Text
    line: int = Field(ge=0, description="1-based line in the spec's file")
    relation: Literal["<", "<=", ">", ">=", "=="]
    bound: float | None
    right: Text
    prompts: int = Field(ge=0, description="datapoints times the prompts of each")
    control: Text | None = Field(
        default=None, description="held, or the gating nulls that pass the claim; null: not run"
    )
    informational: tuple[Text, ...] = Field(
        default=(), description="nulls that pass the claim, too, and do not affect the verdict"
    )
    counterexample: Counterexample | None = None
    seeds: tuple[SeedVerdict, ...]

    @classmethod
    def over_seeds(
        cls,
        verdicts: Iterable[Verdict],
        prompts_per_datapoint: int,
        control: str | None = None,
        counterexample: Counterexample | None = None,
        informational: Iterable[str] = (),
    ) -> Self:
        """`verdicts`: of one claim, one per pruning seed. `counterexample`: another one than the worst verdict's."""
        each = tuple(verdicts)
        shown = worst(each)
        if counterexample is None and shown.counterexample is not None:
            counterexample = Counterexample.of(shown.counterexample)
        top = SeedVerdict.of(shown)
        return cls(
            **top.model_dump(),
            name=shown.name,
            text=shown.text,
            line=shown.line,
            relation=shown.relation,
            bound=shown.bound,
            right=shown.right,
            prompts=top.datapoints * prompts_per_datapoint,
            control=control,
            informational=tuple(informational),
            counterexample=counterexample,
            seeds=tuple(SeedVerdict.of(verdict) for verdict in each),
        )


class Provenance(Part):
    """What is needed to make the report again. `versions` and `hashes` are sorted by name."""

    command: tuple[Text, ...]
    versions: dict[str, Text]
    hashes: dict[str, Text] = Field(description="content hashes: spec, task, model, prune, code, …")
    seed: int
    device: Text
    threads: int = Field(ge=1)

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        for field in ("versions", "hashes"):
            object.__setattr__(self, field, dict(sorted(getattr(self, field).items())))
        return self

    @property
    def inputs(self) -> dict[str, str]:
        """What went into the check, by name, in text: every hash, and the seed."""
        return {**self.hashes, "seed": str(self.seed)}


class ReportData(Part):
    """What a report says; Report (report.py) adds its text and how it shows itself."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    spec: Text
    doc: Text | None = None
    verdict: Outcome
    ablation: Text = Field(
        default="",
        description="what ablated nodes become, in the spec's words; the verdict holds under this one",
    )
    note: Text = ""
    confidence: float = Field(gt=0, lt=1)
    task: TaskResult
    circuit: CircuitResult | None = Field(default=None, description="null where nothing was pruned")
    hypothesis: HypothesisResult | None = Field(default=None, description="null where the spec has no roles")
    warnings: tuple[Text, ...] = Field(
        default=(), description="shortcuts in the task: surface features that tell its cases apart"
    )
    claims: tuple[ClaimResult, ...] = ()
    controls: tuple[ControlResult, ...] = ()
    battery: tuple[BatteryResult, ...] = ()
    drift: Drift | None = Field(default=None, description="null where no lock was held against it")
    provenance: Provenance
    seconds: dict[str, float] = Field(default_factory=dict, description="wall-clock time of each stage")
    cached: bool = False

    @model_validator(mode="after")
    def _no_better_than_its_parts(self) -> Self:
        found = overall_outcome(self.task, self.claims, self.battery, self.controls)
        if self.verdict.severity < found.severity:
            raise ValueError(f"the verdict cannot be {self.verdict} when its parts come to {found}")
        return self

    @property
    def exit_status(self) -> int:
        return exit_status(self.verdict)

    @property
    def per_seed(self) -> tuple[SeedCircuit, ...]:
        """What every pruning seed found; empty where nothing was pruned."""
        return self.circuit.per_seed if self.circuit is not None else ()

    @property
    def circuits(self) -> tuple[Circuit, ...]:
        """The circuits of all seeds, each by itself."""
        about, target = (self.spec, self.task.model), self.circuit and self.circuit.target
        return tuple(
            Circuit(c.graph, *about, c.seed, c.loss_test, target, c.reached, c.roles)
            for c in self.per_seed
            if c.graph is not None
        )


def overall_outcome(
    task: TaskResult,
    claims: Iterable[ClaimResult],
    battery: Iterable[BatteryResult] = (),
    controls: Iterable[ControlResult] = (),
) -> Outcome:
    """The verdict of a spec: the worst of the model's competence, every claim, the battery's gates, and the controls'.

    A model that is not competent fails whatever its claims say; nothing claimed means nothing shown.
    """
    if task.outcome is Outcome.FAIL:
        return Outcome.FAIL
    judged = [claim.verdict for claim in claims]
    gates = [check.verdict for check in battery if check.gates and check.verdict is not None]
    nulls = [control.verdict for control in controls if control.verdict is not None]
    return overall([task.outcome, overall(judged), *gates, *nulls])
