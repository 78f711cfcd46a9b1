"""Job: what was asked of the main job: one spec of one file, how it is checked, and what becomes of its lock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from circuitlang.language.program.bridge import Bridge
from circuitlang.language.program.load import project_root
from circuitlang.language.program.program import Program
from circuitlang.language.program.spec import Spec
from circuitlang.model.locate import TRAINED
from circuitlang.source.diagnostic import CommandError, Source
from circuitlang.source.progress import Told, quiet
from circuitlang.storage.atomic import require_writable

if TYPE_CHECKING:
    from circuitlang.circuit.graph import CircuitGraph

LockMode = Literal["ignore", "look", "freeze", "renew"]
"""What becomes of the lock beside the spec's file: nothing; it is looked at, judged by, or about to be replaced."""


@dataclass(frozen=True)
class Options:
    """How a check runs. `cache` None: the user's cache folder; `fresh`: use none. `told(stage, share done)`.
    `controls`: whether the nulls are run, without which no claim can be void; `battery`: whether the circuits go
    through it. `jobs`: how many searches run at a time, each in a process of its own; more than 1 only from a main
    module that can be imported without doing anything. `model`: in place of the spec's own (as `with_model` takes it).
    `circuit`: judged in place of one that a search would find. `cluster`: the address of Dask's scheduler whose workers
    search, in place of processes here.
    """

    device: str = "auto"
    seed: int = 0
    fresh: bool = False
    budget: int | None = None
    cache: Path | None = None
    battery: bool = True
    command: tuple[str, ...] = ()
    controls: bool = True
    jobs: int = 1
    model: str | None = None
    circuit: CircuitGraph | None = None
    cluster: str | None = None
    told: Told = field(default=quiet, compare=False)


@dataclass(frozen=True)
class Job:
    """`root`: of the project, from which the model's path counts. `source`: the spec's file, where it is asked for
    (by a lock, by the files of a report); `folder`: where the report's files go. `bridge`: what `spec` was made of, by
    checking/bridge.py, where the job is about a bridge."""

    spec: Spec
    root: Path
    options: Options = Options()
    source: Source | None = None
    folder: Path | None = None
    lock: LockMode = "ignore"
    bridge: Bridge | None = None

    @classmethod
    def of(cls, program: Program, spec: Spec, options: Options, lock: LockMode = "ignore") -> Job:
        """Of a spec of a program's file."""
        return cls(spec, project_root(Path(program.source.name)), options, program.source, lock=lock)

    @property
    def path(self) -> Path:
        """The spec's file."""
        assert self.source is not None, "a job about a lock or a report's files has a file"
        return Path(self.source.name)

    def watched(self, told: Told) -> Job:
        """The same, with its progress told."""
        return replace(self, options=replace(self.options, told=told))


def lock_mode(update: bool, frozen: bool, no_run: bool, model: str | None, circuit: Path | None) -> LockMode:
    """What `check` is to do with a lock. CommandError where it is asked for what cannot go together."""
    if update and (frozen or model is not None or no_run):
        other = "--frozen" if frozen else "--no-run" if no_run else "--model"
        raise CommandError(
            f"--update-lock takes what a whole check of the spec finds; it cannot go with {other}"
        )
    if frozen and no_run:
        raise CommandError(
            "--frozen runs the model; `circuitlang status` says without running what is out of date"
        )
    if circuit is not None and (frozen or no_run or update):
        raise CommandError("--circuit is judged in place of one that is found or locked; it goes by itself")
    return "freeze" if frozen else "renew" if update else "look"


def jobs_of(programs: Sequence[Program], options: Options, lock: LockMode, out: Path | None) -> list[Job]:
    """A job for every spec of the files, and for every bridge, which no lock has. `out`: the folder for the report's
    files of the only one; by default each has its own under runs/. CommandError, before minutes are spent, where there
    is no spec, where two would write into one folder, or where a lock that is to be written could not be."""
    found = [Job.of(program, spec, options, lock) for program in programs for spec in program.specs.values()]
    if lock != "freeze" and options.model is None and options.circuit is None:
        found += [
            replace(Job.of(program, as_spec(bridge), options), bridge=bridge)
            for program in programs
            for bridge in program.bridges.values()
        ]
    if not found:
        raise CommandError("there is no spec in these files; `check --no-run` checks tasks and corpora")
    if out is not None and len(found) > 1:
        raise CommandError(f"--out takes the files of one spec, and there are {len(found)}")
    if options.circuit is not None and len(found) > 1:
        raise CommandError(f"--circuit is of one spec, and there are {len(found)}")
    jobs = [replace(job, folder=out or _folder(job)) for job in found]
    folders = [job.folder for job in jobs]
    twice = next((folder for folder in folders if folders.count(folder) > 1), None)
    if twice is not None:
        raise CommandError(
            f"two of these specs have one name, and would both write {twice}; check one at a time"
        )
    if lock == "renew":
        for program in programs:
            require_writable(Path(program.source.name).parent)
    return jobs


def jobs_of_models(
    programs: Sequence[Sequence[Program]],
    models: Sequence[str | None],
    options: Options,
    lock: LockMode,
    out: Path | None,
) -> list[Job]:
    """The same, of several models, each with the programs as they are for it; the files of each in a folder of its
    name."""
    asked = [
        jobs_of(each, replace(options, model=model), lock, out)
        for each, model in zip(programs, models, strict=True)
    ]
    if len(models) == 1:
        return asked[0]
    if out is not None or options.circuit is not None:
        raise CommandError("--out and --circuit are of one model")
    places = [re.sub(r"[^A-Za-z0-9._-]+", "-", str(model)).strip(".-") for model in models]
    if len({*places}) < len(places):
        raise CommandError(
            f"the files of two of these models would be written to one folder: {', '.join(places)}"
        )
    return [
        replace(job, folder=job.folder / place)
        for jobs, place in zip(asked, places, strict=True)
        for job in jobs
        if job.folder is not None
    ]


def _folder(job: Job) -> Path:
    """What was not a whole check of the spec does not take the place of one."""
    asked = (
        (".model", job.options.model is not None),
        (".circuit", job.options.circuit is not None),
        (".frozen", job.lock == "freeze"),
    )
    return Path("runs") / f"{job.spec.name}{''.join(part for part, said in asked if said)}"


SPARSE = "sparse"
"""Folder, in a bridge's, of a sparse model that was trained with it."""


def as_spec(bridge: Bridge) -> Spec:
    """What a job about a bridge is told of it: its claims and settings, over its spec's task and circuit, of the first
    of the spec's seeds. CommandError for a bridge without a spec."""
    if bridge.spec is None:
        raise CommandError(f"bridge {bridge.name} has no `spec`, so there are no prompts to judge it on")
    spec = bridge.spec
    return replace(
        spec,
        name=bridge.name,
        doc=bridge.doc,
        verdict=bridge.verdict,
        claims=bridge.claims,
        text=f"{spec.text}\n{bridge.text}",
        span=bridge.span,
        prune=replace(spec.prune, seeds=spec.prune.seeds[:1]),
        model=f"{TRAINED}/{bridge.name}/{SPARSE}" if bridge.training.joint else spec.model,
        recipe=None if bridge.training.joint else spec.recipe,
    )
