"""Look: what is read off a run of the model, and how: numbers per prompt from logits, patterns and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from circuitlang.circuit.intervene import behind_pattern, pattern, record
from circuitlang.claims.pretraining_text import exceeds
from circuitlang.model import score
from circuitlang.model.transformer import Edit, Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.site import Node, Site

NO_CHOICE = -1
"""In place of a choice where the model's logits are not finite numbers."""

LACKS_MARK, LACKS_OTHERS = 1, 2
"""Why a prompt gives no number: no token of a mark, or no token but those of the mark."""

Values = NDArray[np.float64]
Table = NDArray[np.generic]
"""(datapoint, case)"""


@dataclass(frozen=True, slots=True)
class Look:
    """What is read off: `scores` of the answers; `divergence` from the untouched model; the `attention` of a head
    between two marks; the `activation` of a node at a mark (None: everywhere), or how well it `stands out` there."""

    kind: str = "scores"
    node: Node | None = None
    head: tuple[int, int] | None = None
    marks: tuple[str | None, ...] = ()

    @property
    def sites(self) -> set[Site]:
        """Whose values are read."""
        head = behind_pattern(self.head[0]) if self.head else set[Site]()
        return head | ({self.node.site} if self.node else set())


SCORES = Look()
SHARED_LOOKS = (SCORES, Look("divergence"))
"""What is read off the logits alone, so that runs can share what comes before they differ."""


def scores(logits: Tensor, batch: Batch) -> dict[str, Table]:
    """(prompt) each. Where a logit is not finite nothing is: a comparison would call NaN wrong, which is no finding."""
    finite = torch.isfinite(logits).all(1).cpu().numpy()
    chosen = score.choice(logits, batch).cpu().numpy()

    def numbers(values: Tensor) -> Table:
        return np.where(finite, values.cpu().numpy(), np.nan).astype(np.float32)

    return {
        "loss": numbers(score.loss(logits, batch)),
        "choice": np.where(finite, chosen, NO_CHOICE).astype(np.int16),
        "mass": numbers(score.mass(logits, batch)),
        "probability": numbers(score.probability(logits, batch)),
        "says": np.where(finite, _says(chosen, batch), NO_CHOICE),
    }


def _says(chosen: NDArray[np.integer], batch: Batch) -> Table:
    """(prompt) the cases whose answer is the choice, as bits."""
    rows = np.arange(len(batch))
    if batch.one_sided:
        claimed = batch.negated == (chosen == 0)  # whether "not this text" is what was chosen
        answers = batch.negated.reshape(-1, batch.cases)[rows // batch.cases]
        same = answers == claimed[:, None]
    else:
        tokens = np.where(chosen == 0, batch.answer, batch.foils[rows, (chosen - 1).clip(min=0)])
        answers = batch.answer.reshape(-1, batch.cases)[rows // batch.cases]
        same = answers == tokens[:, None]
    return (same * (1 << np.arange(batch.cases, dtype=np.int64))).sum(1)


def divergence(untouched: Tensor, changed: Tensor, absent: Tensor | None = None) -> Table:
    """(prompt) Kullback-Leibler divergence of the changed from the untouched prediction, in nats. `absent`: what is no
    choice of a prompt, and has no part in it."""
    p, q = untouched.double().log_softmax(1), changed.double().log_softmax(1)
    parts = p.exp() * (p - q)
    parts = parts if absent is None else parts.masked_fill(absent, 0.0)
    return parts.sum(1).clamp(min=0).cpu().numpy()


def attention(model: Transformer, batch: Batch, edit: Edit, look: Look) -> Table:
    """(prompt) share of a head's attention from the tokens of the first mark to those of the second."""
    assert look.head is not None
    layer, head = look.head
    found = record(model, batch, edit, behind_pattern(layer))
    shares = pattern(model, found, layer)[:, head].cpu().numpy()
    source, target = (_positions(batch, mark) for mark in look.marks)
    return np.array(
        [_mean(shares[row][np.ix_(source[row], target[row])].sum(1)) for row in range(len(batch))],
        np.float64,
    )


def activation(value: Tensor, batch: Batch, mark: str | None) -> Table:
    """(prompt) mean value over the tokens of a mark."""
    numbers = value.double().cpu().numpy()
    return np.array([_mean(numbers[row][places]) for row, places in enumerate(_positions(batch, mark))])


def stands_out(value: Tensor, batch: Batch, mark: str | None) -> Table:
    """(prompt) how often a token of the mark has a larger value than another token of the prompt; ties count half."""
    numbers = value.double().cpu().numpy()
    found = []
    for row, places in enumerate(_positions(batch, mark)):
        others = _others(batch, row, places)
        found.append(_mean(exceeds(numbers[row][places][:, None], numbers[row][others][None])))
    return np.array(found)


def _mean(numbers: Values) -> float:
    """NaN of none."""
    return float(numbers.mean()) if numbers.size else np.nan


def _others(batch: Batch, row: int, places: Sequence[int]) -> NDArray[np.integer]:
    return np.setdiff1d(np.arange(1, batch.end[row] + 1), places)


def lacks(batch: Batch, look: Look) -> Table:
    """(prompt) 0 where the look's marks give a number, else a LACKS_."""
    found = np.zeros(len(batch), np.int8)
    for mark in look.marks:
        for row, places in enumerate(_positions(batch, mark)):
            if look.kind == "stands out" and not len(_others(batch, row, places)):
                found[row] = LACKS_OTHERS
            if not places:
                found[row] = LACKS_MARK
    return found


def _positions(batch: Batch, mark: str | None) -> list[list[int]]:
    """Per prompt the positions of a mark's tokens; None is all but the token in front."""
    if mark is None:
        return [list(range(1, int(end) + 1)) for end in batch.end]
    return [list(marks.get(mark, ())) for marks in batch.marks]
