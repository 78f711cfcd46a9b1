"""Controls: nulls that go through the same pruning, at the same budget, and through the same claims.

Pruning finds small circuits for tasks with nothing in them, and in models without structure; what such a null does as
well as the circuit in question shows nothing. What reaching a claim means is in `_NullJudge.reaches`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from circuitlang.circuit.extract import bare, extract, weight_count
from circuitlang.circuit.find import SELECTED, Finder, Found
from circuitlang.circuit.graph import CircuitGraph
from circuitlang.claims.assess import COUNTED, Assessor
from circuitlang.claims.looks import JUDGED, RANDOM_CIRCUITS
from circuitlang.claims.measure import Meter, Setting
from circuitlang.claims.random_circuits import random_outside
from circuitlang.claims.verdict import HYPOTHESIS, Control, Outcome, Verdict, void
from circuitlang.language.program.spec import Claim, Intervention, Quantity, Spec, VerdictSettings
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.relabel import (
    Nonsense,
    Relabel,
    ShuffledAnswers,
    as_written,
    nonsense_tokens,
    one_answer,
)
from circuitlang.prompts.relabel import asked as tokens_asked
from circuitlang.site import Node
from circuitlang.source.diagnostic import Unmeasurable
from circuitlang.storage.cache import key_of

PERFORMANCE = frozenset({"loss", "accuracy"})
"""Metrics of how well the task is done: a null that passes such a claim about what it keeps has reached it."""


@dataclass(frozen=True)
class Null:
    """How a null is made of a checkpoint and a task. `make` may raise Unmeasurable: the task has no such control.
    `compared`: its size is held against the real circuit's; `gates_resampled`: that affects the verdict where ablated
    nodes take values of other prompts, which leaves a null nothing to lean on."""

    name: str
    text: str
    voids: bool
    compared: bool
    gates_resampled: bool
    make: Callable[[Finder, int], tuple[Checkpoint, Relabel]]


def _nonsense(finder: Finder, seed: int) -> tuple[Checkpoint, Relabel]:
    batch = finder.prompts("select", 0, SELECTED)
    if batch.cases < 2:
        raise Unmeasurable("the task has one case: there are no answers to tell apart")
    tokens = nonsense_tokens(finder.checkpoint.tokenizer, tokens_asked(batch), batch.cases, seed)
    return finder.checkpoint, Nonsense(tokens)


def _shuffled_answers(finder: Finder, seed: int) -> tuple[Checkpoint, Relabel]:
    if len(finder.generator.task.cases) < 2:
        raise Unmeasurable("the task has one case: its answer cannot be another case's")
    return finder.checkpoint, ShuffledAnswers(seed)


def _shuffled_weights(finder: Finder, seed: int) -> tuple[Checkpoint, Relabel]:
    checkpoint = finder.checkpoint
    return replace(checkpoint, model=shuffled(checkpoint.model, seed)), as_written


def _one_answer(finder: Finder, seed: int) -> tuple[Checkpoint, Relabel]:
    if len(finder.generator.task.cases) < 2:
        raise Unmeasurable("the task has one case, and so one answer already")
    return finder.checkpoint, one_answer


NULLS = (
    Null(
        "nonsense",
        "two tokens that have nothing to do with the task, in place of the answers",
        False,
        True,
        True,
        _nonsense,
    ),
    Null(
        "shuffled_answers",
        "which case has which answer is drawn for each datapoint",
        True,
        False,
        False,
        _shuffled_answers,
    ),
    Null(
        "shuffled_weights",
        "the model with the entries of each matrix permuted",
        True,
        True,
        False,
        _shuffled_weights,
    ),
    Null("one_answer", "the first case's answer for every case", False, False, False, _one_answer),
)


@dataclass(frozen=True)
class Made:
    """A null of one task and model. `finder`: what searches it; None where it cannot be built, and `why`."""

    null: Null
    finder: Finder | None
    why: str = ""


def make_nulls(finder: Finder, seed: int) -> list[Made]:
    """Every null of what the finder searches. `seed`: of the pruning; it draws what the null is made of."""
    made = []
    for null in NULLS:
        try:
            checkpoint, relabel = null.make(finder, seed)
        except Unmeasurable as reason:
            made.append(Made(null, None, str(reason)))
            continue
        key = key_of(finder.key, "null", null.name, seed)
        same = finder.model_key if checkpoint is finder.checkpoint else None
        nulls = replace(finder, checkpoint=checkpoint, relabel=relabel, key=key, model_key=same)
        made.append(Made(null, nulls))
    return made


RANDOM = "random"


@torch.no_grad()
def shuffled(model: Transformer, seed: int) -> Transformer:
    """A copy whose matrices have the same entries at other places; gains and biases stay."""
    new = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    for parameter in new.parameters():
        if parameter.ndim == 2:
            order = torch.randperm(parameter.numel(), generator=generator)
            parameter.copy_(parameter.flatten()[order.to(parameter.device)].view_as(parameter))
    return new


@dataclass(frozen=True)
class Controls:
    """The nulls of one spec, against one seed's circuit. `finder` and `meter`: the real ones; `claims`: those that the
    real circuit passes (the others need no null)."""

    finder: Finder
    meter: Meter
    spec: Spec
    found: Found
    claims: Sequence[Claim]

    @property
    def real(self) -> CircuitGraph:
        return self.found.graph

    @cached_property
    def target(self) -> float:
        """What the real circuit's loss on `select` had to be, or is where it missed that."""
        return max(self.spec.prune.loss, self.found.pruned.loss)

    def run(self, made: Made, own: Found | None) -> Control:
        """One null: cut to the real circuit's size, and judged. `own`: what its search found, if it could be made."""
        null, finder = made.null, made.finder
        prune, verdict = self.spec.prune, self.spec.verdict
        by_size = (null.compared and verdict.strict) or (null.gates_resampled and prune.ablate == "resample")
        control = Control(null.name, null.text, null.voids, gates=null.voids or by_size)
        if finder is None or own is None:
            return replace(control, note=f"not built: {made.why}")
        judge = _NullJudge(self, finder, own)
        control = replace(
            control,
            nodes=own.graph.node_count if own.pruned.reached else None,
            edges=own.graph.edge_count if own.pruned.reached else None,
            loss_at_size=judge.loss,
            reaches=judge.reached(),
            note=""
            if own.pruned.reached
            else f"the target is not reached: {own.pruned.stopped or 'no circuit was found'}",
        )
        if not own.pruned.reached or not self.found.pruned.reached:
            return control
        if not self.real.node_count:
            return replace(control, note="the circuit is empty, and to nothing there is no ratio")
        ratio = own.graph.node_count / self.real.node_count
        close = null.compared and ratio < verdict.margin
        note = f"under the margin of {verdict.margin:g}" if close else ""
        return replace(control, ratio=ratio, close=close, note=note)

    def run_random(self) -> Control:
        """As many nodes at the same sites, drawn from the live nodes outside the circuit. No search is needed."""
        model, seed = self.meter.checkpoint.model, self.found.seed
        batch = self.meter.prompts("select", (), 0)
        judges = [
            Assessor(self.meter, bare(model, drawn), one_look(self.spec.verdict), seed)
            for drawn in random_outside(model, batch, self.real.kept, RANDOM_CIRCUITS, seed)
        ]
        best = min(self.meter.each(lambda judge: judge.loss_on_select(judge.nodes), judges))
        return Control(
            RANDOM,
            f"{RANDOM_CIRCUITS} circuits with as many live nodes at the same sites",
            True,
            gates=True,
            loss_at_size=best,
            reaches=tuple(claim.name for claim in self.claims if _random_reaches(judges, claim)),
            note=f"the loss is the best of {RANDOM_CIRCUITS}",
        )


@dataclass(frozen=True)
class _NullJudge:
    """One null's circuit at the real circuit's size, and the claims put to it."""

    controls: Controls
    finder: Finder
    own: Found

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The most needed ones, as many as stay within the real circuit's nodes and edges."""
        real, model = self.controls.real, self.finder.checkpoint.model
        order = self.own.pruned.order
        fits, too_many = 0, min(real.node_count, len(order)) + 1
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if weight_count(model, order[:middle]) <= real.edge_count:
                fits = middle
            else:
                too_many = middle
        return tuple(sorted(order[:fits]))

    @cached_property
    def loss(self) -> float:
        """Nats per prompt on `select`."""
        table = self.meter.table(Setting.keep(self.nodes, "select"), "loss", SELECTED)
        return float(table.mean(dtype="float64"))

    @cached_property
    def meter(self) -> Meter:
        real = self.controls.meter
        mean = real.ablation.mean if self.finder.checkpoint is real.checkpoint else None
        return Meter.of(self.finder, self.controls.spec.prune, real.workers, mean)

    @cached_property
    def assessor(self) -> Assessor:
        spec, meter, checkpoint = self.controls.spec, self.meter, self.finder.checkpoint
        if spec.circuit is None:  # only roles are bound by what a graph has beside its nodes
            graph = bare(checkpoint.model, self.nodes)
        else:
            shown = self.finder.shown(len(self.nodes))
            graph = extract(checkpoint.model, meter.ablation, self.nodes, shown, checkpoint.tokenizer)
        return Assessor(meter, graph, one_look(spec.verdict), self.own.seed, spec.circuit)

    def reached(self) -> tuple[str, ...]:
        claims = tuple(claim.name for claim in self.controls.claims if self.reaches(claim))
        return ((HYPOTHESIS,) if self.fits() else ()) + claims

    def fits(self) -> bool:
        """Whether the hypothesis's roles and arrows are found in the null's circuit too, where that does its task."""
        if self.controls.spec.circuit is None or self.loss > self.controls.target:
            return False
        judged = self.assessor.judge_hypothesis()
        return judged is not None and judged.outcome is Outcome.PASS

    def reaches(self, claim: Claim) -> bool:
        """Whether the null passes a claim with a circuit no larger than the real one.

        How large a circuit must be is asked of the null's own circuit at the target. A claim of how well the task is
        done by what is kept is asked of the null at the real size. Every other claim presumes a circuit that does the
        task; it is asked only of a null that meets the target at that size. (Without that, a model that always says the
        same, whose every circuit agrees with it and fails without it, would pass most claims.)
        """
        if not about_a_circuit(claim):
            return False
        if claim.left.metric in COUNTED:
            own, real = self.own, self.controls.real
            small = own.graph.node_count <= real.node_count and own.graph.edge_count <= real.edge_count
            if not (own.pruned.reached and small):
                return False
            verdict = self.controls.spec.verdict
            judged = Assessor(self.controls.meter, own.graph, verdict, own.seed).judge(claim)  # only counts
        elif not performs(claim) and self.loss > self.controls.target:
            return False
        else:
            judged = self.assessor.judge(claim)
        return judged.outcome is Outcome.PASS


def one_look(settings: VerdictSettings) -> VerdictSettings:
    """Nulls are looked at once, at the first look's size, with the whole budget of error: that passes no fewer of them
    than the first of several looks would."""
    return replace(settings, samples=(settings.samples[0], settings.samples[0]))


def _random_reaches(judges: Sequence[Assessor], claim: Claim) -> bool:
    """Whether one of the random circuits passes: of those that come nearest to it on `select`, judged on `test`.

    Counts are as given, a claim on roles has nothing to be asked of, and one on each node or edge is asked of the first
    few, for it takes as many measurements as there are members.
    """
    if (
        not about_a_circuit(claim)
        or claim.left.metric in COUNTED
        or _speaks_of(claim, lambda act: act.target == "random")
    ):
        return False
    if _speaks_of(claim, lambda act: act.each is not None):
        judges = judges[:JUDGED]
    margins = judges[0].meter.each(lambda judge: judge.margin_on_select(claim), judges)
    near = [(m, judge) for m, judge in zip(margins, judges, strict=True) if m is not None and m >= 0]
    near.sort(key=lambda pair: -pair[0])
    return any(judge.judge(claim).outcome is Outcome.PASS for _, judge in near[:JUDGED])


def about_a_circuit(claim: Claim) -> bool:
    """Whether another circuit could change a claim's outcome; not so for one on the untouched model."""
    return any(side.metric in COUNTED or side.interventions or side.arguments for side in claim.quantities)


def performs(claim: Claim) -> bool:
    """A claim of how well the task is done by the circuit that is kept."""
    return (
        claim.left.metric in PERFORMANCE
        and not isinstance(claim.right, Quantity)
        and bool(claim.left.interventions)
        and all(act.kind == "keep" for act in claim.left.interventions)
    )


def _speaks_of(claim: Claim, such: Callable[[Intervention], bool]) -> bool:
    return any(such(act) for side in claim.quantities for act in side.interventions)


def voided(verdicts: Sequence[Verdict], controls: Sequence[Control]) -> list[Verdict]:
    """The verdicts, void where a null that must not reach the claim does. What does not pass stays."""
    found = list(verdicts)
    for control in controls:
        if control.voids:
            found = [void(v, control.name) if v.name in control.reaches else v for v in found]
    return found
