"""What a check is asked on: device, checkpoint, prompts, cache -> what finds circuits and what measures them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from circuitlang.checking.job import Options
from circuitlang.language.program.spec import Spec
from circuitlang.model.kernels import in_use
from circuitlang.model.locate import model_folder
from circuitlang.model.memory import require_address_space
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.cache import Cache, code_digest, default_folder, key_of

if TYPE_CHECKING:
    import torch

    from circuitlang.circuit.find import Finder
    from circuitlang.claims.measure import Meter
    from circuitlang.language.program.task import Task
    from circuitlang.model.checkpoint import Checkpoint


def prepare(spec: Spec, root: Path, options: Options, measure: bool = False) -> tuple[Finder, Meter]:
    """What finds circuits and what measures them, for one spec. `measure`: by as many threads as torch would use for
    one pass, each with a pass of its own; the caller lets torch use one, so that no bit depends on their number."""
    import torch

    from circuitlang.claims.measure import Meter
    from circuitlang.model.checkpoint import load as load_model

    device = choose_device(options.device)
    checkpoint = load_model(model_folder(spec, root), spec.model, device)
    cache = Cache(None if options.fresh else options.cache or default_folder())
    finder = finder_of(checkpoint, spec.task, options.seed, cache)
    workers = torch.get_num_threads() if measure and device.type == "cpu" else 1
    return finder, Meter.of(finder, spec.prune, workers)


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
