"""From a spec to its report: each line is one arrow. To learn what an arrow does, open the file it names.

What needs torch is imported inside the functions, so that whatever imports this file still starts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from circuitlang.checking.bench import choose_device, prepare
from circuitlang.checking.job import Options
from circuitlang.checking.judge import judge
from circuitlang.checking.lock import locked_spec, look_at_lock, update_lock
from circuitlang.checking.static import check_text
from circuitlang.language.files import choose
from circuitlang.language.program.load import project_root
from circuitlang.language.program.program import Program
from circuitlang.language.program.spec import Spec
from circuitlang.model.kernels import remarks
from circuitlang.model.locate import digest_of, model_folder
from circuitlang.source.diagnostic import CommandError
from circuitlang.source.progress import Clock
from circuitlang.storage.atomic import alone_in, require_writable
from circuitlang.storage.cache import default_folder, distrusted

if TYPE_CHECKING:
    from circuitlang.report.exhibit import Exhibit
    from circuitlang.report.lock import LockedSpec
    from circuitlang.report.report import Report


def check(spec: Spec, root: Path, options: Options, locked: LockedSpec | None = None) -> Report:
    """`check`: one spec, judged. Nothing is pruned where the model is not competent, or where nobody can tell.
    `locked`: what the lock has of it; where that is of another model the report says what became of it."""
    return check_and_exhibit(spec, root, options, locked, show=False)[0]


def check_and_exhibit(
    spec: Spec, root: Path, options: Options, locked: LockedSpec | None = None, show: bool = True
) -> tuple[Report, Exhibit | None, list[str]]:
    """One spec judged, what a page shows of its first seed's circuit, where there is one, and notes for the reader."""
    from circuitlang.checking.assemble_report import write_up
    from circuitlang.checking.frozen import drifted, same_model
    from circuitlang.checking.inspection.make import exhibit_or_why
    from circuitlang.circuit.find import one_thread

    clock = Clock(options.told)
    finder, meter = prepare(spec, root, options, measure=True)
    clock.lap("load")
    with one_thread():
        judged = judge(spec, finder, meter, options, clock)
        report = write_up(spec, meter, judged, options, clock.seconds)
        if locked is not None and not same_model(locked, meter.checkpoint.digest):
            report = drifted(report, spec, finder, meter, locked, clock)
        if not show or not judged.circuits:
            return report, None, []
        clock.told("page", 0.0)
        shown, why = exhibit_or_why(spec, finder, judged.circuits[0], report.provenance.hashes)
        return report, shown, [why] if why else []


def frozen(spec: Spec, path: Path, options: Options) -> Report:
    """`check --frozen`: the circuit in the lock beside the spec's file, judged without a search. Controls and battery
    are as the lock has them. CommandError where something else went into the lock than would go into this."""
    from circuitlang.checking.assemble_report import write_up
    from circuitlang.checking.frozen import frozen_report, judge_locked, require_inputs, require_sizes
    from circuitlang.circuit.find import one_thread

    root, locked = project_root(path), locked_spec(path, spec.name)
    seed = locked.report.provenance.seed
    if options.seed not in (0, seed):
        raise CommandError(f"the lock of spec `{spec.name}` was made with --seed {seed}, not {options.seed}")
    options = replace(options, seed=seed)
    digest = digest_of(model_folder(spec, root))
    require_inputs(spec, locked, digest, seed, options.model is not None)
    clock = Clock(options.told)
    finder, meter = prepare(spec, root, options, measure=True)
    require_sizes(spec, locked, meter)
    clock.lap("load")
    with one_thread():
        judged = judge_locked(spec, finder, meter, locked, clock)
        return frozen_report(write_up(spec, meter, judged, options, clock.seconds), locked, options)


def check_frozen(path: Path | str, name: str | None = None, options: Options | None = None) -> Report:
    """From Python: `check --frozen` of one spec of a file, `name` where there are several. Writes no files.

    Raises ProgramError with every mistake of the file, or CommandError: there is no lock, it was edited, or it is of
    something else.
    """
    from circuitlang.circuit.parallel import cores

    options = options or Options(jobs=cores())
    programs, _ = check_text([Path(path)], measure=True, model=options.model)
    return frozen(choose(programs[0].specs, name, "spec", Path(path)), Path(path), options)


def check_and_write(
    spec: Spec,
    program: Program,
    folder: Path,
    options: Options,
    lock: Literal["look", "freeze", "renew"] = "look",
) -> tuple[Report, list[str]]:
    """One spec judged, and its files written into the folder, all of them or none. Also notes for the reader. `lock`:
    what becomes of the one beside the spec's file: it is looked at, judged by, or about to be replaced."""
    from circuitlang.report.files import contents, write_files

    path = Path(program.source.name)
    choose_device(options.device)  # before anything is made on disk
    require_writable(folder)
    with alone_in(folder):
        if lock == "freeze":
            report, shown, said = frozen(spec, path, options), None, []
        else:
            locked, said = look_at_lock(spec, path) if lock == "look" else (None, [])
            report, shown, why = check_and_exhibit(spec, project_root(path), options, locked)
            said = [*why, *said]
        files, notes = contents(report, shown, str(path))
        write_files(folder, files)
    return report, [f"files in {folder}", *notes, *said, *remarks(), *_distrust(options)]


def _distrust(options: Options) -> list[str]:
    said = "" if options.fresh else distrusted(options.cache or default_folder())
    return [said] if said else []


def require_lock_writable(found: Sequence[Program]) -> None:
    """Raises CommandError where the lock of one of the files could not be written."""
    for program in found:
        require_writable(Path(program.source.name).parent)


def update_locks(found: Sequence[tuple[Spec, Program, Report]]) -> list[str]:
    """`check --update-lock`: writes the lock of every file, with all its specs. Lines that say so."""
    lines: list[str] = []
    for program in dict.fromkeys(program.source.name for _, program, _ in found):
        own = [(spec, report) for spec, its, report in found if its.source.name == program]
        lines += update_lock(Path(program), own)
    return lines


def check_file(path: Path | str, name: str | None = None, options: Options | None = None) -> Report:
    """From Python: the report of one spec of a file, `name` where there are several. Writes no files but the cache's.
    Takes minutes, or seconds where it ran before; `Options(controls=False, battery=False)` looks at the claims alone.

    Raises ProgramError with every mistake of the file, or CommandError.
    """
    options = options or Options()
    programs, _ = check_text([Path(path)], measure=True, model=options.model)
    spec = choose(programs[0].specs, name, "spec", Path(path))
    return check(spec, project_root(Path(path)), options)
