"""Claims that are false because of how their numbers are drawn: the bound is the exact mean, and the claim is that the
mean lies beyond it. Many distributions, of every kind of values that claims have, and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from circuitlang.claims.interval import Kind
from circuitlang.claims.judge import Measure, judge, judge_each
from circuitlang.claims.looks import Plan
from circuitlang.claims.verdict import Outcome
from circuitlang.language.program.spec import Claim, Quantity
from circuitlang.source.diagnostic import Source, Span

Values = NDArray[np.float64]
Relation = Literal["<", ">"]
PLANS = (Plan((64, 512), 0.99), Plan((128, 1024), 0.99), Plan((512, 4096), 0.99))
SPAN = Span(Source("null", ""), 0, 0)
GRID = 1_000_000
"""Points of the midpoint rule for a mean without a closed form."""


@dataclass(frozen=True)
class Drawn:
    """Values per prompt as a function of a uniform number; `prompts` of them make a datapoint. `mean`: exact where
    given, else by the midpoint rule. `odd`: another function for every second datapoint, as where a draw is held
    out."""

    name: str
    kind: Kind
    of: Callable[[Values], Values]
    prompts: int = 1
    exact: float | None = None
    odd: Callable[[Values], Values] | None = None

    @cached_property
    def mean(self) -> float:
        if self.exact is not None:
            return self.exact
        u = (np.arange(GRID) + 0.5) / GRID
        halves = [self.of, self.odd or self.of]
        return float(np.mean([half(u).mean() for half in halves]))

    def draw(self, generator: np.random.Generator, n: int) -> Values:
        u = generator.random((n, self.prompts))
        values = self.of(u)
        if self.odd is not None:
            values[1::2] = self.odd(u[1::2])
        return values.mean(axis=1)


def _share(p: float) -> Callable[[Values], Values]:
    return lambda u: (u < p).astype(np.float64)


def _rare(share: float, base: float) -> Callable[[Values], Values]:
    """Exponential with mean `base`, but for a share that is uniform on 2 to 6 nats."""
    return lambda u: np.where(
        u < share, 2 + 4 * u / share, -base * np.log1p(-np.clip((u - share) / (1 - share), 0, 1 - 1e-16))
    )


DISTRIBUTIONS: tuple[Drawn, ...] = (
    *(
        Drawn(f"right on {p:.1%}", "binary", _share(p), 1, p)
        for p in (0.5, 0.9, 0.95, 0.99, 0.999, 0.05, 0.002)
    ),
    Drawn("right on all, or on 80 % of what is held out", "binary", _share(1.0), 1, 0.9, _share(0.8)),
    *(Drawn(f"right on {p:.1%} of two prompts", "share", _share(p), 2, p) for p in (0.5, 0.95, 0.99)),
    Drawn("right on 95.0% of four prompts", "share", _share(0.95), 4, 0.95),
    Drawn("both prompts right or both wrong", "share", _share(0.95), 1, 0.95),
    Drawn("a probability, mostly 0 or 1", "share", lambda u: np.sin(np.pi * u / 2) ** 2, 1, 0.5),
    Drawn("a probability near 1", "share", lambda u: u**0.05, 1, 1 / 1.05),
    Drawn("a mass near 0", "share", lambda u: 0.02 * u, 2, 0.01),
    Drawn("3 % of losses at 2 to 6 nats", "loss", _rare(0.03, 0.03), 2),
    Drawn("3 %, both prompts at once", "loss", _rare(0.03, 0.03), 1),
    Drawn("0.5 % of losses at 2 to 6 nats", "loss", _rare(0.005, 0.02), 2),
    Drawn("0.1 % of losses at 2 to 6 nats", "loss", _rare(0.001, 0.02), 2),
    Drawn("losses at a margin of 5 ± 3 nats", "loss", lambda u: np.logaddexp(0, -(5 + 3 * ndtri(u))), 2),
    Drawn("losses near chance", "loss", lambda u: np.logaddexp(0, -0.5 * ndtri(u)), 2),
    Drawn(
        "lognormal losses, σ 1.7",
        "loss",
        lambda u: np.exp(-3.5 + 1.7 * ndtri(u)),
        1,
        float(np.exp(-3.5 + 1.7**2 / 2)),
    ),
    Drawn("losses that hardly vary", "loss", lambda u: 0.05 + 0.001 * u, 2, 0.0505),
    Drawn("3 % of losses, of what is held out alone", "loss", _rare(1e-9, 0.02), 2, None, _rare(0.06, 0.02)),
    Drawn("a rise, both ways", "real", lambda u: 0.3 * ndtri(u), 2, 0.0),
    Drawn("a rise that is rarely large", "real", _rare(0.01, 0.01), 2),
    Drawn("a fall that is rarely large", "real", lambda u: -_rare(0.01, 0.01)(u), 2),
)


@dataclass(frozen=True)
class Null:
    """One false claim and its outcome. `kind`: what it stands under in the table."""

    kind: str
    name: str
    outcome: Outcome


def claim(relation: Relation, bound: float | Quantity) -> Claim:
    return Claim("null", Quantity("loss"), relation, bound, "a claim that is false", SPAN)


def nulls(start: int, stop: int) -> Iterator[Null]:
    """Those with the numbers start to stop, each of its own random numbers: by turns a quantity at its mean (two of
    four), two equal quantities, the members of `each`; of every distribution, relation and plan."""
    for number in range(start, stop):
        generator = np.random.default_rng((2026, number))
        made = (_single, _single, _paired, _each)[number % 4]
        yield made(number // 4, generator)


def _around(number: int) -> tuple[Drawn, Relation, Plan]:
    """A loss or a share claimed to be below its mean or above it; mostly the side where the claim is usual."""
    drawn = DISTRIBUTIONS[number % len(DISTRIBUTIONS)]
    turn = number // len(DISTRIBUTIONS)
    usual: Relation = "<" if drawn.kind in ("loss", "real") else ">"
    other: Relation = ">" if usual == "<" else "<"
    return drawn, (usual, usual, other)[turn % 3], PLANS[(turn + number) % len(PLANS)]


def _single(number: int, generator: np.random.Generator) -> Null:
    drawn, relation, plan = _around(number)
    values = drawn.draw(generator, plan.samples[1])
    found = judge(claim(relation, drawn.mean), lambda n: values[:n], drawn.kind, plan)
    return Null(f"{drawn.kind} at its mean", f"{drawn.name}, {relation}", found.outcome)


def _paired(number: int, generator: np.random.Generator) -> Null:
    """Two quantities with one mean on the same datapoints: alike on a part of them, as a circuit and its model."""
    drawn, relation, plan = _around(number)
    n = plan.samples[1]
    left, fresh = drawn.draw(generator, n), drawn.draw(generator, n)
    right = np.where(generator.random(n) < (0.0, 0.5, 0.95)[number % 3], left, fresh)
    found = judge(claim(relation, Quantity("loss")), lambda k: (left[:k], right[:k]), drawn.kind, plan)
    return Null("two equal quantities", f"{drawn.name}, {relation}", found.outcome)


def _each(number: int, generator: np.random.Generator) -> Null:
    """Of several members one lies at the bound, and the others well on the claimed side or at it, too."""
    drawn, relation, plan = _around(number)
    n, members = plan.samples[1], (2, 10, 30)[number % 3]
    better = -1.0 if relation == "<" else 1.0
    alone = number % 2 == 0
    kind: Kind = "real" if drawn.kind in ("loss", "real") else drawn.kind
    tables = {"bad": drawn.draw(generator, n)}
    for member in range(1, members):
        values = drawn.draw(generator, n)
        if alone:
            values = values + better if kind == "real" else np.full(n, 1.0 if better > 0 else 0.0)
        tables[str(member)] = values

    def measure(values: Values) -> Measure:
        return lambda k: values[:k]

    found = judge_each(
        claim(relation, drawn.mean), {name: measure(v) for name, v in tables.items()}, kind, plan
    )
    return Null("each of several members", f"{drawn.name}, {relation}, {members} members", found.outcome)
