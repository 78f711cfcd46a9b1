"""Training tokens per second, beside the same model with torch's own kthvalue for AbsTopK and projection.

`python -m benchmarks.training [--layers 4 --width 128 --context 256 --batch 8 --steps 6]`. One thread, so that
processor seconds are seconds of work; both run in turn and the best step of each counts. Random tokens: the speed does
not depend on them. The weights that both arrive at are asserted equal. Beside each the share of a step in which the
largest weights are kept. `--beside PATH`: also a checkout of the published replication (benchmarks/replication.py).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.replication import replication
from circuitlang.language.program.recipe import Architecture, Corpus, Recipe, Sparsity, Training
from circuitlang.model import transformer
from circuitlang.model.training import sparsity, train
from circuitlang.model.training.data import Stream, TokenData
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.tokenizer import train_tokenizer

ROUNDS = 2
CPU = torch.device("cpu")


def plain_kth_largest(magnitude: Tensor, k: int) -> Tensor:
    return magnitude.kthvalue(magnitude.shape[-1] - k + 1, dim=-1, keepdim=True).values


@torch.no_grad()
def plain_keep_largest(weights: Tensor, kept: int, floor: int = 0, axis: int | None = None) -> None:
    """Protect the floor's entries, then one threshold per matrix."""
    if kept >= weights.numel():
        return
    magnitude = weights.abs()
    if axis is not None and floor:
        best = magnitude.topk(min(floor, magnitude.shape[1 - axis]), dim=1 - axis).indices
        magnitude = magnitude.scatter(1 - axis, best, torch.inf)
    least = magnitude.flatten().kthvalue(weights.numel() - kept + 1).values
    weights.mul_(magnitude >= least)


@contextmanager
def plain() -> Iterator[None]:
    with (
        patch.object(transformer, "_kth_largest", plain_kth_largest),
        patch.object(sparsity, "keep_largest", plain_keep_largest),
    ):
        yield


@contextmanager
def ours() -> Iterator[None]:
    yield


def tokens_of(options: argparse.Namespace) -> TokenData:
    ids = np.random.default_rng(0).integers(0, options.vocabulary, 200_000).astype(np.uint16)
    return TokenData(train_tokenizer([], 257), (Stream("rules", 1.0, ids, ids),), "random")


def recipe_of(options: argparse.Namespace, steps: int = 1000) -> Recipe:
    """At the final sparsity from the first step on: the most common state, and the one with the most to protect."""
    rows = options.context * options.batch
    heads = max(1, options.width // 16)
    corpus = Corpus("random", {}, (), (), "")
    return Recipe(
        "benchmark",
        None,
        Architecture(
            options.layers, options.width, heads, options.context, vocabulary=options.vocabulary, sink=True
        ),
        Sparsity(weights=1 / 16, embeddings=1 / 16, activations=1 / 4, floor=min(4, options.width // 16)),
        Training(corpus, rows * steps, options.batch, anneal=0.0, warmup=0.0),
        str(options),
    )


def seconds_per_step(recipe: Recipe, data: TokenData, steps: int) -> tuple[float, float, Transformer]:
    """Processor seconds of the fastest step, those of its projection, and the model after the last."""
    ends = [process_time()]
    projecting: list[float] = []
    project = train.project

    def timed(*arguments: Any) -> None:
        before = process_time()
        project(*arguments)
        projecting.append(process_time() - before)

    with tempfile.TemporaryDirectory() as folder, patch.object(train, "project", timed):
        run = train.train(
            recipe, data, Path(folder) / "state", CPU, lambda _: ends.append(process_time()), steps
        )
    return min(later - earlier for earlier, later in pairwise(ends[1:])), min(projecting[1:]), run.model


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, usual in {
        "layers": 4,
        "width": 128,
        "context": 256,
        "batch": 8,
        "vocabulary": 2048,
        "steps": 6,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--beside", type=Path, help="a checkout of the published replication")
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = recipe_of(options)
    data = tokens_of(options)
    best: dict[str, float] = {}
    projecting: dict[str, float] = {}
    weights: dict[str, list[Tensor]] = {}
    theirs = 0
    for _ in range(ROUNDS):
        for name, way in {"circuitlang": ours, "torch kthvalue": plain}.items():
            with way():
                spent, projected, model = seconds_per_step(recipe, data, max(3, options.steps))
            best[name] = min(best.get(name, spent), spent)
            projecting[name] = min(projecting.get(name, projected), projected)
            weights[name] = [parameter.detach() for parameter in model.parameters()]
        if options.beside is not None:
            spent, share, theirs = replication(options.beside, options, max(3, options.steps))
            if spent <= best.get("replication", spent):
                best["replication"], projecting["replication"] = spent, share * spent
    same = all(torch.equal(a, b) for a, b in zip(*weights.values(), strict=True))
    assert same, "the two arrive at different weights"
    tokens = options.batch * options.context
    size = sum(parameter.numel() for parameter in weights["circuitlang"])
    print(
        f"{options.layers} layers, width {options.width}, {size:,} parameters, {tokens:,} tokens per step, 1 thread"
    )
    print(f"{'training':16}{'tokens/s':>12}{'ms/step':>12}{'projection':>12}")
    for name, spent in best.items():
        print(f"{name:16}{tokens / spent:>12,.0f}{spent * 1000:>12.1f}{projecting[name] / spent:>12.1%}")
    print(f"ratio {best['torch kthvalue'] / best['circuitlang']:.2f}, equal weights")
    if options.beside is not None:
        print(
            f"ratio {best['replication'] / best['circuitlang']:.2f} to the replication, {theirs:,} parameters"
        )


if __name__ == "__main__":
    main()
