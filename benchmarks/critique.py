"""Whether a small circuit says anything: how many nodes the search takes for a task, and how many for nonsense.

`python -m benchmarks.critique [--model NAME --jobs N --ablate KIND … TASKFILE …]`: of every task that
the model can do, the circuit of the task and those of its nulls (docs/verdicts.md) at one target, under each kind of
ablation: two unrelated tokens in place of the answers, the task's answers shuffled among its prompts, and the task
asked of a model whose weights are shuffled. A method whose circuits mean something finds none for these. The target is
the usual one, or what the model's own loss leaves room for. Searches run one after another with `--jobs 1`; results are
kept in the cache, so that a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch

from circuitlang.checking.bench import finder_of
from circuitlang.circuit.find import Finder, Found
from circuitlang.circuit.parallel import Search, cores, find_all
from circuitlang.claims.nulls import make_nulls
from circuitlang.language.program.spec import Ablate, PruneSettings, VerdictSettings
from circuitlang.language.program.task import Task
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
NULLS = ("nonsense", "shuffled_answers", "shuffled_weights")
STEPS = {"mean": 250}
"""Where not the default: what the published method's searches of this project were run with (docs/log.md)."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", type=Path, default=[ROOT / "tasks"])
    parser.add_argument("--model", default="zoo:python-small")
    parser.add_argument("--jobs", type=int, default=cores())
    parser.add_argument("--ablate", action="append", choices=get_args(Ablate))
    options = parser.parse_args()
    kinds: list[Ablate] = options.ablate or ["mean", "resample"]
    found = checkpoint.load(locate(options.model, Path.cwd()), options.model, torch.device("cpu"))
    print(
        f"{options.model}; nodes / edges of the smallest circuit that reaches the target, in nats per prompt\n"
    )
    print(f"| task | target | ablation | task | {' | '.join(null.replace('_', ' ') for null in NULLS)} |")
    print(f"|---|---|---|---|{'---|' * len(NULLS)}", flush=True)
    for task, own in _competent(found, options.tasks):
        for kind in kinds:
            settings = replace(PruneSettings(), loss=target_for(own), ablate=kind)
            settings = replace(settings, steps=STEPS.get(kind, settings.steps))
            sizes = _sizes(finder_of(found, task, 0, Cache(default_folder())), settings, options.jobs)
            print(f"| {task.name} | {settings.loss:.2f} | {kind} | {' | '.join(sizes)} |", flush=True)


def _competent(found: checkpoint.Checkpoint, files: list[Path]) -> Iterator[tuple[Task, float]]:
    """Each task that the model can do, with its loss in nats per prompt."""
    for task, scores in asked(found, all_tasks(files), ASKED, quiet):
        if not isinstance(scores, Diagnostic):
            means = means_of(scores)
            if is_competent(means["accuracy"], means["mass"], VerdictSettings()):
                yield task, means["loss"]


def _sizes(finder: Finder, settings: PruneSettings, jobs: int) -> list[str]:
    """Of the task and of each null; why there is none where a null cannot be made."""
    nulls = {made.null.name: made for made in make_nulls(finder, 0)}
    made = [nulls[name] for name in NULLS]
    searches = [Search(finder, settings, 0)]
    searches += [
        Search(null.finder, settings, 0, fallback=False, costs=False)
        for null in made
        if null.finder is not None
    ]
    circuits = iter(find_all(searches, jobs))
    return [_size(next(circuits))] + [_size(next(circuits)) if null.finder else null.why for null in made]


def _size(found: Found) -> str:
    if found.pruned.stopped is not None:
        return "none"
    if not found.pruned.reached:
        return f"none (loss {found.pruned.loss:.2f} at {len(found.pruned.nodes):,} nodes)"
    return f"{found.graph.node_count:,} / {found.graph.edge_count:,}"


if __name__ == "__main__":
    main()
