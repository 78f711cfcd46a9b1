"""A model and a task to the sizes of the circuit that pruning finds, under the usual ablation and a stricter one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from circuitlang.cache import Cache
from circuitlang.circuit.eliminate import by_return
from circuitlang.circuit.extract import weight_count
from circuitlang.circuit.find import SELECTED, Finder, Found, one_thread
from circuitlang.circuit.mask import Mask, keeping
from circuitlang.circuit.reference import Drawn, Rest, places_in, pool_of_values
from circuitlang.claims.measure import UNTOUCHED, Meter
from circuitlang.model import score
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.transformer import Transformer
from circuitlang.pipeline import finder_of
from circuitlang.program.spec import PruneSettings, VerdictSettings
from circuitlang.program.task import Task
from circuitlang.prompts.admit import admit
from circuitlang.report.frontier import Size, Sizes
from circuitlang.site import Node
from circuitlang.training import is_competent

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
    """The circuit of one task; and the circuit where ablated nodes have values that they had somewhere in text, all of
    one position together, instead of their means. Where learning the mask loses what is needed there is no second
    search from all nodes: it takes minutes, and more of them the larger a model is.

    The second circuit is an upper bound. It is the shortest prefix, too, that meets the target: of the search's order,
    and behind it all other nodes, those first whose return lowers the loss most by its gradient.
    """
    search = finder_of(checkpoint, task, 0, cache)
    found = search.find(settings, seed, report=report, fallback=False, costs=False)
    model = checkpoint.model
    with one_thread():
        strict = _under_resampling(search, found, settings)
    return Sizes(
        task=task.name,
        loss=found.pruned.loss,
        mean=_size(model, found.pruned.nodes) if found.pruned.reached else None,
        resampled=None if strict is None else _size(model, strict),
    )


def _size(model: Transformer, nodes: Sequence[Node]) -> Size:
    return Size(nodes=len(nodes), edges=weight_count(model, nodes))


def _under_resampling(search: Finder, found: Found, settings: PruneSettings) -> Sequence[Node] | None:
    """The most needed nodes that meet the target on `select`; None where the model itself does not, or where there is
    no order to speak of, as the search ended early."""
    checkpoint = search.checkpoint
    model, select = checkpoint.model, search.prompts("select", 0, SELECTED)
    mean = search.mean(settings)
    pool = pool_of_values(model, checkpoint.reference)

    parts = [
        (part, places_in(pool, part.tokens.shape, "frontier", number))
        for number, part in enumerate(select.parts(score.PROMPTS_AT_ONCE))
    ]

    @torch.no_grad()
    def meets(count: int) -> bool:
        keep = keeping(order[:count], model.config, mean).keep
        losses = [
            score.loss(score.answer_logits(model, part, Mask(keep, Drawn(pool, places))), part)
            for part, places in parts
        ]
        return float(torch.cat(losses).double().mean()) <= settings.loss

    order = list(found.pruned.order)
    if found.pruned.stopped is not None:
        return None
    if not meets(len(order)):
        order += by_return(
            model, Rest(mean), lambda start, count: search.prompts("train", start, count), settings, order
        )
        if not meets(len(order)):
            return None
    low, high = 0, len(order)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if meets(middle) else (middle, high)
    return order[:high]
