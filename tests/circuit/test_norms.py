"""Runs with the norms' scales of another run: the same as a model whose norms divide by given numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from circuitlang.circuit.norms import logits_with_scales, scales_of
from circuitlang.model import score
from circuitlang.site import Place, Site

VARIANTS = [
    {},
    {"activations": 0.25, "sink": True, "bigram": True},
    {"positions": "added", "epsilon": 0.01, "shift": True, "bigram": True},
    {"positions": "concatenated", "position_width": 5, "activations": 0.25},
    {"norm": "layer", "positions": "added", "shift": True},
    {"norm": "layer", "positions": "concatenated", "position_width": 5, "activations": 0.5, "bigram": True},
]


class FixedNorm(nn.Module):
    """A norm that divides by numbers it is given."""

    def __init__(self, norm: nn.RMSNorm | nn.LayerNorm, scale: Tensor) -> None:
        super().__init__()
        self.norm, self.scale = norm, scale

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.norm, nn.RMSNorm):
            return x / self.scale * self.norm.weight
        return (x - x.mean(-1, keepdim=True)) / self.scale * self.norm.weight + self.norm.bias


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_frozen_norms_are_the_model_with_other_norms(make_model, make_batch, make_mask, variant) -> None:
    model, batch = make_model(**variant), make_batch()
    mask = make_mask(model.config, 0, 0.7)
    plain = score.answer_logits(model, batch, mask)
    own = scales_of(model, batch, mask)
    torch.testing.assert_close(logits_with_scales(model, batch, mask, own), plain, atol=1e-4, rtol=1e-4)
    scales = scales_of(model, batch)
    found = logits_with_scales(model, batch, mask, scales)
    assert not torch.allclose(found, plain, atol=1e-3)
    for layer in range(model.config.layers):
        for name, place in (("attention", Place.ATTN_IN), ("mlp", Place.MLP_IN)):
            part = getattr(model, name)[layer]
            part._modules["norm"] = FixedNorm(part.norm, scales[Site(layer, place)])
    rows, end = torch.arange(len(batch)), torch.from_numpy(batch.end)
    model._modules["norm"] = FixedNorm(model.norm, scales[Site(model.config.layers, Place.FINAL)][rows, end])
    torch.testing.assert_close(score.answer_logits(model, batch, mask), found, atol=1e-4, rtol=1e-4)
