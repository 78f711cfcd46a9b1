"""From a spec to its report: each line is one arrow. To learn what an arrow does, open the file it names.

What needs torch is imported inside the functions, so that whatever imports this file still starts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Literal

from circuitlang.authoring import Shown, check_text, choose, show_light
from circuitlang.cache import Cache, code_digest, default_folder, distrusted, key_of
from circuitlang.judging import Clock, Options, judge, search
from circuitlang.kernels import in_use, remarks
from circuitlang.locks import UnusableLock, locked_spec, look_at_lock, update_lock
from circuitlang.model.locate import digest_of, model_folder
from circuitlang.model.memory import require_address_space
from circuitlang.program.load import load, project_root
from circuitlang.program.program import Program
from circuitlang.program.spec import Spec
from circuitlang.source import CommandError
from circuitlang.storage import alone_in, require_writable

if TYPE_CHECKING:
    import torch

    from circuitlang.circuit.find import Finder, Found
    from circuitlang.claims.forecast import Costs, Forecast
    from circuitlang.claims.measure import Meter
    from circuitlang.model.checkpoint import Checkpoint
    from circuitlang.program.task import Task
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
    from circuitlang.circuit.find import one_thread
    from circuitlang.exhibits.make import exhibit_or_why
    from circuitlang.frozen import drifted, put_in, require_nodes, same_model
    from circuitlang.write_up import write_up

    clock = Clock(options.told)
    finder, meter = prepare(spec, root, options, measure=True)
    clock.lap("load")
    given = None
    with one_thread():
        if options.circuit is not None:
            require_nodes(options.circuit, spec.model, meter.checkpoint.model.config)
            given = replace(put_in(spec, finder, meter, options.circuit, spec.prune.seeds[0]), cached=False)
        judged = judge(spec, finder, meter, options, clock, given)
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
    are as the lock has them. UnusableLock where something else went into the lock than would go into this."""
    from circuitlang.circuit.find import one_thread
    from circuitlang.frozen import frozen_report, judge_locked, require_sizes
    from circuitlang.write_up import write_up

    locked = usable_lock(spec, path, options)
    options = replace(options, seed=locked.report.provenance.seed)
    clock = Clock(options.told)
    finder, meter = prepare(spec, project_root(path), options, measure=True)
    require_sizes(spec, locked, meter)
    clock.lap("load")
    with one_thread():
        judged = judge_locked(spec, finder, meter, locked, clock)
        return frozen_report(write_up(spec, meter, judged, options, clock.seconds), locked, options)


def usable_lock(spec: Spec, path: Path, options: Options) -> LockedSpec:
    """What the lock beside the spec's file has of it; UnusableLock where something else went in."""
    from circuitlang.frozen import require_inputs

    locked = locked_spec(path, spec.name)
    seed = locked.report.provenance.seed
    if options.seed not in (0, seed):
        raise UnusableLock(f"the lock of spec `{spec.name}` was made with --seed {seed}, not {options.seed}")
    digest = digest_of(model_folder(spec, project_root(path)))
    require_inputs(spec, locked, digest, seed, options.model is not None)
    return locked


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
    if lock == "freeze":
        usable_lock(spec, path, options)
    require_writable(folder)
    with alone_in(folder):
        if lock == "freeze":
            report, shown, said = frozen(spec, path, options), None, []
        else:
            locked, said = look_at_lock(spec, path) if lock == "look" else (None, [])
            report, shown, why = check_and_exhibit(spec, project_root(path), options, locked)
            said = [*why, *said]
        if options.circuit is not None:
            said.append("the circuit was given; none was searched for")
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


def prune_and_write(path: Path, name: str | None, out: Path | None, options: Options) -> list[str]:
    """A spec's circuits found, and the first seed's drawn. Lines that say what was found and where the files are."""
    from circuitlang.report.diagram import dot
    from circuitlang.report.files import write_files
    from circuitlang.report.render import draw

    programs, _ = check_text([path])
    spec = choose(programs[0].specs, name, "spec", path)
    folder = out or Path("runs") / spec.name
    require_writable(folder)
    circuits = prune(spec, project_root(path), options)
    graph = circuits[0].graph
    source = dot(graph, spec.name)
    drawn = draw(source)
    files: dict[str, str | bytes] = {"circuit.json": graph.to_json(), "circuit.dot": source}
    if drawn.data is not None:
        files["circuit.svg"] = drawn.data
    write_files(folder, files)
    lines = [_found(circuit, spec.prune.loss, options.budget) for circuit in circuits]
    return [*lines, f"files in {folder}", *([drawn.note] if drawn.data is None else [])]


def _found(circuit: Found, target: float, budget: int | None) -> str:
    """A line on what a search found: its size, its loss, and what of these is not as it was asked for."""
    nodes, pruned = circuit.graph.node_count, circuit.pruned
    said = [
        f"seed {circuit.seed}: {nodes} nodes, {circuit.graph.edge_count} edges, loss {pruned.loss:.4f} on select"
    ]
    if budget is not None and nodes < budget:
        said.append(f"fewer than {budget}: the search ranks no more of them")
    if pruned.loss > target:
        said.append(f"above the target of {target:g}")
    elif not pruned.reached and budget is None:
        said.append(f"which may be above the target of {target:g}: it is within the error of the mean")
    if pruned.stopped:
        said.append(str(pruned.stopped))
    return "; ".join(said)


def prune(spec: Spec, root: Path, options: Options) -> list[Found]:
    """`prune`: the circuits only, one per seed."""
    finder, _ = prepare(spec, root, options)
    return search(spec, finder, (), options, Clock(options.told))[0]


def plan(path: Path, name: str | None, options: Options) -> list[Forecast]:
    """`plan --measure`: the same as authoring's, with the time of a pass and the spread of losses measured."""
    from circuitlang.claims.forecast import forecast

    specs = check_text([path])[0][0].specs
    chosen = [choose(specs, name, "spec", path)] if name is not None or not specs else list(specs.values())
    root = project_root(path)
    return [forecast(spec, options.controls, measure_costs(spec, root, options)) for spec in chosen]


def measure_costs(spec: Spec, root: Path, options: Options) -> Costs:
    """A pass of the untouched model over a few datapoints of `select`, after one that warms up."""
    from circuitlang.claims.forecast import Costs
    from circuitlang.claims.looks import SCREENED
    from circuitlang.claims.measure import Setting

    _, meter = prepare(spec, root, replace(options, fresh=True))
    setting = Setting(split="select")
    meter.table(setting, "loss", SCREENED)
    meter.prompts("select", (), 1)  # made beforehand: only the model is timed
    began = monotonic()
    meter.table(setting, "loss", 2 * SCREENED)
    seconds = monotonic() - began
    losses = meter.table(setting, "loss", 4 * SCREENED).mean(1, dtype="float64")
    return Costs(seconds / (SCREENED * meter.cases), float(losses.std()))


def show(stage: str, path: Path, name: str | None, seed: int) -> Shown:
    """`show`: the value of any stage of a file."""
    if stage != "graph":
        return show_light(stage, path, name, seed)
    from circuitlang.report.listing import graph_lines

    spec = choose(load(path).specs, name, "spec", path)
    graph = prune(spec, project_root(path), Options(seed=seed))[0].graph
    return Shown(lambda: graph_lines(graph), graph.to_data)


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
