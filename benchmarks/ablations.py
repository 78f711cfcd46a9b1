"""Seconds of single ablations measured together, beside the plain loop, at equal results.

`python -m benchmarks.ablations [--spec FILE --datapoints N]`: each node and each edge of the spec's circuit, taken from
the whole model and from the circuit. Both ways see the same prompts; the numbers must be equal bit for bit. One thread,
processor seconds.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
import torch

from circuitlang.checking.bench import Bench
from circuitlang.checking.job import Job
from circuitlang.circuit.cut import EdgeCut
from circuitlang.circuit.intervene import Act
from circuitlang.claims.measure import Setting
from circuitlang.language.program.load import load, project_root
from circuitlang.storage.cache import Cache

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", type=Path, default=ROOT / "specs" / "bracket_depth.cir")
    parser.add_argument("--datapoints", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    spec = next(iter(load(options.spec).specs.values()))
    bench = Bench.of(Job(spec, project_root(options.spec)))
    finder, meter = bench.finder, bench.meter
    graph = finder.find(spec.prune, spec.prune.seeds[0]).graph
    nodes = graph.kept
    edges = [EdgeCut(*ends) for ends in graph.weights]
    circuit = Act("keep", nodes)
    kinds = {
        "drop(each node)": [Setting((Act("drop", (node,)),)) for node in nodes],
        "drop(each edge)": [Setting(edges=(edge,)) for edge in edges],
        "keep(each node)": [Setting((Act("keep", (node,)),)) for node in nodes],
        "swap(each node)": [Setting((Act("swap", (node,)),)) for node in nodes],
        "keep(circuit), drop(each node)": [Setting((circuit, Act("drop", (node,)))) for node in nodes],
        "keep(circuit), drop(each edge)": [Setting((circuit,), edges=(edge,)) for edge in edges],
    }
    print(f"{spec.name}: {len(nodes)} nodes, {len(edges)} edges, {options.datapoints} datapoints, 1 thread")
    print(f"{'settings':32}{'plain, s':>10}{'together, s':>13}{'ratio':>7}  equal")
    for name, settings in kinds.items():
        loop, together = (replace(meter, cache=Cache(None), _found={}) for _ in range(2))
        for setting in settings[:1]:  # so that neither has to make the prompts
            loop.table(setting.untouched, "loss", options.datapoints)
        start = process_time()
        plain = [loop.table(setting, "loss", options.datapoints) for setting in settings]
        middle = process_time()
        shared = together.tables(settings, "loss", options.datapoints)
        end = process_time()
        equal = all(map(np.array_equal, plain, shared))
        ratio = (middle - start) / (end - middle)
        print(
            f"{name:32}{middle - start:>10.2f}{end - middle:>13.2f}{ratio:>7.2f}  {'yes' if equal else 'NO'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
