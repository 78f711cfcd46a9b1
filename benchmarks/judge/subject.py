"""A planted model and what judges specs about it: text -> parser and checker -> search -> match -> verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from benchmarks.planted import specs
from benchmarks.planted.circuits import CIRCUITS, Planted, Size
from circuitlang.circuit.extract import extract
from circuitlang.circuit.find import COSTED, Finder, Found
from circuitlang.circuit.graph import CircuitGraph
from circuitlang.claims.assess import Assessor
from circuitlang.claims.measure import Meter, Setting
from circuitlang.claims.verdict import Outcome, Verdict, overall
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import PruneSettings, Spec
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.prompts.generate import Generator
from circuitlang.site import Node, Place
from circuitlang.storage.cache import Cache

AT_ONCE = 128
"""Datapoints of one forward pass: the models are so small that more at once are faster."""
SAMPLES = (128, 1024)
"""Datapoints at the first and the last look: true specs have room, false ones are to be caught with few datapoints."""

TARGET, ROOM = 0.07, 0.02
"""Nats: the least target of a search, and how far it lies over what the planted nodes reach by themselves."""

NOTHING = Cache(None)


def finder_of(checkpoint: Checkpoint, generator: Generator) -> Finder:
    return Finder(checkpoint, generator, NOTHING, "")


def meter_of(
    checkpoint: Checkpoint, generator: Generator, settings: PruneSettings, chunk: int = AT_ONCE
) -> Meter:
    return replace(Meter.of(finder_of(checkpoint, generator), settings), chunk=chunk)


def spec_of(planted: Planted, text: str) -> Spec:
    """The spec of a text, checked, on the planted task. Raises ProgramError."""
    return load_text(planted.program.tasks["planted"].text + "\n" + text, "planted.cir").specs["planted"]


@dataclass(frozen=True)
class Variation:
    """Which circuit, written how. `samples`: of the verdicts."""

    circuit: str
    noise: float
    seed: int
    size: Size
    samples: tuple[int, int] = SAMPLES
    ablate: str = "mean"

    def planted(self) -> Planted:
        make = next(make for make in CIRCUITS if make.__name__ == self.circuit)
        return make(self.noise, self.seed, self.size)

    def __str__(self) -> str:
        size = f"width {self.size.width}, {self.size.decoys} decoys"
        return f"{self.circuit}, {size}, noise {self.noise}, seed {self.seed}, ablate {self.ablate}"


Judge = Callable[[Spec, Meter, CircuitGraph], Sequence[Verdict]]
"""What is measured here. Anything that gives verdicts can stand in its place: the whole pipeline, with controls."""


def assess(spec: Spec, meter: Meter, graph: CircuitGraph) -> list[Verdict]:
    """Roles and arrows, then the claims: as `check` does it for one seed."""
    assessor = Assessor(meter, graph, spec.verdict, 0, spec.circuit)
    fits = assessor.judge_hypothesis()
    if fits is not None and fits.outcome is Outcome.FAIL:
        return [fits]  # the spec has failed, whatever its claims
    return [*([fits] if fits else []), *(assessor.judge(claim) for claim in spec.claims)]


@dataclass
class Subject:
    """One variation: the model is written, the circuit searched for and everything measured only once."""

    variation: Variation
    judge: Judge = assess

    @cached_property
    def planted(self) -> Planted:
        """As it was written. Under `resample` without the nodes that the target does not need there: those that are the
        same wherever a donor is matched, such as a detector of what every prompt has."""
        whole = self.variation.planted()
        if self.variation.ablate != "resample":
            return whole
        target, needed = self._target(whole), set(whole.nodes)
        for node in sorted(whole.nodes):
            if self._loss(whole, needed - {node}) <= target:
                needed.remove(node)
        parts = {role: tuple(n for n in part if n in needed) for role, part in whole.parts.items()}
        return replace(
            whole, nodes=frozenset(needed), parts={role: part for role, part in parts.items() if part}
        )

    @cached_property
    def text(self) -> str:
        """The true spec. Its target is just above the planted circuit's own loss, so that none of it can be spared."""
        whole, ablate = self.variation.planted(), self.variation.ablate
        gone = frozenset(whole.parts.keys() - self.planted.parts.keys())
        if ablate == "resample":  # one key of every head is kept, needed or not
            gone |= {"minimal"}
        return specs.text(self.variation.circuit, self.variation.samples, self._target(whole), ablate, gone)

    def _target(self, planted: Planted) -> float:
        return max(TARGET, self._loss(planted, planted.nodes) + ROOM)

    def _loss(self, planted: Planted, nodes: Iterable[Node]) -> float:
        """Of these nodes alone, on `select`, in nats."""
        draft = spec_of(planted, specs.text(self.variation.circuit, SAMPLES, TARGET, self.variation.ablate))
        meter = meter_of(planted.checkpoint, Generator(draft.task, 0), draft.prune)
        setting = Setting.keep(tuple(sorted(nodes)), "select")
        return float(meter.table(setting, "loss", SAMPLES[1]).mean(dtype="float64"))

    @cached_property
    def spec(self) -> Spec:
        return spec_of(self.planted, self.text)

    @cached_property
    def finder(self) -> Finder:
        return finder_of(self.planted.checkpoint, Generator(self.spec.task, 0))

    @cached_property
    def meter(self) -> Meter:
        return meter_of(self.planted.checkpoint, self.finder.generator, self.spec.prune)

    @cached_property
    def found(self) -> Found:
        return self.finder.find(self.spec.prune, 0)

    @cached_property
    def spare(self) -> set[Node]:
        """Keys that were found and carry nothing. A search under `resample` keeps one of every head whose values it
        keeps, whichever it is where none is needed."""
        extra = set(self.found.pruned.nodes) - self.planted.nodes
        keys = {node for node in extra if node.site.place is Place.K}
        return keys if self.variation.ablate == "resample" else set()

    @property
    def exact(self) -> bool:
        """Whether the search found the planted nodes and no others."""
        return set(self.found.pruned.nodes) - self.spare == self.planted.nodes

    @cached_property
    def graph(self) -> CircuitGraph:
        """Of what was found, but for the keys that carry nothing."""
        return self.graph_of(sorted(self.planted.nodes)) if self.spare else self.found.graph

    @cached_property
    def true_verdicts(self) -> list[Verdict]:
        return list(self.judge(self.spec, self.meter, self.graph))

    def verdicts(self, spec: Spec, nodes: Sequence[Node] | None = None) -> list[Verdict]:
        """Of another spec on the same model; on a circuit of other nodes, where they are given."""
        graph = self.graph if nodes is None else self.graph_of(nodes)
        return list(self.judge(spec, self.meter, graph))

    def graph_of(self, nodes: Sequence[Node]) -> CircuitGraph:
        checkpoint, shown = self.planted.checkpoint, self.finder.prompts("select", 0, COSTED)
        return extract(checkpoint.model, self.meter.ablation, nodes, shown, checkpoint.tokenizer)

    def with_model(self, checkpoint: Checkpoint) -> Subject:
        """The same, but the weights are others. The circuit's nodes stay: nothing is searched for again."""
        other = Subject(self.variation, self.judge)
        other.planted = replace(self.planted, checkpoint=checkpoint)
        nodes = sorted(self.planted.nodes)
        other.found = replace(self.found, graph=other.graph_of(nodes))
        return other


def outcome(verdicts: Sequence[Verdict]) -> Outcome:
    return overall(verdict.outcome for verdict in verdicts)


def precision_and_recall(found: set[object], known: set[object]) -> Mapping[str, float]:
    right = len(found & known)
    return {"precision": right / max(1, len(found)), "recall": right / max(1, len(known))}
