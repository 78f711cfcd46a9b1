"""Folders in the authors' layout, and their forward pass in torch's own pieces, for tests of the import.

Written from what the paper and the files say; shares nothing with the package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
import torch
import torch.nn.functional as F
from tokenizers import models, pre_tokenizers, trainers
from torch import Tensor

SIZES: dict[str, Any] = {
    "block_size": 24,
    "vocab_size": 300,
    "n_layer": 2,
    "n_head": 4,
    "d_head": 4,
    "d_model": 16,
    "dropout": 0.0,
    "bias": True,
    "ln_bias": True,
    "rms_norm": True,
    "residual_activation_type": "identity",
    "activation_type": "gelu",
    "afrac": 0.25,
    "afrac_loctypes": "attn_in,attn_q,attn_k,attn_v,attn_out,mlp_in,mlp_neuron,mlp_out",
    "debug_nans": False,
    "tied_unembed": False,
    "tokenizer_name": "tinypython_2k",
    "grad_checkpointing": False,
    "d_mlp": 32,
    "enable_bigram_table": False,
    "learnable_bigram_table": False,
    "d_pos_emb": None,
    "dropout_cat_pos_emb": False,
    "sinusoidal_cat_pos_emb": False,
    "enable_sparse_kernels": False,
    "flash": True,
    "sink": False,
}


def tensors(config: Mapping[str, Any], seed: int = 0, density: float = 0.6) -> dict[str, Tensor]:
    """Random weights, some zero, under the authors' names."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int, spread: float = 0.5) -> Tensor:
        values = torch.randn(*shape, generator=generator) * spread
        return values * (torch.rand(*shape, generator=generator) < density) if len(shape) == 2 else values

    width, vocabulary, heads = config["d_model"], config["vocab_size"], config["n_head"]
    hidden = config.get("d_mlp") or config.get("n_mlp") or 4 * width
    beside = config.get("d_pos_emb")
    read = width + (beside or 0)
    state = {
        "transformer.wte.weight": drawn(vocabulary, width),
        "transformer.wpe.weight": drawn(config["block_size"], beside or width),
    }
    norms = {"transformer.ln_f": width}
    for layer in range(config["n_layer"]):
        at = f"transformer.h.{layer}."
        norms |= {at + "ln_1": width, at + "ln_2": width}
        norms |= {at + "ln_p1": beside, at + "ln_p2": beside} if beside else {}
        for name, rows, columns in [
            ("attn.c_attn", 3 * width, read),
            ("attn.c_proj", width, width),
            ("mlp.c_fc", hidden, read),
            ("mlp.c_proj", width, hidden),
        ]:
            state[f"{at}{name}.weight"] = drawn(rows, columns)
            if config["bias"]:
                state[f"{at}{name}.bias"] = drawn(rows)
        if config.get("sink"):
            state[at + "attn.attn_imp.sink_logit"] = drawn(heads)
    for name, size in norms.items():
        state[name + ".weight"] = 1 + drawn(size) / 2
        if not config["rms_norm"] and config["ln_bias"]:
            state[name + ".bias"] = drawn(size)
    state["lm_head.weight"] = (
        state["transformer.wte.weight"] if config["tied_unembed"] else drawn(vocabulary, width)
    )
    state["final_logits_bias"] = torch.zeros(vocabulary)
    if config["enable_bigram_table"]:
        state["bigram_table"] = drawn(vocabulary, vocabulary)
    return state


class Reference:
    """The authors' model. Calling it gives logits; `seen` has the values at the places that they call hooks."""

    def __init__(self, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        self.config, self.state, self.seen = config, state, dict[str, Tensor]()

    def __call__(self, tokens: Tensor) -> Tensor:
        state, length = self.state, tokens.shape[1]
        x, positions = F.embedding(tokens, state["transformer.wte.weight"]), None
        if self.config.get("d_pos_emb"):
            positions = state["transformer.wpe.weight"][:length].expand(len(tokens), -1, -1)
        else:
            x = x + state["transformer.wpe.weight"][:length]
        for layer in range(self.config["n_layer"]):
            at = f"transformer.h.{layer}."
            x = x + self.attention(layer, at, self.norm(at + "ln_1", x), positions)
            x = x + self.mlp(layer, at, self.norm(at + "ln_2", x), positions)
        logits = F.linear(self.norm("transformer.ln_f", x), state["lm_head.weight"])
        logits = logits + state.get("final_logits_bias", torch.zeros(1))
        if self.config["enable_bigram_table"]:
            logits = logits + F.embedding(tokens, state["bigram_table"])
        return logits

    def norm(self, name: str, x: Tensor) -> Tensor:
        weight = self.state[name + ".weight"]
        if self.config["rms_norm"]:
            return F.rms_norm(x, weight.shape, weight)
        return F.layer_norm(x, weight.shape, weight, self.state.get(name + ".bias"))

    def hook(self, place: str, name: str, x: Tensor) -> Tensor:
        afrac = self.config["afrac"]
        if afrac is not None and place in self.config["afrac_loctypes"].split(","):
            mask = torch.zeros_like(x, dtype=torch.bool)
            mask.scatter_(-1, x.abs().topk(int(afrac * x.shape[-1])).indices, True)
            x = torch.where(mask, x, 0.0)
        self.seen[name] = x
        return x

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.state[name + ".weight"], self.state.get(name + ".bias"))

    def attention(self, layer: int, at: str, x: Tensor, positions: Tensor | None) -> Tensor:
        if positions is not None:
            x = torch.cat([x, self.norm(at + "ln_p1", positions)], -1)
        x = self.hook("attn_in", f"{layer}.attn.act_in", x)
        heads, wide = self.config["n_head"], self.config["d_head"]
        split = self.linear(at + "attn.c_attn", x).chunk(3, -1)
        q, k, v = (
            self.hook(f"attn_{n}", f"{layer}.attn.{n}", p).unflatten(-1, (heads, wide)).transpose(1, 2)
            for n, p in zip("qkv", split, strict=True)
        )
        if self.config.get("sink"):
            empty = torch.zeros_like(k[..., :1, :])
            k, v = torch.cat([empty, k], -2), torch.cat([empty, v], -2)
            mask = torch.full((q.shape[-2], k.shape[-2]), -torch.inf).triu(2).expand(heads, -1, -1).clone()
            mask[..., 0] = self.state[at + "attn.attn_imp.sink_logit"].unsqueeze(1)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = self.linear(at + "attn.c_proj", y.transpose(1, 2).flatten(-2))
        return self.hook("attn_out", f"{layer}.attn.resid_delta", y)

    def mlp(self, layer: int, at: str, x: Tensor, positions: Tensor | None) -> Tensor:
        if positions is not None:
            x = torch.cat([x, self.norm(at + "ln_p2", positions)], -1)
        x = self.hook("mlp_in", f"{layer}.mlp.act_in", x)
        x = self.linear(at + "mlp.c_fc", x)
        x = {"gelu": F.gelu, "relu": F.relu}[self.config["activation_type"]](x)
        x = self.hook("mlp_neuron", f"{layer}.mlp.post_act", x)
        return self.hook("mlp_out", f"{layer}.mlp.resid_delta", self.linear(at + "mlp.c_proj", x))


def write_tokenizer(folder: Path, vocabulary: int = 300) -> None:
    """`vocab.bpe` and `encoder.json` of byte pairs learned from some Python."""
    text = "".join(
        f"def total{i % 5}(rows, items):\n    return rows[{i}] + items['name']\n" for i in range(200)
    )
    learned = tokenizers.Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - 1, initial_alphabet=alphabet, show_progress=False, special_tokens=[]
    )
    learned.train_from_iterator([text], trainer)
    merges = [tuple(pair) for pair in json.loads(learned.to_str())["model"]["merges"]]
    printable = [chr(b) for b in range(256) if chr(b).isprintable() and b != 32]
    pieces = [*printable, *(chr(256 + i) for i in range(256 - len(printable))), *map("".join, merges)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.bpe").write_text(
        "\n".join(["#version: 0.2", *map(" ".join, merges), ""]), encoding="utf-8"
    )
    ids = {piece: number for number, piece in enumerate(pieces)}
    (folder / "encoder.json").write_text(json.dumps(ids), encoding="utf-8")


def write_folder(folder: Path, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "beeg_config.json").write_text(json.dumps(config))
    torch.save(dict(state), folder / "final_model.pt")
    write_tokenizer(folder)
    return folder
