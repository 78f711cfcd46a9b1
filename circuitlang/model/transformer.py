"""Transformer: tokens to logits, by one forward pass with `edit` at every site (Gao et al. 2025, section 2, A.1)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from circuitlang.model.config import Config
from circuitlang.site import Place, Site

EPSILON = 1e-6  # in every norm's mean square
Edit = Callable[[Site, Tensor], Tensor]
"""Called once per site with the site's value, (batch, position, unit); what it returns is used instead."""
Known = dict[Site, Tensor]
"""The values of sites before their edit, as an earlier pass over the same tokens computed them (circuit/shared.py says
which of them still hold). A pass takes these, computes the others, and puts them in."""


def unchanged(_site: Site, x: Tensor) -> Tensor:
    return x


def abs_top_k(x: Tensor, fraction: float) -> Tensor:
    """Keeps the `int(fraction * units)` entries of largest magnitude of each vector, with their signs; zeroes the rest.

    Ties at the threshold are all kept, so that the choice is a pure function of the values (`topk` breaks ties by
    position, differently on each device). In float32 they do not occur; in bfloat16 a few more than k may stay.
    """
    units = x.shape[-1]
    kept = max(1, int(fraction * units))
    if kept >= units:
        return x
    magnitude = x.detach().abs()
    # Kept or not, as 1 or 0 in the magnitudes' place: a product takes a ninth of masked_fill's time on CPU.
    return x * magnitude.ge_(_kth_largest(magnitude, kept))


def _kth_largest(magnitude: Tensor, k: int) -> Tensor:
    """(..., unit) -> (..., 1). On CPU numpy's vectorised partition is 2 to 5 times faster than torch's kthvalue."""
    units = magnitude.shape[-1]
    if (
        magnitude.device.type == "cpu"
        and magnitude.dtype == torch.float32
        and not torch.compiler.is_compiling()
    ):
        ordered = np.partition(magnitude.numpy(), units - k, axis=-1)
        return torch.from_numpy(ordered[..., units - k : units - k + 1])
    return magnitude.kthvalue(units - k + 1, dim=-1, keepdim=True).values


def _site(
    part: Attention | Mlp,
    place: Place,
    compute: Callable[[Tensor], Tensor],
    x: Tensor,
    residual: Tensor,
    edit: Edit,
    known: Known | None,
) -> Tensor:
    """The value of one site: computed and AbsTopK'd, or known; then edited. Where a circuit keeps nothing of it, the
    constant that the edit would put there (`part.fixed`, set by circuit/compact.py), without computing what would be
    thrown away."""
    fixed = part.fixed.get(place)
    if fixed is not None:
        return fixed.expand(*residual.shape[:-1], -1).contiguous()  # attention's kernel goes by the strides
    site = Site(part.layer, place)
    value = None if known is None else known.get(site)
    if value is None:
        value = abs_top_k(compute(x), part.config.activations)
        if known is not None:
            known[site] = value
    return edit(site, value)


class Attention(nn.Module):
    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.config, self.layer = config, layer
        self.norm = nn.RMSNorm(config.width, eps=EPSILON)
        self.query = nn.Linear(config.width, config.width)
        self.key = nn.Linear(config.width, config.width)
        self.value = nn.Linear(config.width, config.width)
        self.out = nn.Linear(config.width, config.width)
        self.sink = nn.Parameter(torch.zeros(config.heads)) if config.sink else None
        self.fixed: dict[Place, Tensor] = {}

    def forward(self, residual: Tensor, edit: Edit, known: Known | None = None) -> Tensor:
        """(batch, position, width) -> what attention adds to it, the same shape."""
        last = Site(self.layer, Place.ATTN_OUT)
        if known is not None and last in known:
            return edit(last, known[last])

        def at(place: Place, compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
            return _site(self, place, compute, x, residual, edit, known)

        x = at(Place.ATTN_IN, self.norm, residual)
        q = at(Place.Q, self.query, x)
        k = at(Place.K, self.key, x)
        v = at(Place.V, self.value, x)
        return at(Place.ATTN_OUT, self.out, self.mix(q, k, v))

    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Causal softmax attention per head: (batch, position, width) each -> (batch, position, width)."""
        q, k, v = (self.split(x) for x in (q, k, v))
        scale = 1 / math.sqrt(self.config.head_width)
        if self.sink is None:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
        else:
            # The sink is one more token in front whose key has a single entry, in a dimension that only queries'
            # constant 1 reads: its score is the sink's logit for every query, its value 0. So the fast kernel serves.
            q = F.pad(q, (0, 1, 1, 0), value=1.0)
            k = F.pad(k, (0, 1, 1, 0))
            logit = torch.zeros_like(k)
            logit[..., 0, -1] = self.sink.to(k.dtype) / scale
            y = F.scaled_dot_product_attention(
                q, k + logit, F.pad(v, (0, 1, 1, 0)), is_causal=True, scale=scale
            )
            y = y[..., 1:, :-1]
        batch, _, position, _ = y.shape
        return y.transpose(1, 2).reshape(batch, position, self.config.width)

    def split(self, x: Tensor) -> Tensor:
        """(batch, position, width) -> (batch, head, position, head width)."""
        batch, position, _ = x.shape
        return x.view(batch, position, self.config.heads, self.config.head_width).transpose(1, 2)

    def pattern(self, q: Tensor, k: Tensor) -> Tensor:
        """Attention weights by the plain formula: (batch, head, query, key); what is missing to 1 is the sink's."""
        q, k = self.split(q), self.split(k)
        scores = q @ k.transpose(-1, -2) / math.sqrt(self.config.head_width)
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(future, -math.inf)
        if self.sink is None:
            return scores.softmax(-1)
        sink = self.sink.view(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
        return torch.cat([sink, scores], -1).softmax(-1)[..., 1:]


class Mlp(nn.Module):
    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.config, self.layer = config, layer
        self.norm = nn.RMSNorm(config.width, eps=EPSILON)
        self.up = nn.Linear(config.width, config.hidden)
        self.down = nn.Linear(config.hidden, config.width)
        self.fixed: dict[Place, Tensor] = {}

    def forward(self, residual: Tensor, edit: Edit, known: Known | None = None) -> Tensor:
        """(batch, position, width) -> what the MLP adds to it, the same shape."""
        last = Site(self.layer, Place.MLP_OUT)
        if known is not None and last in known:
            return edit(last, known[last])

        def at(place: Place, compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
            return _site(self, place, compute, x, residual, edit, known)

        x = at(Place.MLP_IN, self.norm, residual)
        x = at(Place.NEURON, lambda x: F.gelu(self.up(x)), x)
        return at(Place.MLP_OUT, self.down, x)


class Transformer(nn.Module):
    """Pre-norm decoder without positions: untied embeddings, RMSNorm, exact GELU, biases, AbsTopK at eight sites."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Parameter(torch.empty(config.vocabulary, config.width))
        self.attention = nn.ModuleList(Attention(config, layer) for layer in range(config.layers))
        self.mlp = nn.ModuleList(Mlp(config, layer) for layer in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=EPSILON)
        self.unembed = nn.Parameter(torch.empty(config.vocabulary, config.width))
        table = torch.zeros(config.vocabulary, config.vocabulary) if config.bigram else None
        self.bigram = nn.Parameter(table) if table is not None else None

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """N(0, 0.02), output projections N(0, 0.02/sqrt(2 layers)), biases 0 (paper A.1)."""
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                deep = name.endswith(("out.weight", "down.weight"))
                spread = 0.02 / math.sqrt(2 * self.config.layers) if deep else 0.02
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
            elif name.endswith(("bias", "sink")):
                parameter.zero_()

    def forward(
        self,
        tokens: Tensor,
        edit: Edit = unchanged,
        at: Tensor | None = None,
        known: Known | None = None,
    ) -> Tensor:
        """(batch, position) token ids -> logits (batch, position, vocabulary).

        With `at`, (batch) positions, only the logits there: (batch, vocabulary). Sites in `known` are not computed.
        """
        residual = F.embedding(tokens, self.embed)
        for attention, mlp in zip(self.attention, self.mlp, strict=True):
            residual = residual + attention(residual, edit, known)
            residual = residual + mlp(residual, edit, known)
        residual = edit(Site(self.config.layers, Place.FINAL), residual)
        if at is not None:
            rows = torch.arange(tokens.shape[0], device=tokens.device)
            residual, tokens = residual[rows, at], tokens[rows, at]
        logits = F.linear(self.norm(residual), self.unembed)
        return logits if self.bigram is None else logits + F.embedding(tokens, self.bigram)
