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

Edit = Callable[[Site, Tensor], Tensor]
"""Called once per site with the site's value, (batch, position, unit); what it returns is used instead."""
Known = dict[Site, Tensor]
"""The values of sites before their edit, as an earlier pass over the same tokens computed them
(circuit/shared_prefix.py says which of them still hold). A pass takes these, computes the others, and puts them in."""
Entry = tuple[int, Tensor]
"""(number, (batch, position, width)): the residual stream in front of the sub-layer of that number, where a pass goes
on from. Attention of layer i has the number 2i, its MLP 2i + 1; 2 layers is the end."""


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


def make_norm(config: Config, width: int | None = None) -> nn.RMSNorm | nn.LayerNorm:
    kind = nn.RMSNorm if config.norm == "rms" else nn.LayerNorm
    return kind(config.width if width is None else width, eps=config.epsilon)


def norm_scale(norm: nn.RMSNorm | nn.LayerNorm, residual: Tensor) -> Tensor:
    """(..., channel) -> (..., 1): what the norm divides by."""
    x = residual if isinstance(norm, nn.RMSNorm) else residual - residual.mean(-1, keepdim=True)
    return (x.square().mean(-1, keepdim=True) + (norm.eps or 0.0)).sqrt()


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
    constant that the edit would put there (`part.fixed`, set by circuit/mask.py), without computing what would be
    thrown away."""
    fixed = part.fixed.get(place)
    if fixed is not None:
        return fixed.expand(*residual.shape[:-1], -1).contiguous()  # attention's kernel goes by the strides
    site = Site(part.layer, place)
    value = None if known is None else known.get(site)
    if value is None:
        value = abs_top_k(compute(x), part.config.kept(place))
        if known is not None:
            known[site] = value
    return edit(site, value)


class _SubLayer(nn.Module):
    """What attention and MLP share: how they read the residual stream. `fixed`: see circuit/mask.py."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.config, self.layer = config, layer
        self.norm = make_norm(config)
        wide = config.position_width
        self.position_norm = make_norm(config, wide) if wide else None
        self.fixed: dict[Place, Tensor] = {}

    def read(self, residual: Tensor, beside: Tensor | None, ratio: Tensor | None = None) -> Tensor:
        """(batch, position, width) -> the same normed; behind it the channels `beside`, (position, channel), normed.

        ratio, (batch, position, 1): what the norm of the residual stream is multiplied with, but for its bias.
        """
        x = self.norm(residual)
        if ratio is not None:
            bias = self.norm.bias if isinstance(self.norm, nn.LayerNorm) else 0.0
            x = (x - bias) * ratio + bias
        if beside is None or self.position_norm is None:
            return x
        return torch.cat([x, self.position_norm(beside).expand(*x.shape[:-1], -1)], -1)


class Attention(_SubLayer):
    def __init__(self, config: Config, layer: int) -> None:
        super().__init__(config, layer)
        self.query = nn.Linear(config.read_width, config.width)
        self.key = nn.Linear(config.read_width, config.width)
        self.value = nn.Linear(config.read_width, config.width)
        self.out = nn.Linear(config.width, config.width)
        self.sink = nn.Parameter(torch.zeros(config.heads)) if config.sink else None

    def forward(
        self, residual: Tensor, edit: Edit, known: Known | None = None, beside: Tensor | None = None
    ) -> Tensor:
        """(batch, position, width) -> what attention adds to it, the same shape."""
        last = Site(self.layer, Place.ATTN_OUT)
        if known is not None and last in known:
            return edit(last, known[last])

        def at(place: Place, compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
            return _site(self, place, compute, x, residual, edit, known)

        x = at(Place.ATTN_IN, lambda x: self.read(x, beside), residual)
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


_NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}


class Mlp(_SubLayer):
    def __init__(self, config: Config, layer: int) -> None:
        super().__init__(config, layer)
        self.up = nn.Linear(config.read_width, config.hidden)
        self.down = nn.Linear(config.hidden, config.width)

    def forward(
        self, residual: Tensor, edit: Edit, known: Known | None = None, beside: Tensor | None = None
    ) -> Tensor:
        """(batch, position, width) -> what the MLP adds to it, the same shape."""
        last = Site(self.layer, Place.MLP_OUT)
        if known is not None and last in known:
            return edit(last, known[last])

        def at(place: Place, compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
            return _site(self, place, compute, x, residual, edit, known)

        x = at(Place.MLP_IN, lambda x: self.read(x, beside), residual)
        x = at(Place.NEURON, lambda x: _NONLINEARITIES[self.config.nonlinearity](self.up(x)), x)
        return at(Place.MLP_OUT, self.down, x)


class Transformer(nn.Module):
    """Pre-norm decoder: untied embeddings, RMSNorm, exact GELU, biases, AbsTopK at eight sites, unless its config says
    otherwise."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Parameter(torch.empty(config.vocabulary, config.width))
        self.attention = nn.ModuleList(Attention(config, layer) for layer in range(config.layers))
        self.mlp = nn.ModuleList(Mlp(config, layer) for layer in range(config.layers))
        self.norm = make_norm(config)
        self.unembed = nn.Parameter(torch.empty(config.vocabulary, config.width))
        table = torch.zeros(config.vocabulary, config.vocabulary) if config.bigram else None
        self.bigram = nn.Parameter(table) if table is not None else None
        self.shift = nn.Parameter(torch.zeros(config.vocabulary)) if config.shift else None
        wide = {"none": 0, "added": config.width, "concatenated": config.position_width}[config.positions]
        self.position = nn.Parameter(torch.zeros(config.context, wide)) if wide else None
        self.smear = nn.Parameter(torch.zeros(config.smear, config.width)) if config.smear else None

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """N(0, 0.02), output projections N(0, 0.02/sqrt(2 layers)), biases 0 (paper A.1). Shares of the tokens
        before: 1 for the one before in the last channels, for the one before that in as many in front of them, and so
        on, else 0, so that the tokens can be told apart from the first step on; the token itself has twice as many.
        """
        for name, parameter in self.named_parameters():
            if name == "smear":
                each = max(1, self.config.width // (self.config.smear + 2))
                from_behind = torch.arange(self.config.width).flip(0) // each
                parameter.copy_(from_behind == torch.arange(self.config.smear).unsqueeze(1))
            elif parameter.ndim == 2:
                deep = name.endswith(("out.weight", "down.weight"))
                spread = 0.02 / math.sqrt(2 * self.config.layers) if deep else 0.02
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
            elif name.endswith(("bias", "sink")):
                parameter.zero_()

    def start(self, tokens: Tensor) -> Tensor:
        """(batch, position) token ids -> the residual stream in front of the first layer."""
        residual = F.embedding(tokens, self.embed)
        if self.smear is not None:
            residual = self._smeared(residual)
        if self.position is None or self.config.positions != "added":
            return residual
        return residual + self.position[: tokens.shape[-1]]

    def _smeared(self, own: Tensor) -> Tensor:
        """(batch, position, channel) embeddings -> mixed with those of the tokens before; the first have none."""
        assert self.smear is not None
        mixed = own
        for back, share in enumerate(self.smear, 1):
            before = F.pad(own, (0, 0, back, 0))[..., : own.shape[-2], :]
            mixed = mixed + share * (before - own)
        return mixed

    def beside(self, tokens: Tensor) -> Tensor | None:
        """The channels that every sub-layer reads beside the residual stream, (position, channel), if there are any."""
        if self.position is None or self.config.positions != "concatenated":
            return None
        return self.position[: tokens.shape[-1]]

    def without_residual(self, tokens: Tensor) -> Tensor | None:
        """(...) token ids -> (..., vocabulary): what is added to the logits whatever the residual stream is."""
        constant = self.shift
        if isinstance(self.norm, nn.LayerNorm):
            from_norm = F.linear(self.norm.bias, self.unembed)
            constant = from_norm if constant is None else constant + from_norm
        if self.bigram is None:
            return constant
        bigram = F.embedding(tokens, self.bigram)
        return bigram if constant is None else bigram + constant

    def forward(
        self,
        tokens: Tensor,
        edit: Edit = unchanged,
        at: Tensor | None = None,
        known: Known | None = None,
        entry: Entry | None = None,
    ) -> Tensor:
        """(batch, position) token ids -> logits (batch, position, vocabulary).

        With `at`, (batch) positions, only the logits there: (batch, vocabulary). Sites in `known` are not computed;
        nor, with an `entry`, is anything before it.
        """
        first, residual = (0, self.start(tokens)) if entry is None else entry
        beside = self.beside(tokens)
        for layer, (attention, mlp) in enumerate(zip(self.attention, self.mlp, strict=True)):
            if first <= 2 * layer:
                residual = residual + attention(residual, edit, known, beside)
            if first <= 2 * layer + 1:
                residual = residual + mlp(residual, edit, known, beside)
        residual = edit(Site(self.config.layers, Place.FINAL), residual)
        if at is not None:
            rows = torch.arange(tokens.shape[0], device=tokens.device)
            residual, tokens = residual[rows, at], tokens[rows, at]
        logits = F.linear(self.norm(residual), self.unembed)
        if self.shift is not None:
            logits = logits + self.shift
        return logits if self.bigram is None else logits + F.embedding(tokens, self.bigram)
