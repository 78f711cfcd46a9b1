"""A step of the published replication's training, with its own model and sparsifier, from a checkout of it.

Its trainer needs accelerate, wandb and a dataset from the hub; its model, its sparsifier and its normalisation of
gradients need torch and yaml. They are called here in the order of its trainer (forward, loss, backward, normalise,
AdamW, sparsify), without its logging, which reads more of the model at every step.

https://github.com/jacobcd52/sparse_pretrain_public
"""

from __future__ import annotations

import argparse
import importlib
import sys
from itertools import pairwise
from pathlib import Path
from time import process_time
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F


def modules(checkout: Path) -> list[Any]:
    """Its config, model and sparsity, without what its package imports beside them."""
    package = ModuleType("replication_src")
    package.__path__ = [str(checkout / "src")]
    sys.modules[package.__name__] = package
    return [importlib.import_module(f"{package.__name__}.{name}") for name in ("config", "model", "sparsity")]


def replication(checkout: Path, options: argparse.Namespace, steps: int) -> tuple[float, float, int]:
    """Processor seconds of the fastest step, the share of the sparsification in it, and the number of parameters.
    Shape, sparsity and floor are those of `benchmarks.training`."""
    config, made, sparsity = modules(checkout)
    torch.manual_seed(0)
    shape = config.ModelConfig(
        n_layer=options.layers,
        d_model=options.width,
        n_ctx=options.context,
        d_head=min(16, options.width),
        vocab_size=options.vocabulary,
        use_bigram_table=False,
    )
    model = made.create_model(shape, config.SparsityConfig(target_l0_fraction=1 / 16)).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-3, betas=(0.9, 0.95), eps=0.1, weight_decay=0.1, fused=True
    )
    floor = min(4, options.width // 16)
    sparsifier = sparsity.WeightSparsifier(model, 1 / 16, 0.0, 0.0, floor, total_steps=1000)
    random = torch.Generator().manual_seed(0)
    sparsifying: list[float] = []
    ends = [process_time()]
    for _ in range(steps):
        tokens = torch.randint(options.vocabulary, (options.batch, options.context), generator=random)
        logits = model(tokens, labels=None)[0]
        loss = F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1))
        loss.backward()
        sparsity.normalize_grad_rms_(model.parameters(), target_rms=1.0)
        optimizer.step()
        optimizer.zero_grad()
        before = process_time()
        sparsifier.step()
        ends.append(process_time())
        sparsifying.append(ends[-1] - before)
    spent = min(later - earlier for earlier, later in pairwise(ends[1:]))
    return spent, min(sparsifying[1:]) / spent, sum(p.numel() for p in model.parameters())
