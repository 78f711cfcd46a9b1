"""From a spec to its report: each line is one arrow. To learn what an arrow does, open the file it names.

What needs torch is imported inside the functions, so that whatever imports this file still starts at once.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from circuitlang.authoring import Shown, check_text, choose, show_light
from circuitlang.cache import Cache, code_digest, default_folder, key_of
from circuitlang.model.locate import locate
from circuitlang.program.load import load, project_root
from circuitlang.program.program import Program
from circuitlang.program.spec import Spec
from circuitlang.source import CommandError
from circuitlang.storage import require_writable

if TYPE_CHECKING:
    import torch

    from circuitlang.circuit.find import Finder, Found
    from circuitlang.circuit.match import Binding
    from circuitlang.claims.control import Control
    from circuitlang.claims.measure import Meter
    from circuitlang.claims.verdict import Verdict
    from circuitlang.report.report import Report, SeedCircuit

LIBRARIES = ("torch", "numpy", "scipy", "tokenizers", "safetensors", "lark")
Told = Callable[[str, float], None]


def quiet(_stage: str, _share: float) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Options:
    """How a check runs. `cache` None: the user's cache folder; `fresh`: use none. `told(stage, share done)`.
    `controls`: whether the nulls are run, without which no claim can be void. `jobs`: how many searches run at a time,
    each in a process of its own; more than 1 only from a main module that can be imported without doing anything."""

    device: str = "auto"
    seed: int = 0
    fresh: bool = False
    budget: int | None = None
    cache: Path | None = None
    command: tuple[str, ...] = ()
    controls: bool = True
    jobs: int = 1
    told: Told = field(default=quiet, compare=False)


def check(spec: Spec, root: Path, options: Options) -> Report:
    """`check`: one spec, judged. Nothing is pruned where the model is not competent."""
    from circuitlang.claims.assess import Assessor, competence, verdict_of_competence
    from circuitlang.claims.controls import voided
    from circuitlang.claims.judge import not_measured
    from circuitlang.claims.verdict import Outcome

    clock = Clock(options.told)
    finder, meter = prepare(spec, root, options)
    clock.lap("load")
    able = competence(meter, spec.verdict, spec.span)
    clock.lap("competence")
    circuits: list[Found] = []
    verdicts: list[Verdict] = []
    bindings: list[Binding | None] = []
    if verdict_of_competence(able) is not Outcome.FAIL:
        circuits = search(spec, finder, options, clock)
        clock.lap("prune")
        for number, found in enumerate(circuits):
            if found.pruned.stopped is not None:  # no circuit: none of its counts or losses may pass for one
                why = f"there is no circuit: the search {found.pruned.stopped}"
                verdicts += [not_measured(claim, why, found.seed) for claim in spec.claims]
                bindings.append(None)
                continue
            assessor = Assessor(meter, found.graph, spec.verdict, found.seed, spec.circuit)
            fits = assessor.judge_hypothesis()
            verdicts += [fits] if fits else []
            bindings.append(assessor.match.binding if assessor.match else None)
            for claim in spec.claims:
                clock.within("judge", number, spec)(f"claim {claim.name}", 0.0)
                verdicts.append(assessor.explained(claim, assessor.judge(claim)))
        clock.lap("judge")
    controls: list[Control] = []
    if circuits and options.controls and circuits[0].pruned.stopped is None:
        controls = run_controls(spec, finder, meter, circuits[0], verdicts, clock)
        verdicts = voided(verdicts, controls)
        clock.lap("controls")
    return write_up(spec, meter, able, circuits, bindings, verdicts, controls, options, clock.seconds)


def run_controls(
    spec: Spec, finder: Finder, meter: Meter, found: Found, verdicts: Sequence[Verdict], clock: Clock
) -> list[Control]:
    """Every null, against the first seed's circuit and the claims that pass."""
    from circuitlang.claims.controls import NULLS, Controls
    from circuitlang.claims.verdict import Outcome

    passed = {v.name for v in verdicts} - {v.name for v in verdicts if v.outcome is not Outcome.PASS}
    controls = Controls(finder, meter, spec, found, [claim for claim in spec.claims if claim.name in passed])
    done = []
    for number, null in enumerate(NULLS):

        def told(step: str, share: float, name: str = null.name, number: int = number) -> None:
            clock.told(f"controls: {name}, {step}", (number + share) / (len(NULLS) + 1))

        done.append(controls.run(null, told))
    clock.told("controls: random circuits", len(NULLS) / (len(NULLS) + 1))
    return [*done, controls.run_random()]


def check_and_write(spec: Spec, program: Program, folder: Path, options: Options) -> tuple[Report, list[str]]:
    """One spec judged, and its files written into the folder, each whole or not at all. Also notes for the reader."""
    from circuitlang.report.files import contents, write_files

    choose_device(options.device)  # before anything is made on disk
    require_writable(folder)
    report = check(spec, project_root(Path(program.source.name)), options)
    files, notes = contents(report)
    write_files(folder, files)
    return report, [f"files in {folder}", *notes]


def check_file(path: Path | str, name: str | None = None, options: Options | None = None) -> Report:
    """From Python: the report of one spec of a file, `name` where there are several. Writes no files.

    Raises ProgramError with every mistake of the file, or CommandError.
    """
    programs, _ = check_text([Path(path)], measure=True)
    spec = choose(programs[0].specs, name, "spec", Path(path))
    return check(spec, project_root(Path(path)), options or Options())


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
    lines = [
        f"seed {c.seed}: {c.graph.node_count} nodes, {c.graph.edge_count} edges, loss {c.pruned.loss:.4f} on select"
        + ("" if c.pruned.reached else f", above the target of {spec.prune.loss:g}")
        + (f"; {c.pruned.stopped}" if c.pruned.stopped else "")
        for c in circuits
    ]
    return [*lines, f"files in {folder}", *([drawn.note] if drawn.data is None else [])]


def prune(spec: Spec, root: Path, options: Options) -> list[Found]:
    """`prune`: the circuits only, one per seed."""
    finder, _ = prepare(spec, root, options)
    return search(spec, finder, options, Clock(options.told))


def search(spec: Spec, finder: Finder, options: Options, clock: Clock) -> list[Found]:
    """One circuit per seed."""
    from circuitlang.circuit.parallel import Search, find_all

    searches = [Search(finder, spec.prune, seed, options.budget) for seed in spec.prune.seeds]
    tellers = [clock.within("prune", number, spec) for number in range(len(searches))]
    return find_all(searches, options.jobs, lambda number, step, share: tellers[number](step, share))


def show(stage: str, path: Path, name: str | None, seed: int) -> Shown:
    """`show`: the value of any stage of a file."""
    if stage != "graph":
        return show_light(stage, path, name, seed)
    from circuitlang.report.listing import graph_lines

    spec = choose(load(path).specs, name, "spec", path)
    graph = prune(spec, project_root(path), Options(seed=seed))[0].graph
    return Shown(lambda: graph_lines(graph), graph.to_data)


def prepare(spec: Spec, root: Path, options: Options) -> tuple[Finder, Meter]:
    """What finds circuits and what measures them, for one spec."""
    import torch

    from circuitlang.circuit.find import Finder
    from circuitlang.claims.measure import Meter
    from circuitlang.model.checkpoint import load as load_model
    from circuitlang.prompts.generate import Generator

    device = choose_device(options.device)
    checkpoint = load_model(locate(spec.model, root, spec.recipe is not None), spec.model, device)
    generator = Generator(spec.task, options.seed)
    cache = Cache(None if options.fresh else options.cache or default_folder())
    key = key_of(
        checkpoint.digest, spec.task.text, options.seed, code_digest(), torch.__version__, device.type
    )
    finder = Finder(checkpoint, generator, cache, key)
    mean = finder.mean(spec.prune)
    return finder, Meter(checkpoint, generator, mean, cache, key_of(key, spec.prune.ablate))


def choose_device(name: str) -> torch.device:
    """`auto`: a GPU where there is one. CommandError for a device that is not there."""
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there.get(name, False):
        raise CommandError(
            f"there is no device `{name}` here; there are: {', '.join(k for k in there if there[k])}"
        )
    return torch.device(name)


def write_up(
    spec: Spec,
    meter: Meter,
    able: Mapping[str, Verdict],
    circuits: Sequence[Found],
    bindings: Sequence[Binding | None],
    verdicts: Sequence[Verdict],
    controls: Sequence[Control],
    options: Options,
    seconds: Mapping[str, float],
) -> Report:
    """Everything that was found out, as a report."""
    from circuitlang.claims.assess import verdict_of_competence
    from circuitlang.claims.control import held
    from circuitlang.claims.judge import HYPOTHESIS
    from circuitlang.claims.verdict import Outcome
    from circuitlang.report.control import ControlResult
    from circuitlang.report.report import (
        CircuitResult,
        ClaimResult,
        Provenance,
        Report,
        TaskResult,
        overall_outcome,
    )

    competent = verdict_of_competence(able)
    note = (
        ""
        if competent is not Outcome.FAIL
        else "not competent: "
        + "; ".join(
            f"{v.name} {v.interval.value:.4g}, needed {v.relation} {v.bound:g}"
            for v in able.values()
            if v.outcome is Outcome.FAIL and v.interval is not None
        )
    )
    datapoints = max((v.interval.datapoints for v in able.values() if v.interval), default=0)
    task = TaskResult.of(
        spec.task.name,
        spec.model,
        competent,
        datapoints * meter.cases,
        {name: v.interval for name, v in able.items() if v.interval is not None},
        note,
    )
    claims = tuple(
        ClaimResult.over_seeds([v for v in verdicts if v.name == name], meter.cases, held(name, controls))
        for name in (HYPOTHESIS, *(claim.name for claim in spec.claims))
        if any(v.name == name for v in verdicts)
    )
    circuit = None
    if circuits:
        per_seed = [seed_circuit(*each, meter, spec) for each in zip(circuits, bindings, strict=True)]
        circuit = CircuitResult.of(per_seed, meter.checkpoint.model.config.total_nodes, spec.prune.loss)
    nulls = tuple(ControlResult.of(control, spec.verdict.strict) for control in controls)
    return Report(
        spec=spec.name,
        doc=spec.doc,
        verdict=overall_outcome(task, claims, controls=nulls),
        note=note,
        confidence=spec.verdict.confidence,
        task=task,
        circuit=circuit,
        claims=claims,
        controls=nulls,
        provenance=Provenance(**provenance(spec, meter, options)),  # pyright: ignore[reportArgumentType]
        seconds=dict(seconds),
        cached=bool(circuits) and all(found.cached for found in circuits),
    )


def seed_circuit(found: Found, binding: Binding | None, meter: Meter, spec: Spec) -> SeedCircuit:
    """One seed's circuit with its losses on the first look's datapoints of `test`."""
    from circuitlang.claims.measure import Setting
    from circuitlang.report.report import SeedCircuit

    looked = spec.verdict.samples[0]
    nodes = found.pruned.nodes
    return SeedCircuit(
        seed=found.seed,
        nodes=found.graph.node_count,
        edges=found.graph.edge_count,
        embedding_edges=sum(edge.kind == "embedding" for edge in found.graph.edges),
        unembedding_edges=sum(edge.kind == "unembedding" for edge in found.graph.edges),
        reached=found.pruned.reached,
        penalty=found.pruned.penalty,
        loss_select=found.pruned.loss,
        loss_test=float(meter.table(Setting.keep(nodes), "loss", looked).mean(dtype="float64")),
        loss_without=float(meter.table(Setting.drop(nodes), "loss", looked).mean(dtype="float64")),
        graph=found.graph,
        roles={role: tuple(map(str, binding.nodes(role))) for role in binding.parts} if binding else {},
    )


def provenance(spec: Spec, meter: Meter, options: Options) -> dict[str, object]:
    """What is needed to make the report again."""
    import torch

    return {
        "command": options.command,
        "versions": {
            "circuitlang": version("circuitlang"),
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
        "hashes": {
            "spec": key_of(spec.text),
            "task": key_of(spec.task.text),
            "model": meter.checkpoint.digest,
            "prune": key_of(repr(asdict(spec.prune))),
            "code": code_digest(),
        },
        "seed": options.seed,
        "device": str(meter.checkpoint.model.embed.device),
        "threads": torch.get_num_threads(),
    }


class Clock:
    """Wall-clock seconds of each stage, and what to tell whoever watches."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.seconds: dict[str, float] = {}
        self._last = monotonic()

    def lap(self, stage: str) -> None:
        now = monotonic()
        self.seconds[stage] = now - self._last
        self._last = now

    def within(self, stage: str, number: int, spec: Spec) -> Told:
        """Progress of one seed of several, as progress of the stage."""
        seeds = len(spec.prune.seeds)
        seed = spec.prune.seeds[number]

        def told(step: str, share: float) -> None:
            self.told(f"{stage}: seed {seed}, {step}", (number + share) / seeds)

        return told
