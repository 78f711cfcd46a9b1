"""A spec -> the claims that can never pass, whatever the model does: too few datapoints for their bound.

Even when every datapoint has the best value there is, the interval reaches over the bound. Closed forms, without scipy:
whoever writes a spec reads this at every key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import cbrt, sqrt

from circuitlang.claims.kind import kind_of_claim
from circuitlang.claims.looks import Plan
from circuitlang.language.program.plugins import metric_row
from circuitlang.language.program.spec import Claim, Quantity, Spec, VerdictSettings
from circuitlang.language.program.vocabulary import VERDICT
from circuitlang.source.diagnostic import Diagnostic

UNSEEN = 4.0
"""Nats per datapoint: what a datapoint that the sample has not shown may cost, at most (claims/interval.py)."""
_MOST = next(int(found.high) for found in VERDICT.settings if found.name == "samples" and found.high)
"""Datapoints: the largest last look that `samples` may name."""


@dataclass(frozen=True, slots=True)
class Short:
    """A claim that no measurement can show. `best`: the limit of the interval when all goes as well as it can;
    `enough`: the last look that could show it, None where none can."""

    claim: Claim
    datapoints: int
    best: float
    enough: int | None


def short(claim: Claim, settings: VerdictSettings, cases: int) -> Short | None:
    """What is wrong with a claim whose prompts are drawn; None where it can pass."""
    if metric_row(claim.left.metric).counts or isinstance(claim.right, Quantity) or claim.relation == "==":
        return None
    kind, last = kind_of_claim(claim, cases), settings.samples[1]

    def shows(first: int, n: int) -> bool:
        best = _best(kind, claim.relation, n, Plan((min(first, n), n), settings.confidence).alpha)
        return best is None or _holds(best, claim.relation, float(claim.right))  # pyright: ignore[reportArgumentType]

    if shows(settings.samples[0], last):
        return None
    enough = _first(lambda n: shows(settings.samples[0], n), last)
    best = _best(kind, claim.relation, last, Plan(settings.samples, settings.confidence).alpha)
    assert best is not None
    return Short(claim, last, best, enough)


def check_reach(spec: Spec) -> Iterator[Diagnostic]:
    """A warning for every such claim, unless its prompts are so few that all may be measured."""
    for claim in spec.claims:
        found = short(claim, spec.verdict, len(spec.task.cases))
        if found is not None and not _few(spec, claim.left):
            span = claim.span
            message = (
                f"`{claim.name}` can never pass: at {found.datapoints:,} datapoints the interval ends at "
                f"{found.best:.6g} even if nothing speaks against the claim"
            )
            hint = (
                "only a smaller claim can be shown: of drawn prompts none is known to hold for all"
                if found.enough is None
                else f"write `samples = {spec.verdict.samples[0]}..{found.enough}`, or claim less"
            )
            yield Diagnostic("CIR-214", message, span, hint, "warning")


def _few(spec: Spec, quantity: Quantity) -> bool:
    from circuitlang.prompts.population import may_be_more

    return not may_be_more(spec.task, quantity.where, spec.verdict.samples[1])


def _best(kind: str, relation: str, n: int, alpha: float) -> float | None:
    """The limit that is compared with the bound, when every datapoint has the best value; None: no limit is known.

    All n values 1: Clopper and Pearson's lower limit is the p with pⁿ = alpha/2, and that of `bounded_mean` the p with
    pⁿ = 3/8 alpha (its hinge, at three quarters of alpha). All losses 0: `skew_t`, with the normal quantile for
    Student's, which lies nearer to 0, so that no claim is called hopeless that is not.
    """
    if kind in ("binary", "share"):
        limit = (alpha / 2 if kind == "binary" else 3 * alpha / 8) ** (1 / n)
        return limit if relation in (">", ">=") else 1 - limit
    if kind == "loss" and relation in ("<", "<="):
        return _no_loss(n, alpha)
    return None


def _no_loss(n: int, alpha: float) -> float:
    """The upper limit of `skew_t` for n losses of 0 and one of `UNSEEN`."""
    from statistics import NormalDist

    size = n + 1
    mean = UNSEEN / size
    variance = UNSEEN**2 * n / size**2
    a = (n - 1) / sqrt(n) / sqrt(size)
    quantile = NormalDist().inv_cdf(alpha / 2)
    t = 3 / a * (cbrt(1 + a * (quantile - a / 6)) - 1) if n > 1 else quantile
    return mean - t * sqrt(variance / (size - 1))


def _holds(limit: float, relation: str, bound: float) -> bool:
    return {"<": limit < bound, "<=": limit <= bound, ">": limit > bound, ">=": limit >= bound}[relation]


def _first(shows: Callable[[int], bool], last: int) -> int | None:
    """The smallest power-of-two multiple of the last look that shows it: what looks double to."""
    n = last
    while n < _MOST:
        n = min(2 * n, _MOST)
        if shows(n):
            return n
    return None
