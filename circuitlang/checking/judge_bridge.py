"""A bridge's claims, top to bottom: the dense model's competence, the sparse one's circuit, claims, controls.

As run.py does it for a spec, over two models; each line is one arrow.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from circuitlang.checking import stages
from circuitlang.checking.bench import Bench, choose_device
from circuitlang.checking.job import Job
from circuitlang.language.files import programs
from circuitlang.language.program.bridge import Bridge
from circuitlang.language.program.load import load
from circuitlang.language.program.spec import Spec
from circuitlang.model.locate import TRAINED, locate
from circuitlang.storage.cache import code_digest, key_of

if TYPE_CHECKING:
    from circuitlang.claims.bridge_claims import BridgeAssessor, BridgeMeter, Pair, Steer
    from circuitlang.claims.verdict import Verdict
    from circuitlang.language.program.task import Task
    from circuitlang.report.report import Report


def home_of(bridge: Bridge, root: Path) -> Path:
    """Where a project's bridge lies."""
    return root / TRAINED / bridge.name


def load_pair(bridge: Bridge, job: Job, bench: Bench) -> Pair:
    """Both models and the bridges between them. CommandError where one is not there, or they do not fit."""
    from circuitlang.claims.bridge_claims import OWN, SHUFFLED, UNTRAINED, Pair
    from circuitlang.model import bridge_maps as maps
    from circuitlang.model.checkpoint import load as load_model
    from circuitlang.model.training.train_bridge import untrained

    device, sparse = choose_device(job.options.device), bench.checkpoint
    dense = load_model(locate(bridge.dense, job.root, bridge.dense_recipe is not None), bridge.dense, device)
    maps.require_fit(dense, sparse)
    joins, widths = (dense.digest, sparse.digest), (dense.model.config.width, sparse.model.config.width)
    home = home_of(bridge, job.root)
    found, reference = maps.load_bridge(home / maps.BRIDGE, joins, widths)
    shuffled, _ = maps.load_bridge(home / maps.SHUFFLED, joins, widths)
    reference = reference.to(device)
    first = untrained(bridge, maps.Joined(dense.model, sparse.model), reference).requires_grad_(False)
    bridges = {OWN: found.to(device), SHUFFLED: shuffled.to(device), UNTRAINED: first}
    return Pair(dense, sparse, bridges, reference)


def check_bridge(job: Job) -> tuple[Report, dict[str, str | bytes]]:
    """The report of a bridge's claims, and files beside it: the dose response as a picture.

    What is measured on prompts is the dense model's; the circuit, whose roles steer, is the sparse model's."""
    from circuitlang.checking.assemble_report import assemble_report
    from circuitlang.circuit.find import one_thread
    from circuitlang.report.dose import dose_plot

    assert job.bridge is not None
    bridge, bench = job.bridge, Bench.of(job, measure=True)
    with one_thread():
        pair = load_pair(bridge, job, bench)
        meter = _meter(job, bench, pair)
        judged, drawn = _judge(job, bench, meter)
        report = assemble_report(job, bench, judged)
    hashes = {**report.provenance.hashes, "dense": pair.dense.digest, "bridge": _digest(bridge, job.root)}
    report = report.model_copy(
        update={
            "task": report.task.model_copy(update={"model": bridge.dense}),
            "provenance": report.provenance.model_copy(update={"hashes": dict(sorted(hashes.items()))}),
        }
    )
    return report, {"dose.svg": dose_plot(bridge.name, drawn)} if drawn else {}


def _digest(bridge: Bridge, root: Path) -> str:
    from circuitlang.model.bridge_maps import BRIDGE, SHUFFLED

    return key_of(*((home_of(bridge, root) / name).read_bytes().hex() for name in (BRIDGE, SHUFFLED)))


def _meter(job: Job, bench: Bench, pair: Pair) -> BridgeMeter:
    """What measures the dense model, by itself and with the bridge."""
    from circuitlang.circuit.ablation import Ablation
    from circuitlang.claims.bridge_claims import BridgeMeter

    assert job.bridge is not None
    code = code_digest("circuitlang.claims.bridge_claims")
    key = key_of("bridge", code, bench.finder.key, pair.dense.digest, _digest(job.bridge, job.root))
    generator, workers = bench.finder.generator, bench.meter.workers
    return BridgeMeter(
        pair.dense, generator, Ablation({}), bench.finder.cache, key, workers=workers, pair=pair
    )


def _judge(
    job: Job, bench: Bench, meter: BridgeMeter
) -> tuple[stages.Judged, dict[str, dict[str, list[tuple[float, float]]]]]:
    """What became of the claims; and by the node that steers, the dose response's curves."""
    from circuitlang.claims.assess import Assessor, competence, verdict_of_competence
    from circuitlang.claims.bridge_claims import BridgeAssessor
    from circuitlang.claims.bridge_nulls import curves, dose_response, quality, run_nulls, selectivity
    from circuitlang.claims.nulls import voided
    from circuitlang.claims.verdict import Outcome

    spec, clock = job.spec, bench.clock
    able = competence(meter, spec.verdict, spec.span)
    clock.lap("competence")
    if verdict_of_competence(able) not in (Outcome.PASS, Outcome.UNDECIDED):
        return stages.Judged(able), {}
    (found,), _ = stages.search(job, bench)
    plain = Assessor(bench.meter, found.graph, spec.verdict, found.seed, spec.circuit)
    right = found.pruned.stopped is None and found.pruned.reached
    match = plain.match if right else None
    assessor = BridgeAssessor(meter, found.graph, spec.verdict, found.seed, spec.circuit, found=match)
    verdicts: list[Verdict] = [v for v in (plain.judge_hypothesis() if right else None,) if v is not None]
    verdicts += [assessor.judge(claim) for claim in spec.claims]
    clock.lap("judge")
    controls = []
    if job.options.controls:
        passed = {verdict.name for verdict in verdicts if verdict.outcome is Outcome.PASS}
        controls = run_nulls(assessor, [claim for claim in spec.claims if claim.name in passed])
        verdicts = voided(verdicts, controls)
        clock.lap("controls")
    checks, drawn, alpha = [], {}, 1 - spec.verdict.confidence
    if job.options.battery:
        checks.append(quality(meter.pair, alpha))  # pyright: ignore[reportArgumentType]
        for steer in _strongest(assessor, spec):
            dose = dose_response(meter, steer, spec.verdict.samples[0], alpha)
            drawn[str(steer.node)] = dict(curves(dose))
            checks += [dose, selectivity(meter, steer, tuple(_tasks(job.root, spec)), alpha)]
        clock.lap("battery")
    binding = match.binding if match else None
    return stages.Judged(able, [found], [binding], verdicts, controls, checks), drawn


def _strongest(assessor: BridgeAssessor, spec: Spec) -> Iterable[Steer]:
    """Of every node that a claim steers by, its largest strength."""
    from circuitlang.claims.bridge_nulls import steers_of
    from circuitlang.source.diagnostic import Unmeasurable

    found = {}
    for claim in spec.claims:
        try:
            steers = steers_of(assessor, claim)
            for steer in steers:
                assessor.pair.direction(steer.node, steer.direction)
        except Unmeasurable:  # the claim's verdict says why
            continue
        for steer in steers:
            place = steer.node, steer.to
            if place not in found or found[place].strength < steer.strength:
                found[place] = steer
    return found.values()


def _tasks(root: Path, spec: Spec) -> Iterable[Task]:
    """Of the project's folder tasks/, all but the spec's."""
    paths = programs([root / "tasks"]) if (root / "tasks").is_dir() else ()
    found = {task.text: task for path in paths for task in load(path).tasks.values()}
    return [task for text, task in found.items() if text != spec.task.text]
