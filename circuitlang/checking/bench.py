"""Bench: what a job is asked of: a model with its prompts, ablation values, cache and device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from circuitlang.checking.job import Job
from circuitlang.model.hardware import in_use, require_address_space
from circuitlang.model.locate import model_folder
from circuitlang.source.diagnostic import CommandError
from circuitlang.source.progress import Clock
from circuitlang.storage.cache import Cache, code_digest, default_folder, key_of

if TYPE_CHECKING:
    import torch

    from circuitlang.circuit.find import Finder
    from circuitlang.claims.measure import Meter
    from circuitlang.language.program.task import Task
    from circuitlang.model.checkpoint import Checkpoint


@dataclass(frozen=True)
class Bench:
    """`finder` finds circuits of the model for the task, `meter` measures what both do, `clock` has the time of each
    stage. Finder and meter are of one checkpoint, one generator of prompts and one cache."""

    finder: Finder
    meter: Meter
    clock: Clock

    @classmethod
    def of(cls, job: Job, measure: bool = False, load: Callable[..., Checkpoint] | None = None) -> Bench:
        """The model loaded, by `load` where several benches share it. `measure`: by as many threads as torch would use
        for one pass, each with a pass of its own; the caller lets torch use one, so that no bit depends on their
        number."""
        import torch

        from circuitlang.circuit.cluster import require_workers
        from circuitlang.claims.measure import Meter
        from circuitlang.model import checkpoint as checkpoints

        clock, options = Clock(job.options.told), job.options
        device = choose_device(options.device)
        if options.cluster is not None:
            require_workers(options.cluster)
        load = load or checkpoints.load
        checkpoint = load(model_folder(job.spec, job.root), job.spec.model, device)
        cache = Cache(None if options.fresh else options.cache or default_folder())
        finder = finder_of(checkpoint, job.spec.task, options.seed, cache)
        workers = torch.get_num_threads() if measure and device.type == "cpu" else 1
        meter = Meter.of(finder, job.spec.prune, workers)
        clock.lap("load")
        return cls(finder, meter, clock)

    @property
    def checkpoint(self) -> Checkpoint:
        return self.meter.checkpoint


def finder_of(checkpoint: Checkpoint, task: Task, seed: int, cache: Cache) -> Finder:
    """What finds circuits of a model for a task; its key names what it is computed with, too."""
    import torch

    from circuitlang.circuit.find import Finder
    from circuitlang.prompts.generate import Generator

    device = checkpoint.model.embed.device
    model_key = key_of(checkpoint.digest, code_digest(), torch.__version__, device.type, in_use())
    key = key_of(model_key, task.text, seed)
    return Finder(checkpoint, Generator(task, seed), cache, key, model_key=model_key)


def choose_device(name: str) -> torch.device:
    """`auto`: a GPU where there is one. CommandError for a device that is not there."""
    require_address_space()
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there.get(name, False):
        raise CommandError(
            f"there is no device `{name}` here; there are: {', '.join(k for k in there if there[k])}"
        )
    return torch.device(name)
