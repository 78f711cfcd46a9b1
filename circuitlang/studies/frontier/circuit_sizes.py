"""A model and a task to the sizes of the circuits that pruning finds, under two ablations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from circuitlang.checking.bench import finder_of
from circuitlang.circuit.extract import weight_count
from circuitlang.circuit.find import one_thread
from circuitlang.circuit.prune import Pruned
from circuitlang.claims.measure import UNTOUCHED, Meter
from circuitlang.language.program.spec import Ablate, PruneSettings, VerdictSettings
from circuitlang.language.program.task import Task
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.admit import admit
from circuitlang.report.frontier import Size, Sizes
from circuitlang.site import Node
from circuitlang.storage.cache import Cache
from circuitlang.studies.training import is_competent

ASKED = 512
"""Datapoints of `test` on which it is decided whether a model can do a task."""


def able(checkpoint: Checkpoint, tasks: Sequence[Task], cache: Cache) -> list[Task]:
    """Those that the untouched model is competent on, as a spec would have it (docs/verdicts.md)."""
    needed = VerdictSettings()
    found = []
    for task in tasks:
        if admit(task, checkpoint.tokenizer, checkpoint.model.config.context, checkpoint.name):
            continue
        meter = Meter.of(finder_of(checkpoint, task, 0, cache), PruneSettings())
        with one_thread():
            accuracy = float((meter.table(UNTOUCHED, "choice", ASKED) == 0).mean())
            mass = float(meter.table(UNTOUCHED, "mass", ASKED).mean(dtype="float64"))
        if is_competent(accuracy, mass, needed):
            found.append(task)
    return found


def measure(
    checkpoint: Checkpoint,
    task: Task,
    settings: PruneSettings,
    seed: int,
    cache: Cache,
    report: Callable[[str, float], None],
) -> Sizes:
    """The circuits of one task that the search finds under two ablations: means over pretraining text, as the paper has
    them, and values on another prompt of the task. Where learning the mask loses what is needed there is no second
    search from all nodes: it takes minutes, and more of them the larger a model is."""
    search = finder_of(checkpoint, task, 0, cache)

    def found(ablate: Ablate, number: int) -> Pruned:
        def told(stage: str, share: float) -> None:
            report(f"{ablate}, {stage}", (number + share) / 2)

        wanted = replace(settings, ablate=ablate)
        return search.find(wanted, seed, report=told, fallback=False, costs=False).pruned

    mean, resampled = found("mean", 0), found("resample", 1)
    model = checkpoint.model
    return Sizes(
        task=task.name,
        loss=mean.loss,
        mean=_size(model, mean.nodes) if mean.reached else None,
        resampled=_size(model, resampled.nodes) if resampled.reached else None,
    )


def _size(model: Transformer, nodes: Sequence[Node]) -> Size:
    return Size(nodes=len(nodes), edges=weight_count(model, nodes))
