"""The authors' forward pass by the plain formulas, on their tensors as they are: conversions are checked with it.

Shares nothing with `Transformer`, on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from circuitlang.model.interop.authors import LAYER_EPSILON, RMS_EPSILON

_ACTIVATIONS = {
    "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "relu": lambda x: x.clamp(min=0),
}


@torch.no_grad()
def authors_logits(config: Mapping[str, Any], state: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
    """config: as `authors.settled` gives it. (row, position) ids -> (row, position, vocabulary)."""
    length = tokens.shape[1]
    positions = state["transformer.wpe.weight"][:length]
    beside = positions if config["d_pos_emb"] is not None else None
    x = state["transformer.wte.weight"][tokens]
    x = x if beside is not None else x + positions
    for layer in range(config["n_layer"]):
        at = f"transformer.h.{layer}"
        x = x + _attention(config, state, at, _read(config, state, x, beside, at, 1))
        x = x + _mlp(config, state, at, _read(config, state, x, beside, at, 2))
    unembed = state.get("lm_head.weight", state["transformer.wte.weight"])
    logits = _norm(config, state, "transformer.ln_f", x) @ unembed.T
    if "final_logits_bias" in state:
        logits = logits + state["final_logits_bias"]
    return logits + state["bigram_table"][tokens] if config["enable_bigram_table"] else logits


def _norm(config: Mapping[str, Any], state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    gain = state[f"{name}.weight"]
    if config["rms_norm"]:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + RMS_EPSILON) * gain
    centred = x - x.mean(-1, keepdim=True)
    normed = centred * torch.rsqrt(centred.pow(2).mean(-1, keepdim=True) + LAYER_EPSILON) * gain
    return normed + state[f"{name}.bias"] if config["ln_bias"] else normed


def _read(
    config: Mapping[str, Any],
    state: Mapping[str, Tensor],
    x: Tensor,
    beside: Tensor | None,
    at: str,
    half: int,
) -> Tensor:
    normed = _norm(config, state, f"{at}.ln_{half}", x)
    if beside is not None:
        other = _norm(config, state, f"{at}.ln_p{half}", beside)
        normed = torch.cat([normed, other.expand(len(x), -1, -1)], -1)
    return _kept(config, "attn_in" if half == 1 else "mlp_in", normed)


def _kept(config: Mapping[str, Any], place: str, x: Tensor) -> Tensor:
    if config["afrac"] is None or place not in config["afrac_loctypes"].split(","):
        return x
    best = x.abs().topk(int(config["afrac"] * x.shape[-1]), dim=-1).indices
    return torch.zeros_like(x).scatter(-1, best, x.gather(-1, best))


def _linear(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    product = x @ state[f"{name}.weight"].T
    return product + state[f"{name}.bias"] if f"{name}.bias" in state else product


def _attention(config: Mapping[str, Any], state: Mapping[str, Tensor], at: str, x: Tensor) -> Tensor:
    rows, length, _ = x.shape
    heads, wide = config["n_head"], config["d_head"]
    parts = _linear(state, f"{at}.attn.c_attn", x).split(heads * wide, dim=-1)
    q, k, v = (
        _kept(config, f"attn_{name}", part).view(rows, length, heads, wide).transpose(1, 2)
        for name, part in zip("qkv", parts, strict=True)
    )
    scores = q @ k.transpose(-1, -2) / math.sqrt(wide)
    scores = scores + torch.full((length, length), -math.inf).triu(1)
    if config["sink"]:  # a slot in front that has a score and no value
        sink = state[f"{at}.attn.attn_imp.sink_logit"].view(1, heads, 1, 1)
        scores = torch.cat([sink.expand(rows, -1, length, -1), scores], -1)
    mixed = scores.softmax(-1)[..., -length:] @ v
    mixed = mixed.transpose(1, 2).reshape(rows, length, heads * wide)
    return _kept(config, "attn_out", _linear(state, f"{at}.attn.c_proj", mixed))


def _mlp(config: Mapping[str, Any], state: Mapping[str, Tensor], at: str, x: Tensor) -> Tensor:
    hidden = _ACTIVATIONS[config["activation_type"]](_linear(state, f"{at}.mlp.c_fc", x))
    hidden = _kept(config, "mlp_neuron", hidden)
    return _kept(config, "mlp_out", _linear(state, f"{at}.mlp.c_proj", hidden))
