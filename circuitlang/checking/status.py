"""`status` and `diff`: which locks are out of date, and what two reports or locks have in common. Nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from circuitlang.checking.lock_verbs import differing, hashes
from circuitlang.language.files import programs
from circuitlang.language.program.load import load, project_root
from circuitlang.language.program.spec import Spec
from circuitlang.model.locate import digest_of, model_folder
from circuitlang.report.diff import Diff, diff_reports
from circuitlang.report.lock import Lock, LockedSpec, beside, read_lock
from circuitlang.report.lock_status import LockStatus
from circuitlang.report.saved import read_reports
from circuitlang.source.diagnostic import CommandError


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
