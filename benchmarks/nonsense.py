"""How many nodes a task takes, beside what two unrelated tokens take in place of its answers.

`python -m benchmarks.nonsense [--model NAME --jobs N TASKFILE ...]`: of every task that the model can do, the circuit
that the search finds and the one it finds for the null `nonsense`, at one target: the usual one, or what the model's
own loss leaves room for. The ratio of their nodes is what a spec's `margin` is held against (docs/verdicts.md). Results
are kept in the cache, so that a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from circuitlang.checking.bench import finder_of
from circuitlang.circuit.find import Found
from circuitlang.circuit.parallel import Search, cores, find_all
from circuitlang.claims.controls.nulls import make_nulls
from circuitlang.language.program.spec import PruneSettings, VerdictSettings
from circuitlang.model import checkpoint
from circuitlang.model.locate import locate
from circuitlang.source.diagnostic import Diagnostic
from circuitlang.source.progress import quiet
from circuitlang.storage.cache import Cache, default_folder
from circuitlang.studies.draft.draft import target_for
from circuitlang.studies.training import all_tasks, asked, is_competent, means_of

ROOT = Path(__file__).resolve().parent.parent
ASKED = 512
"""Datapoints of `test` behind whether the model can do a task."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", type=Path, default=[ROOT / "tasks"])
    parser.add_argument("--model", default="zoo:python-small")
    parser.add_argument("--jobs", type=int, default=cores())
    options = parser.parse_args()
    found = checkpoint.load(locate(options.model, Path.cwd()), options.model, torch.device("cpu"))
    print(f"{options.model}; loss in nats per prompt, nodes and edges at the target", flush=True)
    print(f"{'task':28}{'loss':>7}{'target':>8}{'circuit':>14}{'nonsense':>14}{'ratio':>8}", flush=True)
    for task, scores in asked(found, all_tasks(options.tasks), ASKED, quiet):
        if isinstance(scores, Diagnostic):
            continue
        means = means_of(scores)
        if not is_competent(means["accuracy"], means["mass"], VerdictSettings()):
            continue
        settings = replace(PruneSettings(), loss=target_for(means["loss"]))
        finder = finder_of(found, task, 0, Cache(default_folder()))
        null = next(each for each in make_nulls(finder, 0) if each.null.name == "nonsense")
        finders = [finder] if null.finder is None else [finder, null.finder]
        circuits = find_all(
            [Search(each, settings, 0, fallback=False, costs=False) for each in finders], options.jobs
        )
        sizes = [_size(each) for each in circuits] + [null.why] * (null.finder is None)
        ratio = ""
        if len(circuits) == 2 and all(each.pruned.reached for each in circuits):
            ratio = f"{circuits[1].graph.node_count / max(1, circuits[0].graph.node_count):.2f}"
        print(
            f"{task.name:28}{means['loss']:>7.3f}{settings.loss:>8.2f}{sizes[0]:>14}{sizes[1]:>14}{ratio:>8}",
            flush=True,
        )


def _size(found: Found) -> str:
    if not found.pruned.reached:
        return "none"
    return f"{found.graph.node_count} / {found.graph.edge_count}"


if __name__ == "__main__":
    main()
