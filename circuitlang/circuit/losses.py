"""Circuits + prompts to losses: the compacted model's, piece by piece of a fixed size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.mask import Mask, compact, keeping
from circuitlang.model import score
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.site import Node


def outputs(
    model: Transformer, ablation: Ablation, nodes: Sequence[Node], batch: Batch
) -> Iterator[tuple[Batch, Tensor]]:
    """Pieces of a fixed size of a batch, each with a circuit's (prompt, vocabulary) logits, by the compacted model."""
    keep = keeping(nodes, model.config, ablation.mean).keep
    for part in batch.parts(score.PROMPTS_AT_ONCE):
        mask = Mask(keep, ablation.of(part))
        yield part, score.answer_logits(compact(model, mask), part, mask)


@torch.no_grad()
def per_prompt_loss(model: Transformer, ablation: Ablation, nodes: Sequence[Node], batch: Batch) -> Tensor:
    """(prompt) nats of a circuit."""
    return torch.cat([score.loss(logits, part) for part, logits in outputs(model, ablation, nodes, batch)])


@torch.no_grad()
def losses_and_errors(
    model: Transformer, ablation: Ablation, circuits: Sequence[Sequence[Node]], batch: Batch
) -> list[tuple[float, float]]:
    """Each circuit's mean loss in nats per prompt, and its standard error over datapoints; piece by piece of the batch,
    so that what ablated nodes become is worked out once for all circuits."""
    keeps = [keeping(nodes, model.config, ablation.mean).keep for nodes in circuits]
    losses: list[list[Tensor]] = [[] for _ in circuits]
    for part in batch.parts(score.PROMPTS_AT_ONCE):
        values = ablation.of(part)
        for keep, found in zip(keeps, losses, strict=True):
            mask = Mask(keep, values)
            found.append(score.loss(score.answer_logits(compact(model, mask), part, mask), part))
    return [mean_and_error(torch.cat(parts), batch.cases) for parts in losses]


def loss_and_error(
    model: Transformer, ablation: Ablation, nodes: Sequence[Node], batch: Batch
) -> tuple[float, float]:
    """The circuit's mean loss in nats per prompt, and its standard error over datapoints."""
    return losses_and_errors(model, ablation, [nodes], batch)[0]


def chance(batch: Batch) -> float:
    """Mean nats per prompt of knowing nothing: all candidates alike; an even chance in a one-sided task."""
    return float(np.log(batch.choices).mean())


def mean_and_error(losses: Tensor, cases: int) -> tuple[float, float]:
    """The mean over prompts, and its standard error over datapoints. losses: (prompt)."""
    values = losses.double()
    by_datapoint = values.view(-1, cases).mean(1)
    return float(values.mean()), float(by_datapoint.std()) / math.sqrt(len(by_datapoint))
