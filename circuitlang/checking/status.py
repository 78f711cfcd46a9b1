"""What went into a check, which locks are out of date, and what two reports have in common. Nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from circuitlang.language.files import programs
from circuitlang.language.program.load import load, project_root
from circuitlang.language.program.spec import Spec
from circuitlang.model.locate import digest_of, model_folder, read_config
from circuitlang.report.compare import changed
from circuitlang.report.diff import Diff, diff_reports
from circuitlang.report.drift import Changed
from circuitlang.report.drift_lines import LockStatus
from circuitlang.report.lock import Lock, LockedSpec, Sizes, beside, read_lock, remedy
from circuitlang.report.saved import read_reports
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.cache import key_of

if TYPE_CHECKING:
    from circuitlang.model.config import Config
    from circuitlang.report.report import Report


class UnusableLock(CommandError):
    """A spec has no lock by which it could be judged: none, one that cannot be read, or one of something else."""


INPUTS = ("spec", "task", "model", "prune", "verdict", "seed")
"""What a check's numbers follow from, but for the code and its libraries; a lock holds for these alone."""


def hashes(spec: Spec, model: str) -> dict[str, str]:
    """Content hashes of what goes into a check, by name. `model`: the digest of its files."""
    return {
        "spec": key_of(spec.text),
        "task": key_of(spec.task.text),
        "model": model,
        "prune": key_of(repr(asdict(spec.prune))),
        "verdict": key_of(repr(asdict(spec.verdict))),
    }


def sizes(config: Config) -> Sizes:
    """What two models must have in common for a node of one to be a node of the other."""
    return {name: getattr(config, name) for name in ("layers", "width", "heads", "hidden")}


def differing(locked: LockedSpec, found: Mapping[str, str], seed: int) -> tuple[Changed, ...]:
    """What of `INPUTS` went into the lock and is another now. `found`: `hashes` of the spec as it is."""
    old, new = locked.report.provenance.inputs, {**found, "seed": str(seed)}
    return changed(*({name: side[name] for name in INPUTS if name in side} for side in (old, new)))


def locked_spec(path: Path, name: str) -> LockedSpec:
    """A spec's entry in the lock beside its file. UnusableLock where there is none that can be used."""
    place = beside(path)
    try:
        lock = read_lock(place)
    except CommandError as error:
        raise UnusableLock(str(error)) from None
    if name not in lock.specs:
        known = ", ".join(lock.specs) or "nothing"
        raise UnusableLock(f"{place} has no spec `{name}`, only {known}; write a new one: {remedy(place)}")
    return lock.specs[name]


def look_at_lock(spec: Spec, path: Path) -> tuple[LockedSpec | None, list[str]]:
    """What the lock beside a spec's file has of it, and what there is to say of the lock; of no lock nothing."""
    if not beside(path).exists():
        return None, []
    try:
        locked = locked_spec(path, spec.name)
    except CommandError as error:
        return None, [f"the lock was left aside: {error}"]
    model = digest_of(model_folder(spec, project_root(path)))
    old = [c.name for c in differing(locked, hashes(spec, model), locked.report.provenance.seed)]
    said = f"{beside(path)} is out of date ({', '.join(old)}); write a new one: {remedy(beside(path))}"
    return locked, [said] if old and old != ["model"] else []


def misfits(locked: LockedSpec, config: Config) -> str:
    """Which sizes of a model are others than the lock's, so that its nodes are none of this model; empty: none."""
    now = sizes(config)
    return ", ".join(
        f"{name} {now[name]} in place of {locked.sizes.get(name)}"
        for name in now
        if now[name] != locked.sizes.get(name)
    )


def update_lock(path: Path, found: Sequence[tuple[Spec, Report]]) -> list[str]:
    """Writes the lock of a file's specs. Lines that say so, and which spec has no circuit to lock."""
    place, root = beside(path), project_root(path)
    specs, lines = {}, []
    for spec, report in found:
        circuit = report.circuit
        if circuit is None or any(not each.nodes or each.graph is None for each in circuit.per_seed):
            lines.append(f"spec {spec.name} is not locked: it has no circuit")
        else:
            config, _ = read_config(model_folder(spec, root))
            specs[spec.name] = LockedSpec.of(report, sizes(config))
    if not specs:
        return [*lines, f"{place} was not written"]
    Lock(specs=specs).write(place)
    return [*lines, f"lock in {place}"]


def status(paths: Sequence[Path]) -> list[LockStatus]:
    """`status`: how every spec of the files and folders stands to its lock; and locks without a spec file.

    Raises ProgramError with the mistakes of a file.
    """
    files = list(programs(paths))
    digest = cache(digest_of)  # most specs are of one model
    found = [standing for path in files for standing in _of_file(path, digest)]
    known = {beside(path).resolve() for path in files}
    folders = [path for path in paths if path.is_dir()]
    alone = sorted(
        lock for folder in folders for lock in folder.rglob("*.cir.lock") if lock.resolve() not in known
    )
    return [
        *found,
        *(LockStatus(str(lock), "", "no spec", note="its spec file is not there") for lock in alone),
    ]


def _of_file(path: Path, digest: Callable[[Path], str]) -> Iterator[LockStatus]:
    """`digest`: of the files of a model, by its folder."""
    program = load(path)
    place = beside(path)
    if not place.exists():
        yield from (LockStatus(str(path), name, "no lock") for name in program.specs)
        return
    try:
        lock = read_lock(place)
    except CommandError as error:
        yield from (LockStatus(str(path), name, "unreadable", note=str(error)) for name in program.specs)
        return
    for spec in program.specs.values():
        yield _of_spec(path, spec, lock, digest)
    for name in lock.specs.keys() - program.specs.keys():
        yield LockStatus(str(path), name, "no spec", note="the lock has it, the file has not")


def _of_spec(path: Path, spec: Spec, lock: Lock, digest: Callable[[Path], str]) -> LockStatus:
    locked = lock.specs.get(spec.name)
    if locked is None:
        return LockStatus(str(path), spec.name, "out of date", note="the file's lock does not have it")
    try:
        model = digest(model_folder(spec, project_root(path)))
    except CommandError as error:
        return LockStatus(str(path), spec.name, "out of date", _verdict(locked), note=str(error))
    found = differing(locked, hashes(spec, model), locked.report.provenance.seed)
    return LockStatus(
        str(path),
        spec.name,
        "out of date" if found else "up to date",
        _verdict(locked),
        found,
    )


def _verdict(locked: LockedSpec) -> str:
    return locked.report.verdict.value


def diff(old: Path, new: Path) -> list[Diff]:
    """`diff`: every spec that both have, and those that one has alone; of two reports, whatever the specs are called.

    Raises CommandError where one cannot be read, or where they are about different tasks.
    """
    before, after = read_reports(old), read_reports(new)
    if len(before) == len(after) == 1:
        return [diff_reports(*before.values(), *after.values())]
    if len(before) == 1 or len(after) == 1:  # a report and a lock of several specs
        (name,) = before if len(before) == 1 else after
        if name not in before or name not in after:
            lack = old if name not in before else new
            raise CommandError(
                f"{lack} has no spec `{name}`, only {', '.join(before if lack is old else after)}"
            )
        return [diff_reports(before[name], after[name])]
    names = sorted(before.keys() | after.keys())
    return [diff_reports(before.get(name), after.get(name)) for name in names]
