"""Prompts per second of a compacted circuit, beside the full model under the same mask.

`python -m benchmarks.forward [--layers 4 --width 128 --prompts 64 --length 48]`. Circuits are nodes drawn at random
from the whole model, so that what they leave idle is chance, not choice. One thread, processor seconds, the best of
several rounds in turn; equal logits are asserted bit for bit.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import process_time

import torch
from torch import Tensor

from circuitlang.circuit.mask import active_sublayers, compact, keeping
from circuitlang.model.config import Config
from circuitlang.model.transformer import Transformer
from circuitlang.site import Node

ROUNDS = 5
SIZES = (0, 3, 10, 30, 100, 300)  # nodes of the circuits


def random_model(options: argparse.Namespace) -> Transformer:
    config = Config(
        options.layers,
        options.width,
        max(1, options.width // 16),
        256,
        4 * options.width,
        2048,
        activations=0.25,
        sink=True,
    )
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(0))
    return model.requires_grad_(False)


def seconds(*works: Callable[[], object]) -> list[float]:
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for i, work in enumerate(works):
            start = process_time()
            work()
            best[i] = min(best[i], process_time() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, usual in {"layers": 4, "width": 128, "prompts": 64, "length": 48}.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = random_model(options)
    config = model.config
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, config.vocabulary, (options.prompts, options.length), generator=generator)
    at = torch.full((options.prompts,), options.length - 1)
    mean = {site: torch.randn(config.size(site), generator=generator) * 0.1 for site in config.sites()}
    everything = [Node(site, i) for site in config.sites() for i in range(config.size(site))]
    order = torch.randperm(len(everything), generator=generator).tolist()
    print(
        f"{config.layers} layers, width {config.width}, {len(everything):,} nodes, {tokens.numel():,} tokens, 1 thread"
    )
    print(f"{'nodes':>6}{'sub-layers':>12}{'full, prompts/s':>18}{'compacted':>12}{'ratio':>8}")
    for count in (*SIZES, len(everything)):
        if count > len(everything):
            continue
        mask = keeping([everything[i] for i in order[:count]], config, mean)
        small = compact(model, mask)

        def full(mask=mask) -> Tensor:
            return model(tokens, mask, at)

        def compacted(small=small, mask=mask) -> Tensor:
            return small(tokens, mask, at)

        assert torch.equal(full(), compacted())
        slow, fast = seconds(full, compacted)
        rates = f"{options.prompts / slow:>18,.0f}{options.prompts / fast:>12,.0f}{slow / fast:>8.2f}"
        print(f"{count:>6}{active_sublayers(small):>9} of {2 * config.layers}{rates}")
    print("equal logits")


if __name__ == "__main__":
    main()
