"""The main job, top to bottom: each line is one arrow. To learn what an arrow does, open the file it names.

text -> checked program (static.py) -> jobs (job.py) -> competence -> circuits -> roles and claims -> controls ->
battery (judge.py) -> report (assemble_report.py) -> what a page shows (inspection/) -> files, locks. What needs torch
is imported inside the functions, so that whatever imports this file still starts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from circuitlang.checking import stages
from circuitlang.checking.bench import Bench, choose_device
from circuitlang.checking.job import Job, Options
from circuitlang.checking.many import Queue, Shard, run_queue
from circuitlang.checking.static import check_text, shortcuts_of
from circuitlang.checking.status import UnusableLock, locked_spec, look_at_lock, update_lock
from circuitlang.language.files import choose
from circuitlang.model.hardware import remarks
from circuitlang.model.locate import digest_of, model_folder
from circuitlang.source.diagnostic import Diagnostic
from circuitlang.source.progress import Told
from circuitlang.storage.atomic import alone_in, require_writable
from circuitlang.storage.cache import default_folder, distrusted

if TYPE_CHECKING:
    from circuitlang.circuit.find import Found
    from circuitlang.report.exhibit import Exhibit
    from circuitlang.report.lock import LockedSpec
    from circuitlang.report.report import Report


class Done(NamedTuple):
    """A job that is done, notes for the reader, and what the page shows."""

    job: Job
    report: Report
    notes: list[str]
    shown: Exhibit | None = None


def check_all(
    jobs: Sequence[Job], told: Told, shard: Shard | None = None, searching: bool = True
) -> tuple[list[Done], list[Diagnostic], list[str]]:
    """`check`: every job, its files, and at the end the locks. What has no lock to be judged by, or a prompt that its
    model cannot be asked, is said at its place, and the others are judged; lines about the locks. Of several jobs the
    searches are one queue, and each is judged when its own are done. `shard`: a part of the queue goes into the cache,
    and no file is written. Not `searching`: CommandError where not everything is there."""
    from circuitlang.prompts.admit import diagnostic
    from circuitlang.prompts.one_token import TokenError

    done: dict[int, Done] = {}
    refused: list[Diagnostic] = []

    def finish(number: int, told: Told) -> None:
        job = jobs[number].watched(told)
        try:
            done[number] = check_and_write(job) if shard is None else Done(job, check(job), [])
        except UnusableLock as error:
            refused.append(Diagnostic("CIR-215", str(error), job.spec.span.head))
        except TokenError as error:  # of a prompt that is rarer than those that were tried before
            refused.append(diagnostic(job.spec.task, error, job.spec.model))

    if jobs[0].options.fresh or (len(jobs) == 1 and shard is None and searching):
        for number in range(len(jobs)):
            finish(number, told)
    else:
        queue = Queue.of(jobs, told)
        if not searching:
            queue.require_done(jobs)
        judged = run_queue(queue, jobs, told, finish, shard or Shard(1, 1))
        if shard is not None:
            return [], refused, [shard.said(len(queue.searches), len(judged), len(jobs))]
    found = [done[number] for number in sorted(done)]
    return found, refused, update_locks([each for each in found if each.job.lock == "renew"])


def check_and_write(job: Job) -> Done:
    """One job, its files written into its folder, all of them or none."""
    from circuitlang.report.report_folder import contents, write_files

    assert job.folder is not None
    choose_device(job.options.device)  # before anything is made on disk
    frozen = usable_lock(job) if job.lock == "freeze" else None
    require_writable(job.folder)
    with alone_in(job.folder):
        beside: dict[str, str | bytes] = {}
        if job.bridge is not None:
            from circuitlang.checking.judge_bridge import check_bridge

            report, beside = check_bridge(job)
            shown, said = None, []
        elif frozen is not None:
            report, shown, said = check_locked(job, frozen), None, []
        else:
            locked, said = look_at_lock(job.spec, job.path) if job.lock == "look" else (None, [])
            report, shown, why = check_and_inspect(job, locked)
            said = [*why, *said]
        if job.options.circuit is not None:
            said.append("the circuit was given; none was searched for")
        files, notes = contents(report, shown, str(job.path))
        write_files(job.folder, {**files, **beside})
    said = [f"files in {job.folder}", *notes, *said, *remarks(), *_distrust(job.options)]
    return Done(job, report, said, shown)


def check(job: Job, locked: LockedSpec | None = None) -> Report:
    """One spec, judged. `locked`: what the lock has of it; of another model the report says what became of it."""
    return check_and_inspect(job, locked, inspect=False)[0]


def check_and_inspect(
    job: Job, locked: LockedSpec | None = None, inspect: bool = True
) -> tuple[Report, Exhibit | None, list[str]]:
    """The report, what a page shows of the first seed's circuit, where there is one, and notes for the reader."""
    from circuitlang.checking.assemble_report import assemble_report
    from circuitlang.checking.frozen import drifted, put_given, same_model
    from circuitlang.checking.inspection.make import exhibit_or_why
    from circuitlang.circuit.find import one_thread

    bench = Bench.of(job, measure=True)
    with one_thread():
        judged = judge(job, bench, put_given(job, bench))
        report = assemble_report(job, bench, judged)
        if locked is not None and not same_model(locked, bench.checkpoint.digest):
            report = drifted(report, job, bench, locked)
        report = report.model_copy(update={"warnings": shortcuts_of(job.spec, job.root)})
        if not inspect or not judged.circuits:
            return report, None, []
        bench.clock.told("page", 0.0)
        hashes = report.provenance.hashes
        first = judged.circuits[0]
        shown, why = exhibit_or_why(job.spec, bench.finder, first, hashes, report.per_seed[0].roles)
        return report, shown, [why] if why else []


def judge(job: Job, bench: Bench, given: Found | None = None) -> stages.Judged:
    """Competence first: nothing is pruned where the model is not competent, or where nobody can tell. Then every seed's
    circuit, its roles and claims, the nulls, and the battery. `given`: the circuit, of which then only the nulls' are
    searched for."""
    able, goes_on = stages.judge_model(job, bench)
    if not goes_on:
        return stages.Judged(able)
    nulls = stages.nulls_of(job, bench)
    circuits, of_nulls = stages.search(job, bench, nulls, given)
    bindings, verdicts = stages.judge_circuits(job, bench, circuits)
    if any(found.pruned.stopped is not None for found in circuits):
        return stages.Judged(able, circuits, bindings, verdicts)  # no circuit: nothing to hold against a null
    controls, verdicts = stages.run_controls(job, bench, circuits[0], verdicts, nulls, of_nulls)
    checks = stages.examine(job, bench, circuits)
    return stages.Judged(able, circuits, bindings, verdicts, controls, checks)


def check_locked(job: Job, locked: LockedSpec) -> Report:
    """`check --frozen`: the circuit in a `usable_lock`, judged without a search. Controls and battery are as the lock
    has them."""
    from circuitlang.checking.assemble_report import assemble_report
    from circuitlang.checking.frozen import frozen_report, judge_locked, require_sizes
    from circuitlang.circuit.find import one_thread

    job = replace(job, options=replace(job.options, seed=locked.report.provenance.seed))
    bench = Bench.of(job, measure=True)
    require_sizes(job.spec, locked, bench.meter)
    with one_thread():
        judged = judge_locked(job, bench, locked)
        return frozen_report(assemble_report(job, bench, judged), locked, job.options)


def usable_lock(job: Job) -> LockedSpec:
    """What the lock beside the spec's file has of it; UnusableLock where something else went in."""
    from circuitlang.checking.frozen import require_inputs

    spec, options, locked = job.spec, job.options, locked_spec(job.path, job.spec.name)
    seed = locked.report.provenance.seed
    if options.seed not in (0, seed):
        raise UnusableLock(f"the lock of spec `{spec.name}` was made with --seed {seed}, not {options.seed}")
    digest = digest_of(model_folder(spec, job.root))
    require_inputs(spec, locked, digest, seed, options.model is not None)
    return locked


def update_locks(done: Sequence[Done]) -> list[str]:
    """`check --update-lock`: writes the lock of every file, with all its specs. Lines that say so."""
    lines: list[str] = []
    for path in dict.fromkeys(each.job.path for each in done):
        lines += update_lock(path, [(each.job.spec, each.report) for each in done if each.job.path == path])
    return lines


def check_file(
    path: Path | str, name: str | None = None, options: Options | None = None, inspect: bool = False
) -> Report:
    """From Python: the report of one spec of a file, `name` where there are several. Writes no files but the cache's.
    `inspect`: the report shows in a notebook what a page shows, too.

    Raises ProgramError with every mistake of the file, or CommandError.
    """
    report, shown, _ = check_and_inspect(_job(Path(path), name, options or Options()), inspect=inspect)
    return report.with_exhibit(shown)


def check_frozen(path: Path | str, name: str | None = None, options: Options | None = None) -> Report:
    """From Python: `check --frozen` of one spec of a file, `name` where there are several. Writes no files.

    Raises ProgramError with every mistake of the file, or CommandError: there is no lock, it was edited, or it is of
    something else.
    """
    from circuitlang.circuit.parallel import cores

    job = _job(Path(path), name, options or Options(jobs=cores()))
    return check_locked(job, usable_lock(job))


def _job(path: Path, name: str | None, options: Options) -> Job:
    program = check_text([path], measure=True, model=options.model)[0][0]
    return Job.of(program, choose(program.specs, name, "spec", path), options)


def _distrust(options: Options) -> list[str]:
    said = "" if options.fresh else distrusted(options.cache or default_folder())
    return [said] if said else []
