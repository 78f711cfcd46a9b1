"""Token ids and the logits that another computation found for them: what tells, on load, that a model is read right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from circuitlang.model.transformer import Transformer

ROWS, LENGTH = 16, 16
TOLERANCE = 1e-4
"""Of the largest logit, or of 1 where that is less."""
ENOUGH = 0.75
"""Share of the rows that must agree. Not all: where two values tie for a place in AbsTopK but for rounding, another
processor may keep the other, and that row's logits differ. A wrong model differs in every row."""


@dataclass(frozen=True)
class Probe:
    """tokens: (row, position). logits: (row, vocabulary) behind each row's last token, in float32."""

    tokens: Tensor
    logits: Tensor


def probe_tokens(reference: Tensor, context: int) -> Tensor:
    """Starts of rows of text, spread over them; as many rows as there are for short texts."""
    length = min(LENGTH, context, reference.shape[1])
    pieces = reference.unfold(1, length, length).flatten(0, 1)
    count = min(ROWS, len(pieces))
    return pieces[torch.linspace(0, len(pieces) - 1, count).long()].contiguous()


@torch.no_grad()
def disagreement(model: Transformer, probe: Probe) -> str | None:
    """None where the model computes what was recorded, else by how much it does not."""
    last = torch.full((len(probe.tokens),), probe.tokens.shape[1] - 1)
    apart = (model(probe.tokens, at=last) - probe.logits).abs().amax(1)
    allowed = TOLERANCE * max(1.0, float(probe.logits.abs().max()))
    agreeing = int((apart <= allowed).sum())
    if agreeing >= ENOUGH * len(apart):
        return None
    return (
        f"its logits are up to {float(apart.max()):.3g} from those recorded when it was imported, "
        f"and only {agreeing} of {len(apart)} rows agree"
    )
