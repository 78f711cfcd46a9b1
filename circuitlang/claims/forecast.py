"""A spec -> what its check will cost and what it can tell, before it runs. No torch.

The smallest difference that a claim can tell is the one by which the truth must differ from the bound so that the last
look decides with probability `POWER`. For shares it is exact, of the interval itself, for datapoints that are 0 or 1 as
a whole; for everything else it is the normal approximation (z of the look's error + z of the power) · sd / √n, at a
standard deviation that is assumed; or measured, for a claim about the untouched model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from scipy.special import betaincinv

from circuitlang.claims.interval import hinge_limit
from circuitlang.claims.kind import kind_of_claim
from circuitlang.claims.looks import JUDGED, RANDOM_CIRCUITS, SCREENED, Plan
from circuitlang.claims.reach import Short, short
from circuitlang.claims.verdict import SEARCHED
from circuitlang.language.program.plugins import metric_row
from circuitlang.language.program.spec import Claim, Quantity, Spec
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.population import population

POWER = 0.9
ASSUMED = {"loss": 0.5, "real": 0.5, "difference": 0.3}
"""Standard deviations of a datapoint where none was measured: nats; of shares, as where one in eleven differs."""
TRAINED = 3
"""Passes that a prompt of a pruning step costs: forward, and backward for twice as much."""
METHODS = {
    "binary": "Clopper-Pearson",
    "share": "binomial hinge and betting",
    "difference": "betting",
    "loss": "skew-corrected t",
    "real": "skew-corrected t",
}


@dataclass(frozen=True, slots=True)
class Costs:
    """What a quick pass of the untouched model showed. `deviation`: of a datapoint's loss, nats."""

    seconds_per_prompt: float
    deviation: float


@dataclass(frozen=True, slots=True)
class ClaimForecast:
    """One claim. `looks`: datapoints; `all_datapoints`: whether those are all there are. `error`: that one look's
    interval may miss. `difference`: the smallest it can tell with power, in the metric's unit; None where it needs none
    or cannot pass. `settings`: in how many ways the model is run, of `each` claims for one member."""

    name: str
    text: str
    line: int
    looks: tuple[int, ...]
    all_datapoints: bool
    method: str
    error: float
    difference: float | None
    assumed: float | None
    settings: int
    per_member: bool
    never: Short | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """One spec. `passes`: prompts that claims are measured on, at most, each setting once; `trained`: prompts of all
    pruning steps. `minutes`: None without a measured pass."""

    spec: str
    confidence: float
    cases: int
    claims: tuple[ClaimForecast, ...]
    searches: int
    null_searches: int
    passes: int
    trained: int
    deviation: float | None
    minutes: float | None


def forecast(spec: Spec, controls: bool = True, costs: Costs | None = None) -> Forecast:
    """What `check` will do with the spec."""
    cases = len(spec.task.cases)
    generator = Generator(spec.task, 0)
    found = tuple(_claim(spec, claim, generator, cases, costs) for claim in spec.claims)
    passes = sum(max(looks) * cases * times for looks, times in _measured(spec, found))
    prune, nulls = spec.prune, len(SEARCHED) if controls else 0
    searches = len(prune.seeds)
    trained = (searches + nulls) * len(prune.penalty) * prune.steps * prune.batch * cases
    seconds = None if costs is None else (passes + TRAINED * trained) * costs.seconds_per_prompt
    return Forecast(
        spec.name,
        spec.verdict.confidence,
        cases,
        found,
        searches,
        nulls,
        passes,
        trained,
        None if costs is None else costs.deviation,
        None if seconds is None else seconds / 60,
    )


def _claim(spec: Spec, claim: Claim, generator: Generator, cases: int, costs: Costs | None) -> ClaimForecast:
    line, kind = claim.span.line, kind_of_claim(claim, cases)
    if metric_row(claim.left.metric).counts:
        return ClaimForecast(
            claim.name, claim.text, line, (), False, "count", 0.0, None, None, 0, False, None
        )
    sides = claim.quantities
    settings = len(
        {_setting(side) for side in sides} | {_untouched(side) for side in sides if _compared(side)}
    )
    per_member = any(act.each for side in sides for act in side.interventions)
    same = all(side.where == claim.left.where for side in sides)
    paired = any("between" in side.arguments for side in sides)
    few = population(generator, claim.left.where, spec.verdict.samples[1]) if same and not paired else None
    if few is not None:
        return ClaimForecast(
            claim.name, claim.text, line, (len(few),), True, "", 0.0, None, None, settings, per_member, None
        )
    plan = Plan(spec.verdict.samples, spec.verdict.confidence)
    never = short(claim, spec.verdict, cases)
    deviation = ASSUMED.get(kind)
    untouched = not any(side.interventions for side in sides)
    if costs is not None and kind == "loss" and untouched:
        deviation = costs.deviation  # that of a circuit is larger, and not known before there is one
    bound = None if isinstance(claim.right, Quantity) else float(claim.right)
    difference = None
    if never is None and claim.relation != "==":
        n = plan.looks[-1]
        if deviation is not None:
            difference = _normal(deviation, n, plan.alpha)
        elif bound is not None:
            difference = smallest_share(kind, claim.relation, bound, n, plan.alpha)
    return ClaimForecast(
        claim.name,
        claim.text,
        line,
        plan.looks,
        False,
        METHODS[kind],
        plan.alpha,
        difference,
        deviation,
        settings,
        per_member,
        never,
    )


def smallest_share(kind: str, relation: str, bound: float, n: int, alpha: float) -> float | None:
    """How far on the claimed side a share must be so that n datapoints, each 0 or 1, show it with power. None: no
    number of hits does."""
    bound = bound if relation in (">", ">=") else 1 - bound
    hits = _fewest(lambda k: _lower(kind, k, n, alpha) >= bound, n)
    if hits is None:
        return None
    return max(0.0, float(betaincinv(hits, n - hits + 1, POWER)) - bound) if hits else 0.0


def _lower(kind: str, hits: int, n: int, alpha: float) -> float:
    if kind == "binary":
        return float(betaincinv(hits, n - hits + 1, alpha / 2)) if hits else 0.0
    return hinge_limit(hits, n, 0.75 * alpha / 2)  # as `bounded_mean` takes it


def _fewest(enough: Callable[[int], bool], n: int) -> int | None:
    """The smallest of 0..n that is enough, where all above it are."""
    if not enough(n):
        return None
    low, high = -1, n
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high


def _normal(deviation: float, n: int, alpha: float) -> float:
    z = NormalDist().inv_cdf
    return (z(1 - alpha / 2) + z(POWER)) * deviation / sqrt(n)


def _compared(side: Quantity) -> bool:
    """Whether with the untouched model on the same prompts."""
    return metric_row(side.metric).given == "must"


def _setting(side: Quantity) -> tuple[object, ...]:
    return (repr(side.interventions), tuple(sorted(side.where.items())))


def _untouched(side: Quantity) -> tuple[object, ...]:
    return (repr(()), tuple(sorted(side.where.items())))


def _measured(spec: Spec, found: tuple[ClaimForecast, ...]) -> Iterator[tuple[tuple[int, ...], int]]:
    """(datapoints, how often) of every different setting of all claims, one member of an `each` for all, and of
    competence. Random circuits are screened on `select`, and the hardest few judged."""
    looks = {_untouched(Quantity("accuracy")): Plan(spec.verdict.samples, spec.verdict.confidence).looks}
    times: dict[tuple[object, ...], int] = {}
    for claim, seen in zip(spec.claims, found, strict=True):
        for side in claim.quantities if seen.looks else ():
            for key in (_setting(side), *([_untouched(side)] if _compared(side) else [])):
                looks.setdefault(key, seen.looks)
                if key == _setting(side) and any(act.target == "random" for act in side.interventions):
                    times[key] = JUDGED
                    yield (SCREENED,), RANDOM_CIRCUITS
    seeds = len(spec.prune.seeds)
    for key, each in looks.items():
        own = seeds if key[0] != repr(()) else 1  # the untouched model is measured once for all seeds
        yield each, times.get(key, 1) * own
