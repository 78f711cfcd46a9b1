"""How often intervals of losses miss, by simulation: the table in docs/verdicts.md."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from scipy.special import bdtr, ndtri, stdtrit

from circuitlang.claims.interval import UNSEEN, skew_t

DOCS = Path(__file__).parents[2] / "docs" / "verdicts.md"
START, END = "<!-- coverage: written by tests/claims/test_coverage.py -->", "<!-- coverage ends -->"
ALPHA = 0.002  # one of five looks at confidence 0.99; half of it on each side
SAMPLES = 5_000
FIRST, LAST = 512, 8192  # datapoints at the first look and at the last


def rare(share: float, base: float) -> Callable[[np.ndarray], np.ndarray]:
    """Losses that are exponential with mean `base`, but for a share that is uniform on 2 to 6 nats."""

    def losses(u: np.ndarray) -> np.ndarray:
        high = 2 + 4 * u / share
        return np.where(u < share, high, -base * np.log1p(-(u - share) / (1 - share)))

    return losses


@dataclass(frozen=True)
class Losses:
    """Losses per prompt as a function of a uniform number; `prompts` independent ones make a datapoint."""

    name: str
    of: Callable[[np.ndarray], np.ndarray]
    prompts: int = 2

    @cached_property
    def mean(self) -> float:
        """By the midpoint rule, fine enough for every tail that a sample of thousands can show."""
        u = (np.arange(1_000_000) + 0.5) / 1_000_000
        return float(self.of(u).mean())

    def draw(self, generator: np.random.Generator, samples: int, n: int) -> np.ndarray:
        return self.of(generator.random((samples, n, self.prompts))).mean(axis=2)


SCENARIOS = (
    Losses("3 % of prompts at 2 to 6 nats", rare(0.03, 0.03)),
    Losses("the same, both prompts at once", rare(0.03, 0.03), prompts=1),
    Losses("0.5 % at 2 to 6 nats", rare(0.005, 0.02)),
    Losses("0.1 % at 2 to 6 nats", rare(0.001, 0.02)),
    Losses("normal margin, 5 ± 3 nats", lambda u: np.logaddexp(0, -(5 + 3 * ndtri(u)))),
    Losses("no information, margin 0 ± 0.5", lambda u: np.logaddexp(0, -0.5 * ndtri(u))),
    Losses("lognormal, σ 1.7", lambda u: np.exp(-3.5 + 1.7 * ndtri(u)), prompts=1),
)


def student(samples: np.ndarray, quantile: float) -> np.ndarray:
    n = samples.shape[1]
    return samples.mean(1) + quantile * samples.std(1, ddof=1) / np.sqrt(n)


def skewed(samples: np.ndarray, quantile: float, unseen: np.ndarray) -> np.ndarray:
    """One limit of `skew_t` for many samples at once."""
    values = np.concatenate([samples, unseen[:, None]], axis=1)
    n, mean = values.shape[1], values.mean(1)
    away = values - mean[:, None]
    variance = (away**2).mean(1)
    a = (away**3).mean(1) / variance**1.5 / np.sqrt(n)
    t = 3 / a * (np.cbrt(1 + a * (quantile - a / 6)) - 1)
    return mean - t * np.sqrt(variance / (n - 1))


def limits(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    quantile = float(stdtrit(samples.shape[1], 1 - ALPHA / 2))
    high = skewed(samples, -quantile, np.maximum(UNSEEN, samples.max(1)))
    low = skewed(samples, quantile, np.zeros(len(samples)))
    return np.maximum(low, 0), high


@dataclass(frozen=True)
class Row:
    """Shares of samples whose limit lies on the wrong side of the mean; how far ours reaches up, next to t's."""

    losses: Losses
    student_below: float
    student_above: float
    below: float
    above: float
    reach: tuple[float, float]

    @property
    def cells(self) -> tuple[str, ...]:
        shares = (self.student_below, self.student_above, self.below, self.above)
        return (
            self.losses.name,
            f"{self.losses.mean:.3f}",
            *(f"{100 * share:.2f} %" for share in shares),
            *(f"{times:.2f}" for times in self.reach),
        )


def row(losses: Losses, seed: int) -> Row:
    generator = np.random.default_rng(seed)
    truth = losses.mean
    samples = losses.draw(generator, SAMPLES, FIRST)
    quantile = float(stdtrit(FIRST - 1, 1 - ALPHA / 2))
    low, high = limits(samples)
    for i in range(20):
        whole = skew_t(samples[i], ALPHA, floor=0.0)
        assert (whole.low, whole.high) == pytest.approx((low[i], high[i]), rel=1e-6, abs=1e-9)
    return Row(
        losses,
        student_below=float((student(samples, quantile) < truth).mean()),
        student_above=float((student(samples, -quantile) > truth).mean()),
        below=float((high < truth).mean()),
        above=float((low > truth).mean()),
        reach=(reach(samples[:1000]), reach(losses.draw(generator, 20, LAST))),
    )


def reach(samples: np.ndarray) -> float:
    """How much further up than Student's t ours goes from the sample's mean, on average."""
    quantile = float(stdtrit(samples.shape[1] - 1, 1 - ALPHA / 2))
    mean = samples.mean(1)
    return float((limits(samples)[1] - mean).mean() / (student(samples, quantile) - mean).mean())


@pytest.mark.slow
def test_coverage_of_losses(request):
    found = [row(losses, seed) for seed, losses in enumerate(SCENARIOS)]
    allowed = next(k for k in range(SAMPLES) if bdtr(k, SAMPLES, ALPHA / 2) > 0.999)
    for one in found:
        assert one.below * SAMPLES <= allowed, f"{one.losses.name}: {one.below:.2%} of upper limits too low"
        assert one.above * SAMPLES <= allowed, f"{one.losses.name}: {one.above:.2%} of lower limits too high"
    assert max(one.student_below for one in found) > 0.3, "Student's t is no longer seen to fail"

    heads = (
        "losses, two prompts each",
        "mean",
        "t: <=",
        "t: >=",
        "ours: <=",
        "ours: >=",
        "reach",
        "at 8,192",
    )
    table = [
        f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *(one.cells for one in found))
    ]
    text = DOCS.read_text(encoding="utf-8")
    head, rest = text.split(START)
    written, tail = rest.split(END)
    if request.config.getoption("--promote"):
        DOCS.write_text("\n".join([head + START, *table, END + tail]), encoding="utf-8")
        return
    assert written.strip().splitlines() == table, "if the new table is right: pytest --promote"
