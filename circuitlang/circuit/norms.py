"""The untouched model's RMS scales put into another run, by edits alone: what a circuit does when it cannot move them.

A norm divides by one number per token. RMSNorm does nothing else, and AbsTopK keeps the same entries of a multiple of a
vector: so a run with other scales is the run whose normed values are multiplied by own scale / other scale; the logits
likewise. Where there is more in a normed value (a norm's bias, channels of positions) it is computed again. The scale
of a run follows from its residual stream: the embeddings and all that was written since, which the edit sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from circuitlang.model import score
from circuitlang.model.transformer import Attention, Edit, Mlp, Transformer, abs_top_k, norm_scale, unchanged
from circuitlang.prompts.encode import Batch
from circuitlang.site import READS, WRITES, Place, Site

Scales = Mapping[Site, Tensor]
"""Site that a norm feeds, or the last residual -> (prompt, position, 1)."""


@dataclass
class _Watched:
    """An edit that follows the residual stream and, where `scales` are given, puts them in place of the run's own."""

    model: Transformer
    batch: Batch
    edit: Edit
    scales: Scales | None = None
    own: dict[Site, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tokens = torch.from_numpy(self.batch.tokens).to(self.model.embed.device)
        self.residual, self.beside = self.model.start(tokens), self.model.beside(tokens)

    def __call__(self, site: Site, x: Tensor) -> Tensor:
        if site.place in READS or site.place is Place.FINAL:
            here = x if site.place is Place.FINAL else self.residual
            self.own[site] = norm_scale(self.model.norm, here)
        if site.place in READS and self.scales is not None:
            x = self._scaled(site, x, self.own[site] / self.scales[site])
        x = self.edit(site, x)
        if site.place in WRITES:
            self.residual = self.residual + x
        return x

    def _scaled(self, site: Site, x: Tensor, ratio: Tensor) -> Tensor:
        config = self.model.config
        if config.norm == "rms" and self.beside is None:
            return x * ratio
        layers = self.model.attention if site.place is Place.ATTN_IN else self.model.mlp
        part = cast(Attention | Mlp, layers[site.layer])
        return abs_top_k(part.read(self.residual, self.beside, ratio), config.kept(site.place))


@torch.no_grad()
def scales_of(model: Transformer, batch: Batch, edit: Edit = unchanged) -> Scales:
    """The RMS of the residual stream in front of every norm, as (prompt, position, 1)."""
    watched = _Watched(model, batch, edit)
    score.answer_logits(model, batch, watched)
    return watched.own


@torch.no_grad()
def logits_with_scales(model: Transformer, batch: Batch, edit: Edit, scales: Scales) -> Tensor:
    """(prompt, vocabulary) under the edit, every norm dividing by the given scales. `model` must not be compacted: a
    sub-layer that is a constant tells no edit what it writes."""
    watched = _Watched(model, batch, edit, scales)
    logits = score.answer_logits(model, batch, watched)
    rows = torch.arange(len(batch), device=logits.device)
    end = torch.from_numpy(batch.end).to(logits.device)
    final = Site(model.config.layers, Place.FINAL)
    ratio = watched.own[final][rows, end] / scales[final][rows, end]
    tokens = torch.from_numpy(batch.tokens).to(logits.device)
    constant = model.without_residual(tokens[rows, end])
    return logits * ratio if constant is None else (logits - constant) * ratio + constant
