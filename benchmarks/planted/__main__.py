"""What pruning finds of circuits that are known: precision and recall of nodes, with noise of several sizes.

`python -m benchmarks.planted [--seeds 3]`. The target loss is just above the untouched model's, so that no node of the
circuit can be spared. One thread.
"""

from __future__ import annotations

import argparse
from time import process_time

import torch

from benchmarks.planted.circuits import CIRCUITS
from circuitlang.circuit.find import Finder
from circuitlang.language.program.spec import PruneSettings
from circuitlang.prompts.generate import Generator
from circuitlang.storage.cache import Cache

NOISES = (0.0, 0.02, 0.05)
SETTINGS = PruneSettings(loss=0.07, ablate="mean", steps=60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="models with other noise, for each circuit")
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    print(
        f"{'circuit':<10} {'noise':>5} {'seed':>4} {'known':>5} {'found':>5} {'precision':>9} {'recall':>6} decoys  s"
    )
    for make in CIRCUITS:
        for noise in NOISES:
            for seed in range(seeds if noise else 1):
                planted = make(noise, seed)
                generator = Generator(planted.program.tasks["planted"], 0)
                start = process_time()
                found = Finder(planted.checkpoint, generator, Cache(None), "").find(SETTINGS, seed).pruned
                nodes = set(found.nodes)
                right = len(nodes & planted.nodes)
                print(
                    f"{planted.name:<10} {noise:>5} {seed:>4} {len(planted.nodes):>5} {len(nodes):>5} "
                    f"{right / max(1, len(nodes)):>9.2f} {right / len(planted.nodes):>6.2f} "
                    f"{len(nodes & planted.decoys):>6} {process_time() - start:>4.0f}"
                    + ("" if found.reached else "  the target was not reached")
                )


if __name__ == "__main__":
    main()
