"""Values per datapoint -> the interval that holds their mean in the long run, at a stated error.

Every interval is two-sided: it misses with probability at most `alpha`, half of it on either side.
Datapoints are independent but need not be alike (in `test`, every second one may use a held-out choice);
the mean is that of the mixture. Which interval stands for which values:

========== ================================== ================= ===================
kind       values                             interval          guarantee
========== ================================== ================= ===================
binary     0 or 1                             `clopper_pearson` at every sample size
share      in [0, 1], a mean over prompts     `bounded_mean`    at every sample size
difference in [-1, 1], of two shares          `betting`         at every sample size
loss       0 or more, no upper limit (nats)   `skew_t`, floor 0 measured, see below
real       any (rise; loss against loss)      `skew_t`          measured, see below
========== ================================== ================= ===================

The mean of values without a limit cannot be bounded without an assumption: a prompt too rare to be seen
might cost anything. Student's t assumes it away, and on losses (most near 0, few at 2 to 6 nats) it passes
false claims: see the table in docs/verdicts.md, which tests/claims/test_coverage.py makes. `skew_t` says
what it assumes (`UNSEEN`).

All sums are exactly rounded (`math.fsum`), so no result depends on the machine's order of adding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, betaincinv, stdtrit

from circuitlang.claims.kind import Kind
from circuitlang.claims.reach import UNSEEN
from circuitlang.claims.verdict import Interval
from circuitlang.source.diagnostic import Unmeasurable

Values = NDArray[np.float64]

EVERY = "every datapoint"  # the method of a mean over all there are
_BETS = np.geomspace(
    0.02, 0.95, 12
)  # shares of the capital that `betting` stakes; best for 512 to 8192 datapoints
_HALVINGS = 45
_SLACK = 1e-5  # what single-precision sums may stray outside a kind's range; then clipped to it


def interval(values: Values, kind: Kind, alpha: float) -> Interval:
    """The interval for the mean of `values` (datapoint,). Unmeasurable where one is not finite, ValueError where they
    are not of the kind, or there is but one, which has no spread."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"an interval needs one number per datapoint, not the shape {values.shape}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    missing = int(values.size - np.isfinite(values).sum())
    if missing:
        raise Unmeasurable(f"{missing} of {values.size} values are not finite")
    if stray := outside(values, kind):
        raise ValueError(stray)
    return _METHODS[kind](values.clip(*_RANGES[kind]), alpha)


def outside(values: Values, kind: Kind) -> str:
    """In words, that some of the values lie outside their kind's range; empty where none does."""
    low, high = _RANGES[kind]
    if not (values.min() < low - _SLACK or values.max() > high + _SLACK):
        return ""
    return f"values of kind {kind!r} lie in [{low}, {high}], not in [{values.min()}, {values.max()}]"


def exact(values: Values, weights: Sequence[int] | None = None) -> Interval:
    """The mean itself: `values` are those of every datapoint there is. `weights`: in proportion to how often each is
    drawn; None: each as often as any other. Exactly rounded, so that a mean of 0.75 equals 0.75."""
    numbers = np.asarray(values, dtype=np.float64).tolist()
    times = [1] * len(numbers) if weights is None else weights
    ratios = [number.as_integer_ratio() for number in numbers]
    unit = max(below for _, below in ratios)  # all are powers of two
    total = sum(w * above * (unit // below) for w, (above, below) in zip(times, ratios, strict=True))
    mean = total / (unit * sum(times))
    return Interval(mean, mean, mean, len(numbers), EVERY)


def clopper_pearson(values: Values, alpha: float) -> Interval:
    """Clopper and Pearson (1934): the shares under which the observed count is not in a tail of alpha/2.

    Exact for equal shares, and conservative where datapoints differ (Hoeffding 1956, theorem 5).
    """
    if not np.isin(values, (0.0, 1.0)).all():
        raise ValueError("values of kind 'binary' are 0 or 1")
    n, hits = len(values), int(values.sum())
    low = float(betaincinv(hits, n - hits + 1, alpha / 2)) if hits else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - alpha / 2)) if hits < n else 1.0
    return _around(hits / n, low, high, n, "Clopper-Pearson")


def bounded_mean(values: Values, alpha: float) -> Interval:
    """For values in [0, 1] that need not be 0 or 1: the mean over a datapoint's prompts, a probability.

    What both `binomial_hinge`, at three quarters of alpha, and `betting`, at the last quarter, leave. The
    first is the narrower where values are 0 or 1 (and where all are right), the second where they vary less.
    """
    hinge = binomial_hinge(values, 0.75 * alpha)
    low, high = _betting_limits(values, 0.25 * alpha)
    low, high = max(hinge.low, low), min(hinge.high, high)
    return _around(hinge.value, low, high, len(values), "binomial hinge and betting")


def binomial_hinge(values: Values, alpha: float) -> Interval:
    """For values in [0, 1], as if each were the chance of a coin.

    With S the sum, B binomial(n, m) and m the mean of the expectations, for every u < s
    P(S >= s) <= E(B - u)+ / (s - u): Markov's inequality for the convex function (S - u)+, whose
    expectation is largest for 0-1 values (Hoeffding 1963) with equal shares (Hoeffding 1956); the best u is
    an integer (Bentkus 2004). The limit is the smallest m that this does not exclude at alpha/2. Nearly
    Clopper-Pearson (up to 8 % wider) and as safe: it holds for every n and every distribution, and does not
    depend on the order of the datapoints.
    """
    n, total = len(values), _sum(values)
    low, high = hinge_limit(total, n, alpha / 2), 1 - hinge_limit(n - total, n, alpha / 2)
    return _around(total / n, low, high, n, "binomial hinge")


def hinge_limit(total: float, n: int, alpha: float) -> float:
    """The largest mean that a sum as large as `total` excludes at level alpha; 0 where it excludes none."""
    if total <= 0:
        return 0.0
    last = math.ceil(total) - 1

    def excluded(mean: float) -> bool:
        u = np.arange(min(math.ceil(n * mean), last), last + 1, dtype=np.float64)  # below n m none is best
        # E(B - u)+ = n m P(binomial(n - 1, m) >= u) - u P(B > u)
        hinges = n * mean * bdtrc(u - 1, n - 1, mean) - u * bdtrc(u, n, mean)
        return bool((hinges / (total - u)).min() <= alpha)

    return _last(excluded, 0.0, min(1.0, total / n))


def betting(values: Values, alpha: float) -> Interval:
    """For differences of two shares: values in [-1, 1], of which few are far from 0, so that it is narrow.

    Whoever bets a fixed share b of the capital against "the mean of y in [0, 1] is at most m" has, after all
    datapoints, the product of 1 + b (y/m - 1): at most 1 in expectation when it is true, also where
    datapoints are not alike (their expectations multiply to no more than their mean's n-th power). So the
    average over several b exceeds 2/alpha with probability at most alpha/2, and an m for which it does is
    excluded. This is the capital of Waudby-Smith and Ramdas (2023, section 4) with bets fixed in advance:
    no result depends on the order.
    """
    low, high = _betting_limits((1 + values) / 2, alpha)
    return _around(_mean(values), 2 * low - 1, 2 * high - 1, len(values), "betting")


def _betting_limits(shares: Values, alpha: float) -> tuple[float, float]:
    return _betting_limit(shares, alpha / 2), 1 - _betting_limit(1 - shares, alpha / 2)


def _betting_limit(shares: Values, alpha: float) -> float:
    """The largest mean that values in [0, 1] exclude at level alpha; 0 where they exclude none."""
    distinct, counts = np.unique(shares, return_counts=True)
    threshold = math.log(len(_BETS) / alpha)  # the sum over the bets, not their average, is compared

    def excluded(mean: float) -> bool:
        growth = np.log1p(_BETS[:, None] * (distinct / mean - 1))
        return float(np.logaddexp.reduce((growth * counts).sum(axis=1))) >= threshold

    return _last(excluded, 0.0, _mean(shares))


def _last(excluded: Callable[[float], bool], low: float, high: float) -> float:
    """Where `excluded` turns false between low and high, by bisection; the excluded side of it."""
    if high <= low:
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if excluded(middle):
            low = middle
        else:
            high = middle
    return low


def skew_t(values: Values, alpha: float, floor: float = -math.inf) -> Interval:
    """Student's t for skewed values (Hall 1992), as if one more datapoint had been the worst to be expected.

    With a = skewness/√n and T = √n (mean - m)/s, Hall's T + a T²/3 + a² T³/27 + a/6 is Student's t to the
    next order; it rises with T, so the limits are found by inverting it. The sample's own skewness knows
    nothing of what the sample has not shown; so for the upper limit one datapoint is added that costs the
    most seen, or `UNSEEN` if that is more, and for the lower limit likewise below, but not under `floor`.
    Where nothing but 0 was seen and alpha is 0.002, the upper limit comes to 8 `UNSEEN`/n; an event of that
    cost that stays unseen in n datapoints with probability alpha/2 would need 6.9 `UNSEEN`/n.
    """
    if len(values) < 2:
        raise ValueError("one datapoint has no spread: an interval needs two")
    above = max(UNSEEN, float(values.max()))
    below = max(floor, min(-UNSEEN, float(values.min())))
    low = max(floor, _skew_limit(np.append(values, below), 1 - alpha / 2))
    high = _skew_limit(np.append(values, above), alpha / 2)
    return _around(_mean(values), low, high, len(values), "skew-corrected t")


def _skew_limit(values: Values, level: float) -> float:
    """The mean m at which Hall's transformed t stands at the `level` quantile of Student's t."""
    n = len(values)
    mean = _mean(values)
    away = values - mean
    variance = _sum(away * away) / n
    if variance == 0:
        return mean
    a = _sum(away * away * away) / n / variance**1.5 / math.sqrt(n)
    quantile = float(stdtrit(n - 1, level))
    # The transformation is ((1 + a T/3)³ - 1)/a + a/6.
    t = quantile if abs(a) < 1e-9 else 3 / a * (math.cbrt(1 + a * (quantile - a / 6)) - 1)
    return mean - t * math.sqrt(variance / (n - 1))


def _sum(values: Values) -> float:
    return math.fsum(values.tolist())


def _mean(values: Values) -> float:
    return _sum(values) / len(values)


def _around(value: float, low: float, high: float, datapoints: int, method: str) -> Interval:
    """An interval never excludes the value it is about, not even by a rounding error."""
    return Interval(value, min(low, value), max(high, value), datapoints, method)


_RANGES: dict[Kind, tuple[float, float]] = {
    "binary": (0, 1),
    "share": (0, 1),
    "difference": (-1, 1),
    "loss": (0, math.inf),
    "real": (-math.inf, math.inf),
}
_METHODS: dict[Kind, Callable[[Values, float], Interval]] = {
    "binary": clopper_pearson,
    "share": bounded_mean,
    "difference": betting,
    "loss": lambda values, alpha: skew_t(values, alpha, floor=0.0),
    "real": skew_t,
}
