"""A locked circuit put back into a model -> its claims judged again without any search, and held against the lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from circuitlang.checking.bench import Bench
from circuitlang.checking.job import Job, Options
from circuitlang.checking.stages import Judged, Known, judge_circuits, judge_model
from circuitlang.checking.status import UnusableLock, differing, hashes, misfits
from circuitlang.circuit.graph import WEIGHTS, CircuitGraph, jaccard
from circuitlang.claims.verdict import Outcome, void
from circuitlang.language.program.spec import Spec
from circuitlang.report import words
from circuitlang.report.compare import changed, compare, short
from circuitlang.report.drift import CircuitDrift, Drift, Shared
from circuitlang.report.lock import LockedSpec
from circuitlang.report.report import Report
from circuitlang.report.results import ClaimResult, overall_outcome
from circuitlang.source.diagnostic import CommandError

if TYPE_CHECKING:
    from circuitlang.circuit.find import Finder, Found
    from circuitlang.claims.measure import Meter
    from circuitlang.claims.verdict import Verdict
    from circuitlang.model.config import Config

HELD = "held"


def require_inputs(spec: Spec, locked: LockedSpec, model: str, seed: int, other_model: bool) -> None:
    """Raises UnusableLock, naming each, where something else went into the lock than would go into this check. `model`:
    the digest of the model's files; `other_model`: it is meant to be another."""
    found = differing(locked, hashes(spec, model), seed)
    wrong = [c for c in found if not (c.name == "model" and other_model)]
    if not wrong:
        return
    said = "; ".join(f"{c.name} was {short(c.old)} and is {short(c.new)}" for c in wrong)
    if locked.report.ablation not in ("", spec.prune.ablate):
        said = f"it was made under `ablate = {locked.report.ablation}`, not `{spec.prune.ablate}`; {said}"
    advice = "check without --frozen, and write a new lock with --update-lock"
    if [c.name for c in wrong] == ["model"]:
        advice += f"; or put the locked circuit into this model: --frozen --model {spec.model}"
    raise UnusableLock(
        f"the lock of spec `{spec.name}` is of something else than what is to be checked: {said}; {advice}"
    )


def require_sizes(spec: Spec, locked: LockedSpec, meter: Meter) -> None:
    """Raises UnusableLock where a locked node would be another thing, or nothing, in this model."""
    wrong = misfits(locked, meter.checkpoint.model.config)
    if wrong:
        raise UnusableLock(f"the locked circuit cannot be put into {spec.model}: {wrong}")


def judge_locked(job: Job, bench: Bench, locked: LockedSpec) -> Judged:
    """Competence, and the claims on every seed's locked circuit. What a control voided when the lock was made stays
    void, for that null is not run again."""
    able, goes_on = judge_model(job, bench)
    if not goes_on:
        return Judged(able)
    circuits = put_back(job.spec, bench.finder, bench.meter, locked)
    known = _known(locked) if same_model(locked, bench.checkpoint.digest) else {}
    bindings, verdicts = judge_circuits(job, bench, circuits, "locked circuit of ", known)
    return Judged(able, circuits, bindings, _voided(verdicts, locked.report.claims))


def put_back(spec: Spec, finder: Finder, meter: Meter, locked: LockedSpec) -> list[Found]:
    """Every seed's locked circuit in the model at hand. Of the lock's own model costs are the lock's: they take as long
    as all claims, and decide nothing."""
    same = same_model(locked, meter.checkpoint.digest)
    done: list[Found] = []
    for circuit in locked.report.per_seed:
        assert circuit.graph is not None, "a lock holds no circuit without its nodes"
        done.append(put_in(spec, finder, meter, circuit.graph, circuit.seed, circuit.penalty or 0.0, same))
    return done


def put_given(job: Job, bench: Bench) -> Found | None:
    """The job's given circuit in the model at hand, or None. CommandError where it is of another model."""
    given = job.options.circuit
    if given is None:
        return None
    require_nodes(given, job.spec.model, bench.checkpoint.model.config)
    found = put_in(job.spec, bench.finder, bench.meter, given, job.spec.prune.seeds[0])
    return replace(found, cached=False)


def put_in(
    spec: Spec,
    finder: Finder,
    meter: Meter,
    known: CircuitGraph,
    seed: int,
    penalty: float = 0.0,
    costs: bool = False,
) -> Found:
    """A circuit in the model at hand: the same nodes, with the losses, edges and costs that they have there. `costs`:
    those that are known are of this model, and so are the edges that are no weights."""
    import torch

    from circuitlang.circuit.extract import extract, weight_edges
    from circuitlang.circuit.find import SELECTED, Found
    from circuitlang.circuit.losses import mean_and_error, per_prompt_loss
    from circuitlang.circuit.prune import MARGIN, Pruned
    from circuitlang.model.score import PROMPTS_AT_ONCE

    model, nodes = finder.checkpoint.model, known.kept
    many = finder.prompts("select", 0, SELECTED)
    parts = meter.each(partial(per_prompt_loss, model, meter.ablation, nodes), many.parts(PROMPTS_AT_ONCE))
    loss, error = mean_and_error(torch.cat(parts), many.cases)
    if costs:
        others = tuple(edge for edge in known.edges if edge.kind not in WEIGHTS)
        weights = weight_edges(model, nodes, known.unneeded)
        graph = replace(known, edges=(*weights, *others))
    else:
        few = finder.shown(len(nodes))
        graph = extract(model, meter.ablation, nodes, few, finder.checkpoint.tokenizer)
    reached = loss + MARGIN * error <= spec.prune.loss
    return Found(
        seed, Pruned(nodes, loss, error, reached, penalty, ((len(nodes), loss),), nodes), graph, True
    )


def require_nodes(circuit: CircuitGraph, model: str, config: Config) -> None:
    """Raises CommandError, naming them, where nodes of a circuit are none of this model."""
    sites = set(config.sites())
    wrong = [n for n in circuit.kept if n.site not in sites or not 0 <= n.index < config.size(n.site)]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise CommandError(
            f"the circuit cannot be put into {model}, which has no {', '.join(map(str, wrong[:3]))}{more}"
        )
    if circuit.total_nodes != config.total_nodes:
        raise CommandError(
            f"the circuit is of a model with {circuit.total_nodes:,} nodes, and {model} has {config.total_nodes:,}"
        )


def _known(locked: LockedSpec) -> dict[int, dict[str, Known]]:
    """What the lock says of the claims, by seed."""
    return {
        circuit.seed: {
            claim.name: Known(each.hardest, each.verdict is Outcome.FAIL)
            for claim in locked.report.claims
            for each in claim.seeds
            if each.seed == circuit.seed
        }
        for circuit in locked.report.per_seed
    }


def same_model(locked: LockedSpec, digest: str) -> bool:
    return locked.report.provenance.hashes.get("model") == digest


def frozen_report(report: Report, locked: LockedSpec, options: Options) -> Report:
    """The report on the locked circuit, with what was not run again as the lock has it, and the drift. `report`: of
    `judge_locked`. The controls and the battery are about one model: of another, neither is shown."""
    old, new = locked.report, report.provenance
    same = same_model(locked, new.hashes["model"])
    carried = same and bool(report.claims)
    controls = tuple(
        each.model_copy(update={"locked": True})
        for each in (old.controls if carried and options.controls else ())
    )
    battery = tuple(
        each.model_copy(update={"locked": True})
        for each in (old.battery if carried and options.battery else ())
    )
    before = {claim.name: claim for claim in old.claims}
    claims = tuple(_as_locked(claim, before.get(claim.name), carried) for claim in report.claims)
    note = _other_edges(report, locked) if same else "the controls and the battery were not run on this model"
    return _with(
        report,
        claims=claims,
        controls=controls,
        battery=battery,
        warnings=old.warnings,
        verdict=overall_outcome(report.task, claims, battery, controls),
        drift=_drift(report, locked, [compare(old, report.task, claims, "locked", same)], True, note),
    )


def drifted(report: Report, job: Job, bench: Bench, locked: LockedSpec) -> Report:
    """The report of a whole check of another model than the lock's, with what became of the locked circuit in it."""
    from circuitlang.checking.assemble_report import claim_results

    fresh = compare(locked.report, report.task, report.claims, "fresh", False)
    wrong = misfits(locked, bench.checkpoint.model.config)
    if wrong:
        note = f"the locked circuit cannot be put into this model: {wrong}"
        return _with(report, drift=_drift(report, locked, [fresh], False, note))
    judged = judge_locked(job, bench, locked)
    claims = claim_results(job.spec, bench.meter, judged)
    tried = compare(locked.report, report.task, claims, "locked", False)
    return _with(report, drift=_drift(report, locked, [tried, fresh], False, ""))


def _drift(
    report: Report, locked: LockedSpec, circuits: Sequence[CircuitDrift], frozen: bool, note: str
) -> Drift:
    old, new = locked.report.provenance, report.provenance
    return Drift(
        frozen=frozen,
        same_model=same_model(locked, new.hashes["model"]),
        locked_verdict=locked.report.verdict,
        changed=(*differing(locked, new.hashes, new.seed), *changed(old.versions, new.versions)),
        circuits=tuple(circuits),
        overlap=() if frozen else tuple(_overlap(report, locked)),
        note=note,
    )


def _overlap(report: Report, locked: LockedSpec) -> list[Shared]:
    fresh = {each.seed: each.graph for each in report.per_seed}
    found = []
    for old in locked.report.per_seed:
        graph = fresh.get(old.seed)
        if old.graph is not None and graph is not None:
            nodes, edges = jaccard(old.graph, graph)
            found.append(Shared(seed=old.seed, nodes=nodes, edges=edges))
    return found


def _other_edges(report: Report, locked: LockedSpec) -> str:
    """What the circuit's edges say of the code: of one model they stay, unless they are read off in another way."""
    now = {each.seed: each.graph for each in report.per_seed}
    other = [
        str(old.seed)
        for old in locked.report.per_seed
        if old.graph is not None
        and (new := now.get(old.seed)) is not None
        and new.weights != old.graph.weights
    ]
    return f"the edges between the locked nodes are others now, of seed {', '.join(other)}" if other else ""


def _as_locked(claim: ClaimResult, before: ClaimResult | None, carried: bool) -> ClaimResult:
    """The claim with what the lock says of its controls, and of where it breaks if it failed then, too. A null that
    reached it counts in any model until it is run again."""
    if before is None:
        return claim
    changes: dict[str, object] = {}
    if before.control is not None and (carried or before.control != HELD):
        changes["control"] = f"{before.control}{words.LOCKED}"
    if carried and claim.counterexample is None and claim.verdict is before.verdict is Outcome.FAIL:
        changes["counterexample"] = before.counterexample
    return claim.model_copy(update=changes)


def _voided(verdicts: Sequence[Verdict], claims: Sequence[ClaimResult]) -> list[Verdict]:
    reached = {claim.name: claim.control for claim in claims if claim.control not in (None, HELD)}
    return [void(v, f"{reached[v.name]}, as locked,") if v.name in reached else v for v in verdicts]


def _with(report: Report, **changes: object) -> Report:
    """The report with other parts, checked like any report."""
    parts: Mapping[str, object] = {name: getattr(report, name) for name in Report.model_fields}
    return Report.model_validate({**parts, **changes})
