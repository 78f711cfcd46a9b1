"""A search's order of nodes -> loss and agreement of circuits of many sizes, on prompts of `select`."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.find import Finder
from circuitlang.circuit.losses import outputs
from circuitlang.circuit.prune import Pruned
from circuitlang.model import score
from circuitlang.prompts.encode import Batch
from circuitlang.report.exhibit import Size
from circuitlang.site import Node

DATAPOINTS = 96
"""Of `select`. The search itself looked at more; its own loss is the report's."""
STEPS = 20
"""How many sizes there are up to the circuit's, evenly apart; and half as many above."""
BEYOND = 2.0
"""How far above the circuit's size the sizes go."""


def looked_at(kept: int, known: int) -> list[int]:
    """The sizes, ascending: none, the circuit's, and others around it, as far as the order of nodes is known."""
    below = {round(kept * i / STEPS) for i in range(STEPS + 1)}
    above = {round(kept * BEYOND ** (i / (STEPS // 2))) for i in range(1, STEPS // 2 + 1)}
    return sorted(below | {size for size in above if size <= known})


def ordered(pruned: Pruned) -> tuple[Node, ...]:
    """The circuit's nodes by need, and those that would come next."""
    return pruned.order[: max(looked_at(len(pruned.nodes), len(pruned.order)))]


@torch.no_grad()
def sizes(finder: Finder, pruned: Pruned, ablation: Ablation) -> tuple[tuple[Size, ...], float, int]:
    """Every size with its numbers; the untouched model's loss; and on how many prompts."""
    batch = finder.prompts("select", 0, DATAPOINTS)
    model = finder.checkpoint.model
    untouched = ((part, score.answer_logits(model, part)) for part in batch.parts(score.PROMPTS_AT_ONCE))
    own_loss, own_choice = _asked(untouched)
    found = []
    for size in looked_at(len(pruned.nodes), len(pruned.order)):
        loss, choice = _asked(outputs(model, ablation, pruned.order[:size], batch))
        by_datapoint = loss.view(-1, batch.cases).mean(1)
        found.append(
            Size(
                nodes=size,
                loss=float(loss.mean()),
                error=float(by_datapoint.std()) / math.sqrt(len(by_datapoint)),
                agreement=float((choice == own_choice).double().mean()),
            )
        )
    return tuple(found), float(own_loss.mean()), len(batch)


def _asked(outputs: Iterable[tuple[Batch, Tensor]]) -> tuple[Tensor, Tensor]:
    """(prompt) loss in nats, and choice."""
    losses, choices = [], []
    for part, logits in outputs:
        losses.append(score.loss(logits, part).double())
        choices.append(score.choice(logits, part))
    return torch.cat(losses), torch.cat(choices)
