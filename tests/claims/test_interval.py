"""Intervals against other implementations, against exact calculation, and their laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import gammaln, stdtrit

from circuitlang.claims.interval import (
    UNSEEN,
    betting,
    binomial_hinge,
    bounded_mean,
    clopper_pearson,
    exact,
    interval,
    skew_t,
)
from circuitlang.source.diagnostic import Unmeasurable

KINDS = {"binary": (0, 1), "share": (0, 1), "difference": (-1, 1), "loss": (0, 50), "real": (-50, 50)}


def binomial(n, p):
    """Probabilities of 0 … n."""
    k = np.arange(n + 1)
    return np.exp(
        gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + k * np.log(p) + (n - k) * np.log1p(-p)
    )


@st.composite
def samples(draw):
    kind = draw(st.sampled_from(sorted(KINDS)))
    low, high = KINDS[kind]
    number = st.sampled_from([0.0, 1.0]) if kind == "binary" else st.floats(low, high, width=32)
    return kind, draw(arrays(np.float64, st.integers(2, 40), elements=number))


@settings(max_examples=100)
@given(samples(), st.floats(1e-4, 0.2))
def test_laws_of_every_kind(sample, alpha):
    """It holds its own value, widens with certainty, stays in range, and does not depend on the order."""
    kind, values = sample
    found = interval(values, kind, alpha)
    low, high = KINDS[kind]
    assert found.value == pytest.approx(values.mean(), abs=1e-9)
    assert found.datapoints == len(values)
    surer = interval(values, kind, alpha / 10)
    assert surer.low <= found.low + 1e-9
    assert surer.high >= found.high - 1e-9
    if kind != "real":
        assert low <= found.low
        assert kind == "loss" or found.high <= high
    again = interval(values[::-1], kind, alpha)
    assert (again.value, again.low, again.high) == pytest.approx(
        (found.value, found.low, found.high), abs=1e-9
    )


@settings(max_examples=40)
@given(samples(), st.floats(1e-3, 0.2))
def test_signs_are_alike(sample, alpha):
    """The interval of what is measured the other way round is the same one, reflected."""
    kind, values = sample
    if kind == "loss":
        return
    found = interval(values, kind, alpha)
    turned = interval(-values if min(KINDS[kind]) < 0 else 1 - values, kind, alpha)
    about = 0 if min(KINDS[kind]) < 0 else 1
    assert (about - turned.high, about - turned.low) == pytest.approx((found.low, found.high), abs=1e-6)


@pytest.mark.parametrize("hits", [0, 1, 17, 470, 511, 512])
def test_clopper_pearson_is_what_statsmodels_says(hits):
    from statsmodels.stats.proportion import proportion_confint

    found = clopper_pearson(np.repeat([1.0, 0.0], [hits, 512 - hits]), 0.002)
    assert (found.low, found.high) == pytest.approx(proportion_confint(hits, 512, 0.002, "beta"), abs=1e-12)


@pytest.mark.parametrize("method", [clopper_pearson, binomial_hinge, bounded_mean])
@pytest.mark.parametrize("n", [10, 100])
def test_coverage_of_shares_is_exact(method, n):
    """Summed over all outcomes, each side misses with at most alpha/2: 0-1 values are the worst case."""
    alpha = 0.02
    limits = [method(np.repeat([1.0, 0.0], [k, n - k]), alpha) for k in range(n + 1)]
    low, high = (np.array([getattr(limit, side) for limit in limits]) for side in ("low", "high"))
    for share in (0.001, 0.02, 0.1, 0.5, 0.9, 0.95, 0.999):
        chance = binomial(n, share)
        assert chance[low > share].sum() <= alpha / 2 + 1e-9
        assert chance[high < share].sum() <= alpha / 2 + 1e-9


@pytest.mark.parametrize("shares", [(0.999, 0.801), (1.0, 0.8), (0.5, 0.1)])
def test_coverage_holds_where_datapoints_are_not_alike(shares):
    """Half of the datapoints use a held-out choice and are harder; the mean of the mixture is covered."""
    alpha, half = 0.02, 40
    hits = np.convolve(*(binomial(half, min(share, 1 - 1e-12)) for share in shares))
    for method in (clopper_pearson, binomial_hinge, bounded_mean):
        limits = [method(np.repeat([1.0, 0.0], [k, 2 * half - k]), alpha) for k in range(2 * half + 1)]
        missed = [not limit.low <= np.mean(shares) <= limit.high for limit in limits]
        assert hits[missed].sum() <= alpha


def test_betting_covers_differences_exactly():
    """Of n differences in {-1, 0, 1}, all outcomes weighed with their multinomial probability."""
    n, alpha = 16, 0.05
    for minus, plus in ((0.05, 0.05), (0.3, 0.1), (0.0, 0.2), (0.01, 0.5)):
        missed = 0.0
        for a in range(n + 1):
            for b in range(n + 1 - a):
                found = betting(np.repeat([-1.0, 1.0, 0.0], [a, b, n - a - b]), alpha)
                if not found.low <= plus - minus <= found.high:
                    log = gammaln(n + 1) - gammaln(a + 1) - gammaln(b + 1) - gammaln(n - a - b + 1)
                    missed += math.exp(log) * minus**a * plus**b * (1 - minus - plus) ** (n - a - b)
        assert missed <= alpha


def test_hinge_is_nearly_clopper_pearson():
    for hits in (400, 486, 511, 512):
        values = np.repeat([1.0, 0.0], [hits, 512 - hits])
        one, other = clopper_pearson(values, 0.002), binomial_hinge(values, 0.002)
        assert other.low <= one.low + 1e-9
        assert other.high >= one.high - 1e-9
        assert other.high - other.low <= 1.08 * (one.high - one.low)


def test_shares_that_vary_little_are_bounded_closely():
    """A probability near 2 % on every prompt is told from 1 % at once; as coin tosses it could not be."""
    values = np.tile([0.015, 0.025], 256)
    assert bounded_mean(values, 0.002).low > 0.015
    assert binomial_hinge(values, 0.002).low < 0.01


def test_skew_t_inverts_halls_transformation():
    values = np.random.default_rng(5).exponential(0.1, 512)
    found = skew_t(values, 0.002, floor=0.0)
    for limit, unseen, level in ((found.high, UNSEEN, 0.001), (found.low, 0.0, 0.999)):
        sample = np.append(values, unseen)
        n, away = len(sample), sample - sample.mean()
        t = math.sqrt(n) * (sample.mean() - limit) / sample.std(ddof=1)
        a = (away**3).mean() / (away**2).mean() ** 1.5 / math.sqrt(n)
        assert t + a / 3 * t**2 + a**2 / 27 * t**3 + a / 6 == pytest.approx(stdtrit(n - 1, level))


def test_skew_t_comes_to_students_t():
    """Of many symmetric values the skewness and the unseen datapoint hardly count."""
    values = np.tile([0.6, 0.8], 100_000)
    found = skew_t(values, 0.002)
    student = stdtrit(len(values) - 1, 0.999) * values.std(ddof=1) / math.sqrt(len(values))
    assert (found.high - found.value) / student == pytest.approx(1, abs=0.2)
    assert (found.value - found.low) / student == pytest.approx(1, abs=0.2)


def test_losses_that_were_never_seen_leave_room():
    """The rule of three, for costs: with only zeros seen, an event of `UNSEEN` nats may have been missed."""
    for n in (512, 8192):
        found = skew_t(np.zeros(n), 0.002, floor=0.0)
        assert found.low == 0
        assert math.log(2 / 0.002) * UNSEEN / n < found.high < 1.2 * math.log(2 / 0.002) * UNSEEN / n


def test_every_datapoint_needs_no_interval():
    found = exact(np.array([0.0, 0.5, 1.0]))
    assert (found.low, found.value, found.high, found.method) == (0.5, 0.5, 0.5, "every datapoint")


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ([], "share", "one number per datapoint"),
        ([[0.5, 0.5]], "share", "one number per datapoint"),
        ([0.5, math.nan], "share", "1 of 2 values are not finite"),
        ([0.5, math.inf, math.inf], "loss", "2 of 3 values are not finite"),
        ([0.5, 1.1], "share", "lie in"),
        ([-0.1, 0.2], "loss", "lie in"),
        ([0.5, 1.0], "binary", "are 0 or 1"),
        ([0.5], "loss", "needs two"),
    ],
)
def test_what_does_not_fit_is_refused(values, kind, said):
    with pytest.raises(Unmeasurable if "finite" in said else ValueError, match=said):
        interval(np.array(values), kind, 0.01)


def test_single_precision_may_stray_a_little():
    assert interval(np.array([1.0000001, 1.0], np.float32), "share", 0.01).high == 1
    assert interval(np.array([-1e-7, 0.1], np.float32), "loss", 0.01).low == 0
