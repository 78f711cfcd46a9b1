"""Everything that was found out about a spec -> its report."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from shlex import quote

import torch

from circuitlang import __version__
from circuitlang.checking.bench import Bench
from circuitlang.checking.constant_nodes import constant_nodes
from circuitlang.checking.job import Job, Options
from circuitlang.checking.stages import Judged
from circuitlang.checking.status import hashes
from circuitlang.circuit.find import Found
from circuitlang.circuit.match import Binding
from circuitlang.claims.assess import verdict_of_competence
from circuitlang.claims.measure import UNTOUCHED, Meter, Setting
from circuitlang.claims.verdict import HYPOTHESIS, Outcome, held
from circuitlang.language.program.spec import Spec
from circuitlang.model.hardware import in_use
from circuitlang.report.battery import BatteryResult, ControlResult
from circuitlang.report.hypothesis import HypothesisResult
from circuitlang.report.report import Report
from circuitlang.report.results import (
    CircuitResult,
    ClaimResult,
    Provenance,
    SeedCircuit,
    TaskResult,
    overall_outcome,
)
from circuitlang.storage.cache import code_digest, key_of

LIBRARIES = ("torch", "numpy", "scipy", "tokenizers", "safetensors", "lark")


def assemble_report(job: Job, bench: Bench, judged: Judged) -> Report:
    """The report of what was found out."""
    spec, meter = job.spec, bench.meter
    able, circuits = judged.able, judged.circuits
    competent = verdict_of_competence(able)
    note = ""
    if competent is Outcome.FAIL:
        note = "not competent: " + "; ".join(
            f"{v.name} {v.interval.value:.4g}, needed {v.relation} {v.bound:g}"
            for v in able.values()
            if v.outcome is Outcome.FAIL and v.interval is not None
        )
        note += _by_case(job, meter, min(spec.verdict.samples[0], 512))
    elif competent is Outcome.NOT_MEASURED:
        note = "whether the model is competent cannot be measured: " + "; ".join(
            f"{v.name}: {v.note}" for v in able.values() if v.outcome is Outcome.NOT_MEASURED
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
    claims = claim_results(spec, meter, judged)
    tried = tuple(map(BatteryResult.of, judged.checks))
    circuit = None
    if circuits:
        pairs = zip(circuits, judged.bindings, strict=True)
        per_seed = [seed_circuit(found, binding, bench, spec) for found, binding in pairs]
        total = meter.checkpoint.model.config.total_nodes
        circuit = CircuitResult.of(per_seed, total, spec.prune.loss, meter.partners())
    nulls = tuple(ControlResult.of(control) for control in judged.controls)
    return Report(
        spec=spec.name,
        doc=spec.doc,
        verdict=overall_outcome(task, claims, tried, nulls),
        ablation=spec.prune.ablate,
        note=note,
        confidence=spec.verdict.confidence,
        task=task,
        circuit=circuit,
        hypothesis=None if spec.circuit is None else HypothesisResult.of(spec.circuit),
        claims=claims,
        controls=nulls,
        battery=tried,
        provenance=Provenance(**provenance(spec, meter, job.options)),  # pyright: ignore[reportArgumentType]
        seconds=dict(bench.clock.seconds),
        cached=bool(circuits) and all(found.cached for found in circuits),
    )


def _by_case(job: Job, meter: Meter, datapoints: int) -> str:
    """How often each case is right, and the command that says what is predicted instead."""
    right = (meter.table(UNTOUCHED, "choice", datapoints) == 0).mean(0, dtype="float64")
    task = job.spec.task
    cases = ", ".join(f"{case.name} {share:.0%}" for case, share in zip(task.cases, right, strict=True))
    model = job.options.model or job.spec.model
    command = f"circuitlang predict {quote(model)} {task.name} --task {quote(task.span.source.name)}"
    return f"; right by case: {cases}; what it predicts: {command}"


def claim_results(spec: Spec, meter: Meter, judged: Judged) -> tuple[ClaimResult, ...]:
    """Every claim over its seeds, in the order of the spec, that on roles and arrows first."""
    documents = {claim.name for claim in spec.claims if claim.left.over_text}  # one of these is one datapoint
    return tuple(
        ClaimResult.over_seeds(
            [v for v in judged.verdicts if v.name == name],
            1 if name in documents else meter.cases,
            held(name, judged.controls),
            informational=[c.name for c in judged.controls if not c.voids and name in c.reaches],
        )
        for name in (HYPOTHESIS, *(claim.name for claim in spec.claims))
        if any(v.name == name for v in judged.verdicts)
    )


def seed_circuit(found: Found, binding: Binding | None, bench: Bench, spec: Spec) -> SeedCircuit:
    """One seed's circuit with its losses on the first look's datapoints of `test`."""

    meter, looked = bench.meter, spec.verdict.samples[0]
    nodes = found.pruned.nodes
    constant = constant_nodes(bench.finder, nodes, meter.ablation) if nodes else ()
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
        mass_test=float(meter.table(Setting.keep(nodes), "mass", looked).mean(dtype="float64")),
        constant=tuple(map(str, constant)),
        graph=found.graph,
        roles={role: tuple(map(str, binding.nodes(role))) for role in binding.parts} if binding else {},
    )


def provenance(spec: Spec, meter: Meter, options: Options) -> dict[str, object]:
    """What is needed to make the report again."""
    given = {} if options.circuit is None else {"circuit": key_of(options.circuit.to_json())}
    return {
        "command": options.command,
        "versions": {
            "circuitlang": __version__,
            "python": platform.python_version(),
            "kernels": in_use(),
            **{name: _version(name) for name in LIBRARIES},
        },
        "hashes": {**hashes(spec, meter.checkpoint.digest), "code": code_digest(), **given},
        "seed": options.seed,
        "device": str(meter.checkpoint.model.embed.device),
        "threads": max(meter.workers, torch.get_num_threads()),
    }


def _version(name: str) -> str:
    """Of a library; a report that took minutes does not fail where the library was copied here without its metadata."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
