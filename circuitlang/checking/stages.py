"""A job and its bench -> what is found out, one function a stage: competence, circuits, claims, controls, battery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from circuitlang.checking.bench import Bench
from circuitlang.checking.job import Job
from circuitlang.language.program.hypothesis import Port
from circuitlang.language.program.spec import Claim, Spec
from circuitlang.source.progress import Told

if TYPE_CHECKING:
    from circuitlang.circuit.find import Found
    from circuitlang.circuit.match import Binding
    from circuitlang.circuit.parallel import Search
    from circuitlang.claims.battery.check_result import Check
    from circuitlang.claims.measure import Meter
    from circuitlang.claims.nulls import Made
    from circuitlang.claims.verdict import Control, Verdict


@dataclass(frozen=True)
class Known:
    """Of a claim: the random circuits that were the hardest, and whether it failed."""

    hardest: Sequence[str]
    failed: bool


@dataclass(frozen=True)
class Judged:
    """What became of a spec. `circuits` and `bindings`: one per pruning seed, none where the model is not competent;
    `verdicts`: one per claim and seed, void where a control says so."""

    able: Mapping[str, Verdict]
    circuits: Sequence[Found] = ()
    bindings: Sequence[Binding | None] = ()
    verdicts: Sequence[Verdict] = ()
    controls: Sequence[Control] = ()
    checks: Sequence[Check] = ()


def judge_model(job: Job, bench: Bench) -> tuple[Mapping[str, Verdict], bool]:
    """The untouched model's competence, and whether it lets anything be said of a circuit."""
    from circuitlang.claims.assess import competence, verdict_of_competence
    from circuitlang.claims.verdict import Outcome

    bench.clock.told("competence", 0.0)
    able = competence(bench.meter, job.spec.verdict, job.spec.span)
    bench.clock.lap("competence")
    return able, verdict_of_competence(able) in (Outcome.PASS, Outcome.UNDECIDED)


def nulls_of(job: Job, bench: Bench) -> list[Made]:
    """The nulls that are put to the claims; none where the job leaves them out."""
    from circuitlang.claims.nulls import make_nulls

    return make_nulls(bench.finder, job.spec.prune.seeds[0]) if job.options.controls else []


def judge_circuits(
    job: Job,
    bench: Bench,
    circuits: Sequence[Found],
    what: str = "",
    known: Mapping[int, Mapping[str, Known]] | None = None,
) -> tuple[list[Binding | None], list[Verdict]]:
    """`judge_claims` of every seed's circuit. `what`: the circuits are, for whoever watches; `known`: by seed."""
    bindings: list[Binding | None] = []
    verdicts: list[Verdict] = []
    for number, found in enumerate(circuits):
        told = bench.clock.within("judge", f"{what}seed {found.seed}", number, len(circuits))
        binding, judged = judge_claims(job.spec, bench.meter, found, told, (known or {}).get(found.seed))
        bindings.append(binding)
        verdicts += judged
    bench.clock.lap("judge")
    return bindings, verdicts


def judge_claims(
    spec: Spec, meter: Meter, found: Found, told: Told, known: Mapping[str, Known] | None = None
) -> tuple[Binding | None, list[Verdict]]:
    """One seed's circuit: which nodes play the roles, and every claim's verdict. `known`: of claims that were judged
    about the same circuit before, what need not be looked for again."""
    from circuitlang.claims.assess import Assessor
    from circuitlang.claims.judge import not_measured

    known = known or {}
    hardest = {name: before.hardest for name, before in known.items()}
    assessor = Assessor(meter, found.graph, spec.verdict, found.seed, spec.circuit, hardest)
    if found.pruned.stopped is not None:  # no circuit: none of its counts or losses may pass for one
        why = f"there is no circuit: the search {found.pruned.stopped}"
        return None, [
            assessor.explained(claim, assessor.judge(claim))
            if about_the_model(claim)
            else not_measured(claim, why, found.seed)
            for claim in spec.claims
        ]
    fits = assessor.judge_hypothesis()
    verdicts = [fits] if fits else []
    for number, claim in enumerate(spec.claims):
        told(f"claim {claim.name}", number / len(spec.claims))
        verdict = assessor.judge(claim)
        failed = claim.name in known and known[claim.name].failed  # where it breaks is known then, too
        verdicts.append(verdict if failed else assessor.explained(claim, verdict))
    return assessor.match.binding if assessor.match else None, verdicts


def about_the_model(claim: Claim) -> bool:
    """Whether it speaks of the untouched model alone, whatever the circuit is."""
    return not any(
        side.interventions
        or side.metric in ("nodes", "edges")
        or any(isinstance(argument, Port) for argument in side.arguments.values())
        for side in claim.quantities
    )


def search(
    job: Job, bench: Bench, made: Sequence[Made] = (), given: Found | None = None
) -> tuple[list[Found], list[Found | None]]:
    """One circuit per seed, or the given one, and one of every null that could be made; at most `options.jobs` searches
    at a time."""
    from circuitlang.circuit.parallel import find_all

    searches, names = searches_of(job, bench, made, given is not None)
    shares = [0.0] * len(searches)

    def told(number: int, step: str, share: float) -> None:
        shares[number] = share
        bench.clock.told(f"prune: {names[number]}, {step}", sum(shares) / len(shares))

    found = find_all(searches, job.options.jobs, told, job.options.cluster)
    bench.clock.lap("prune")
    own = len(searches) - sum(null.finder is not None for null in made)
    rest = iter(found[own:])
    owns = [None if null.finder is None else next(rest) for null in made]
    return [given] if given else found[:own], owns


def searches_of(job: Job, bench: Bench, made: Sequence[Made], given: bool) -> tuple[list[Search], list[str]]:
    """For every seed, unless the circuit is given, then for the nulls; and what each is called."""
    from circuitlang.circuit.parallel import Search

    settings, seeds = job.spec.prune, () if given else job.spec.prune.seeds
    searches = [Search(bench.finder, settings, seed, job.options.budget) for seed in seeds]
    names = [f"seed {seed}" for seed in seeds]
    for null in made:
        if null.finder is not None:
            searches.append(Search(null.finder, settings, settings.seeds[0], fallback=False, costs=False))
            names.append(f"control {null.null.name}")
    return searches, names


def run_controls(
    job: Job,
    bench: Bench,
    found: Found,
    verdicts: Sequence[Verdict],
    made: Sequence[Made],
    owns: Sequence[Found | None],
) -> tuple[list[Control], list[Verdict]]:
    """Every null, against the first seed's circuit and the claims that pass; and the verdicts, void where a null says
    so. `owns`: what the nulls' searches found."""
    from circuitlang.claims.nulls import Controls, voided
    from circuitlang.claims.verdict import Outcome

    if not job.options.controls:
        return [], list(verdicts)
    clock = bench.clock
    passed = {v.name for v in verdicts} - {v.name for v in verdicts if v.outcome is not Outcome.PASS}
    claims = [claim for claim in job.spec.claims if claim.name in passed]
    controls = Controls(bench.finder, bench.meter, job.spec, found, claims)
    done = []
    for number, (null, own) in enumerate(zip(made, owns, strict=True)):
        clock.told(f"controls: {null.null.name}", number / (len(made) + 1))
        done.append(controls.run(null, own))
    clock.told("controls: random circuits", len(made) / (len(made) + 1))
    done.append(controls.run_random())
    clock.lap("controls")
    return done, voided(verdicts, done)


def examine(job: Job, bench: Bench, circuits: Sequence[Found]) -> tuple[Check, ...]:
    """The battery: what every circuit goes through, whatever is claimed of it; of several seeds the worst."""
    from circuitlang.claims.battery.check_result import worst_over_seeds
    from circuitlang.claims.battery.checks import Context, battery, claimed_wheres

    if not job.options.battery:
        return ()
    spec, clock = job.spec, bench.clock
    wheres, found = claimed_wheres(spec.claims), {}
    for number, circuit in enumerate(circuits):
        context = Context(
            bench.finder, spec.prune.ablate, bench.meter, circuit.graph, spec.verdict, circuit.seed, wheres
        )
        found[circuit.seed] = battery(
            context, clock.within("battery", f"seed {circuit.seed}", number, len(circuits))
        )
    clock.lap("battery")
    return worst_over_seeds(found)
