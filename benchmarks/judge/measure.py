"""All parts of the benchmark, shared among processes, and what has to be true of their results."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter

import torch
from scipy.special import bdtrc, betaincinv

from benchmarks.judge import circuits, population, same, synthetic
from benchmarks.judge.circuits import Mutated, Pruned
from benchmarks.judge.same import Same
from benchmarks.judge.synthetic import Null
from circuitlang.claims.verdict import Outcome

CONFIDENCE = 0.99
"""Of every null's verdict; the share of false passes has to be within the rest."""
MUTATED_PASSES = 0.01
"""The largest share of mutated specs that may pass."""
SYNTHETIC, SEEDS, ANEW, RUNS = 1100, 10, 20, 1000
"""Synthetic nulls; seeds of each population; nulls of each that are measured anew; runs of the judging step."""
QUICK = (148, 1, 2, 8)
QUICK_MUTATIONS = 12  # of each circuit
QUICK_TASKS = (0, 2)  # populations: the first, with its own answers and with shuffled ones
PARTS = ("same", "nulls", "specs")
PIECES = 4
"""Into which the synthetic nulls are split."""


Job = tuple[Callable[..., object], tuple[object, ...]]


@dataclass(frozen=True)
class Results:
    """What was found. `seconds`: wall clock, of everything."""

    pruned: list[Pruned]
    mutated: Mutated
    nulls: list[Null]
    same: Same
    seconds: float

    @cached_property
    def mutations(self) -> Counter[str]:
        """How often each outcome; `refused` is the checker's."""
        return sum(self.mutated.counts.values(), Counter())

    def passes(self, kind: str | None = None) -> tuple[int, int]:
        """How many nulls (of a kind) pass, and how many there are."""
        of = [null.outcome for null in self.nulls if kind in (None, null.kind)]
        return of.count(Outcome.PASS), len(of)

    @property
    def wrong(self) -> list[str]:
        """What is not as it has to be, in words."""
        return list(self._wrong())

    def _wrong(self) -> Iterator[str]:
        for one in self.pruned:
            if one.outcome is not Outcome.PASS:
                yield f"a true spec: {one.variation}: {one.outcome}: {'; '.join(one.failed)}"
            if min(*one.nodes.values(), *one.edges.values()) < 1:
                yield f"pruning: {one.variation}: nodes {one.nodes}, edges {one.edges}"
        total = sum(self.mutations.values()) - self.mutations["refused"]
        if self.mutations[Outcome.PASS] > MUTATED_PASSES * total:
            yield f"{self.mutations[Outcome.PASS]} of {total} mutated specs pass"
        passes, nulls = self.passes()
        if nulls and passes > allowed(nulls):
            yield f"{passes} of {nulls} nulls pass, {allowed(nulls)} may"
        if self.same.digests != self.same.circuits:
            yield f"{self.same.digests} different results of {self.same.circuits} circuits"
        yield from self.same.flipped


def allowed(nulls: int) -> int:
    """How many nulls may pass: as many as leave the upper 95 % limit of their share (Clopper-Pearson, one-sided) within
    1 - confidence; 12 of 2,000. Of fewer nulls than could show that, as many as are to be expected once in a thousand
    runs at that share."""
    error = 1 - CONFIDENCE
    if share_limit(0, nulls) <= error:
        return max(k for k in range(nulls) if k == 0 or share_limit(k, nulls) <= error)
    return min(k for k in range(nulls + 1) if bdtrc(k, nulls, error) < 0.001)


def share_limit(passes: int, nulls: int) -> float:
    """The upper 95 % limit, one-sided, of Clopper and Pearson."""
    return 1.0 if passes == nulls else float(betaincinv(passes + 1, nulls - passes, 0.95))


def measure(quick: bool, processes: int, parts: Collection[str] = PARTS) -> Results:
    """`processes`: 1 works in this one. `parts`: of PARTS, those to be measured."""
    start = perf_counter()
    count, seeds, anew, runs = QUICK if quick else (SYNTHETIC, SEEDS, ANEW, RUNS)
    variations = circuits.variations(quick)
    tasks = QUICK_TASKS if quick else range(len(population.populations()))
    jobs: dict[str, list[Job]] = {
        "same": [(same.measure, (runs, *([1] if quick else [])))],
        "nulls": [
            *((_population, (number, seeds, anew)) for number in tasks),
            *((_synthetic, (number, count // PIECES)) for number in range(PIECES)),
        ],
        "specs": [
            (circuits.run, (v, circuits.mutated(v), QUICK_MUTATIONS if quick else None)) for v in variations
        ],
    }
    found = list(_shared([job for part in parts for job in jobs[part]], processes))
    nulls = [null for part in found if isinstance(part, list) for null in part]
    parts = [part for part in found if isinstance(part, tuple)]
    repeated = next((part for part in found if isinstance(part, Same)), Same(0, 0, 0, 0, ()))
    pruned, mutated = circuits.joined(parts)
    return Results(pruned, mutated, nulls, repeated, perf_counter() - start)


def _synthetic(number: int, count: int) -> list[Null]:
    return list(synthetic.nulls(number * count, (number + 1) * count))


def _population(number: int, seeds: int, anew: int) -> list[Null]:
    one = population.populations()[number]
    return [*one.nulls(range(1, 1 + seeds)), *one.anew(range(1000, 1000 + anew))]


def _shared(jobs: Sequence[Job], processes: int) -> Iterator[object]:
    if processes == 1:
        for function, arguments in jobs:
            yield function(*arguments)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for waiting in [pool.submit(function, *arguments) for function, arguments in jobs]:
            yield waiting.result()
