"""Finder + meter + spec -> everything that is found out: competence, circuits, verdicts, controls, battery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from circuitlang.checking.job import Options
from circuitlang.language.program.spec import Spec
from circuitlang.source.progress import Clock, Told

if TYPE_CHECKING:
    from circuitlang.circuit.find import Finder, Found
    from circuitlang.circuit.match import Binding
    from circuitlang.claims.battery.check_result import Check
    from circuitlang.claims.controls.control import Control
    from circuitlang.claims.controls.nulls import Made
    from circuitlang.claims.measure import Meter
    from circuitlang.claims.verdict import Verdict


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


def judge(spec: Spec, finder: Finder, meter: Meter, options: Options, clock: Clock) -> Judged:
    """Competence first; then every seed's circuit and its claims, the nulls, and the battery."""
    from circuitlang.claims.controls.nulls import make_nulls, voided

    able, goes_on = judge_model(spec, meter, clock)
    if not goes_on:
        return Judged(able)
    made = make_nulls(finder, spec.prune.seeds[0]) if options.controls else []
    circuits, owns = search(spec, finder, made, options, clock)
    clock.lap("prune")
    bindings, verdicts = judge_circuits(spec, meter, circuits, clock)
    if any(found.pruned.stopped is not None for found in circuits):
        return Judged(able, circuits, bindings, verdicts)  # no circuit: nothing to hold against a null
    controls: list[Control] = []
    if options.controls:
        controls = run_controls(spec, finder, meter, circuits[0], verdicts, made, owns, clock)
        verdicts = voided(verdicts, controls)
    checks = examine(spec, finder, meter, circuits, clock) if options.battery else ()
    return Judged(able, circuits, bindings, verdicts, controls, checks)


def judge_model(spec: Spec, meter: Meter, clock: Clock) -> tuple[Mapping[str, Verdict], bool]:
    """The untouched model's competence, and whether it lets anything be said of a circuit."""
    from circuitlang.claims.assess import competence, verdict_of_competence
    from circuitlang.claims.verdict import Outcome

    able = competence(meter, spec.verdict, spec.span)
    clock.lap("competence")
    return able, verdict_of_competence(able) in (Outcome.PASS, Outcome.UNDECIDED)


def judge_circuits(
    spec: Spec,
    meter: Meter,
    circuits: Sequence[Found],
    clock: Clock,
    what: str = "",
    known: Mapping[int, Mapping[str, Known]] | None = None,
) -> tuple[list[Binding | None], list[Verdict]]:
    """`judge_claims` of every seed's circuit. `what`: the circuits are, for whoever watches; `known`: by seed."""
    bindings: list[Binding | None] = []
    verdicts: list[Verdict] = []
    for number, found in enumerate(circuits):
        told = clock.within("judge", f"{what}seed {found.seed}", number, len(circuits))
        binding, judged = judge_claims(spec, meter, found, told, (known or {}).get(found.seed))
        bindings.append(binding)
        verdicts += judged
    clock.lap("judge")
    return bindings, verdicts


def judge_claims(
    spec: Spec, meter: Meter, found: Found, told: Told, known: Mapping[str, Known] | None = None
) -> tuple[Binding | None, list[Verdict]]:
    """One seed's circuit: which nodes play the roles, and every claim's verdict. `known`: of claims that were judged
    about the same circuit before, what need not be looked for again."""
    from circuitlang.claims.assess import Assessor
    from circuitlang.claims.judge import not_measured

    if found.pruned.stopped is not None:  # no circuit: none of its counts or losses may pass for one
        why = f"there is no circuit: the search {found.pruned.stopped}"
        return None, [not_measured(claim, why, found.seed) for claim in spec.claims]
    known = known or {}
    hardest = {name: before.hardest for name, before in known.items()}
    assessor = Assessor(meter, found.graph, spec.verdict, found.seed, spec.circuit, hardest)
    fits = assessor.judge_hypothesis()
    verdicts = [fits] if fits else []
    for number, claim in enumerate(spec.claims):
        told(f"claim {claim.name}", number / len(spec.claims))
        verdict = assessor.judge(claim)
        failed = claim.name in known and known[claim.name].failed  # where it breaks is known then, too
        verdicts.append(verdict if failed else assessor.explained(claim, verdict))
    return assessor.match.binding if assessor.match else None, verdicts


def search(
    spec: Spec, finder: Finder, made: Sequence[Made], options: Options, clock: Clock
) -> tuple[list[Found], list[Found | None]]:
    """One circuit per seed, and one of every null that could be made; at most `options.jobs` searches at a time."""
    from circuitlang.circuit.parallel import Search, find_all

    seeds = spec.prune.seeds
    searches = [Search(finder, spec.prune, seed, options.budget) for seed in seeds]
    names = [f"seed {seed}" for seed in seeds]
    for null in made:
        if null.finder is not None:
            searches.append(Search(null.finder, spec.prune, seeds[0], fallback=False, costs=False))
            names.append(f"control {null.null.name}")
    shares = [0.0] * len(searches)

    def told(number: int, step: str, share: float) -> None:
        shares[number] = share
        clock.told(f"prune: {names[number]}, {step}", sum(shares) / len(shares))

    found = find_all(searches, options.jobs, told)
    rest = iter(found[len(seeds) :])
    owns = [None if null.finder is None else next(rest) for null in made]
    return found[: len(seeds)], owns


def run_controls(
    spec: Spec,
    finder: Finder,
    meter: Meter,
    found: Found,
    verdicts: Sequence[Verdict],
    made: Sequence[Made],
    owns: Sequence[Found | None],
    clock: Clock,
) -> list[Control]:
    """Every null, against the first seed's circuit and the claims that pass. `owns`: what the nulls' searches found."""
    from circuitlang.claims.controls.nulls import Controls
    from circuitlang.claims.verdict import Outcome

    passed = {v.name for v in verdicts} - {v.name for v in verdicts if v.outcome is not Outcome.PASS}
    controls = Controls(finder, meter, spec, found, [claim for claim in spec.claims if claim.name in passed])
    done = []
    for number, (null, own) in enumerate(zip(made, owns, strict=True)):
        clock.told(f"controls: {null.null.name}", number / (len(made) + 1))
        done.append(controls.run(null, own))
    clock.told("controls: random circuits", len(made) / (len(made) + 1))
    done.append(controls.run_random())
    clock.lap("controls")
    return done


def examine(
    spec: Spec, finder: Finder, meter: Meter, circuits: Sequence[Found], clock: Clock
) -> tuple[Check, ...]:
    """The battery: what every circuit goes through, whatever is claimed of it; of several seeds the worst."""
    from circuitlang.claims.battery.check_result import worst_over_seeds
    from circuitlang.claims.battery.checks import Context, battery, claimed_wheres

    wheres, found = claimed_wheres(spec.claims), {}
    for number, circuit in enumerate(circuits):
        context = Context(finder, spec.prune.ablate, meter, circuit.graph, spec.verdict, circuit.seed, wheres)
        found[circuit.seed] = battery(
            context, clock.within("battery", f"seed {circuit.seed}", number, len(circuits))
        )
    clock.lap("battery")
    return worst_over_seeds(found)
