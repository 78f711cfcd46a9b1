"""Finder + meter + spec -> everything that is found out: competence, circuits, verdicts, controls, battery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from circuitlang.program.hypothesis import Port
from circuitlang.program.spec import Claim, Spec

if TYPE_CHECKING:
    from circuitlang.circuit.find import Finder, Found
    from circuitlang.circuit.graph import CircuitGraph
    from circuitlang.circuit.match import Binding
    from circuitlang.claims.check import Check
    from circuitlang.claims.control import Control
    from circuitlang.claims.controls import Made
    from circuitlang.claims.measure import Meter
    from circuitlang.claims.verdict import Verdict

Told = Callable[[str, float], None]


def quiet(_stage: str, _share: float) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Options:
    """How a check runs. `cache` None: the user's cache folder; `fresh`: use none. `told(stage, share done)`.
    `controls`: whether the nulls are run, without which no claim can be void; `battery`: whether the circuits go
    through it. `jobs`: how many searches run at a time, each in a process of its own; more than 1 only from a main
    module that can be imported without doing anything. `model`: in place of the spec's own (as `with_model` takes it).
    `circuit`: judged in place of one that a search would find.
    """

    device: str = "auto"
    seed: int = 0
    fresh: bool = False
    budget: int | None = None
    cache: Path | None = None
    battery: bool = True
    command: tuple[str, ...] = ()
    controls: bool = True
    jobs: int = 1
    model: str | None = None
    circuit: CircuitGraph | None = None
    told: Told = field(default=quiet, compare=False)


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


def judge(
    spec: Spec, finder: Finder, meter: Meter, options: Options, clock: Clock, given: Found | None = None
) -> Judged:
    """Competence first; then every seed's circuit and its claims, the nulls, and the battery. `given`: the circuit, of
    which then only the nulls' are searched for."""
    from circuitlang.claims.controls import make_nulls, voided

    able, goes_on = judge_model(spec, meter, clock)
    if not goes_on:
        return Judged(able)
    made = make_nulls(finder, spec.prune.seeds[0]) if options.controls else []
    circuits, owns = search(spec, finder, made, options, clock, given)
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
    spec: Spec,
    finder: Finder,
    made: Sequence[Made],
    options: Options,
    clock: Clock,
    given: Found | None = None,
) -> tuple[list[Found], list[Found | None]]:
    """One circuit per seed, or the given one, and one of every null that could be made; at most `options.jobs` searches
    at a time."""
    from circuitlang.circuit.parallel import Search, find_all

    seeds = () if given else spec.prune.seeds
    searches = [Search(finder, spec.prune, seed, options.budget) for seed in seeds]
    names = [f"seed {seed}" for seed in seeds]
    for null in made:
        if null.finder is not None:
            searches.append(Search(null.finder, spec.prune, spec.prune.seeds[0], fallback=False, costs=False))
            names.append(f"control {null.null.name}")
    shares = [0.0] * len(searches)

    def told(number: int, step: str, share: float) -> None:
        shares[number] = share
        clock.told(f"prune: {names[number]}, {step}", sum(shares) / len(shares))

    found = find_all(searches, options.jobs, told)
    rest = iter(found[len(seeds) :])
    owns = [None if null.finder is None else next(rest) for null in made]
    return [given] if given else found[: len(seeds)], owns


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
    from circuitlang.claims.controls import Controls
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
    from circuitlang.claims.battery import Context, battery, claimed_wheres
    from circuitlang.claims.check import worst_over_seeds

    wheres, found = claimed_wheres(spec.claims), {}
    for number, circuit in enumerate(circuits):
        context = Context(finder, spec.prune.ablate, meter, circuit.graph, spec.verdict, circuit.seed, wheres)
        found[circuit.seed] = battery(
            context, clock.within("battery", f"seed {circuit.seed}", number, len(circuits))
        )
    clock.lap("battery")
    return worst_over_seeds(found)


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

    def within(self, stage: str, what: str, number: int, count: int) -> Told:
        """Progress of one circuit of `count`, as progress of the stage."""

        def told(step: str, share: float) -> None:
            self.told(f"{stage}: {what}, {step}", (number + share) / count)

        return told
