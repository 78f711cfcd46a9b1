"""Does the circuit work however the rest is ablated? Other stand-ins, and random parts of the rest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from circuitlang.circuit.mask import Mask
from circuitlang.circuit.reference import Drawn, places_in, pool_of_values
from circuitlang.claims.battery_runs import WAYS, Context, Run, counted, under, worst_outcome
from circuitlang.claims.check import Answer
from circuitlang.claims.measure import CHUNK
from circuitlang.claims.verdict import Interval, Outcome
from circuitlang.model import score
from circuitlang.prompts.encode import Batch
from circuitlang.prompts.stream import derive
from circuitlang.site import Place, Site

SUBSETS, FLIPS = 12, 12
"""How many random parts of the rest are ablated at first, and how many single sites the search then turns over."""
UNGATED = "zero"
"""0 is a value that few nodes with a bias ever take, so breaking under it says little: reported, and does not gate."""


def ablations(context: Context) -> Answer:
    """2: every way of ablating, and the worst."""
    zero = {site: torch.zeros_like(mean) for site, mean in context.mean.items()}
    subset, tried, usual = _worst_subset(context)
    ways: dict[str, Run] = {
        "mean over text": under(context.model, Mask(context.mask.keep, context.mean)),
        "mean over the task": under(context.model, Mask(context.mask.keep, task_mean(context))),
        "resampled from text": _resampled(context),
        "random part of the rest": under(context.model, subset),
        UNGATED: under(context.model, Mask(context.mask.keep, zero)),
    }
    tables = {name: context.tables(name, run, WAYS) for name, run in ways.items()}
    over = {name: context.over_bar(found) for name, found in tables.items()}
    outcomes = {name: found.outcome(">=", 0.0) for name, found in over.items() if name != UNGATED}
    outcome, _ = worst_outcome(outcomes)
    worst = min(outcomes, key=lambda name: over[name].low)
    numbers: dict[str, Interval] = {"worst way: accuracy over the bar": over[worst]}
    numbers |= {f"{name}: accuracy": context.accuracy(found) for name, found in tables.items()}
    numbers |= {f"{name}: loss": context.loss(found) for name, found in tables.items()}
    numbers[f"median of {SUBSETS} random parts: loss on select"] = counted(usual)
    broken = [name for name, each in outcomes.items() if each is not Outcome.PASS]
    note = f"does not hold for: {', '.join(broken)}" if broken else f"the worst way: {worst}"
    said = f"{note}; the part of the rest is the worst of {tried}, found on `select`; zero does not count"
    return Answer(outcome, numbers, said)


@torch.no_grad()
def task_mean(context: Context) -> dict[Site, Tensor]:
    """site -> (unit): means over all tokens of WAYS datapoints of `select`, in float64."""
    totals = {site: mean.double() * 0 for site, mean in context.mean.items()}
    count = 0
    for chunk in range(-(-WAYS // CHUNK)):
        batch = context.meter.prompts("select", (), chunk)
        real = torch.from_numpy(batch.real).to(context.model.embed.device)
        count += int(real.sum())

        def add(site: Site, x: Tensor, real: Tensor = real) -> Tensor:
            if site.place is not Place.FINAL:
                totals[site] += x[real].double().sum(0)
            return x

        score.answer_logits(context.model, batch, add)
    return {site: (total / count).float() for site, total in totals.items()}


def _resampled(context: Context) -> Run:
    """Values of other places in the reference text. The same places for the same seed and chunk."""
    pool = pool_of_values(context.model, context.meter.checkpoint.reference)

    def run(batch: Batch, chunk: int) -> Tensor:
        places = places_in(pool, batch.tokens.shape, "resampled", context.seed, chunk)
        return score.answer_logits(context.model, batch, Mask(context.mask.keep, Drawn(pool, places)))

    return run


def _worst_subset(context: Context) -> tuple[Mask, int, float]:
    """The part of the rest whose ablation costs most on the first datapoints of `select`, how many were
    tried, and the median loss of the random ones.

    Half of the random parts are of whole sites, half of single nodes; then the worst one's sites are turned over one
    after another, each kept so where that makes it worse.
    """
    sites = sorted(context.mask.keep)
    draw = _generator("parts of the rest", context.seed)

    def measured(kept: Mapping[Site, Tensor]) -> tuple[float, Mask]:
        mask = Mask({s: torch.maximum(kept[s], context.mask.keep[s]) for s in sites}, context.mean)
        batch = context.meter.prompts("select", (), 0)
        with torch.no_grad():
            loss = float(score.loss(under(context.model, mask)(batch, 0), batch).double().mean())
        return (np.inf if np.isnan(loss) else loss), mask

    def drawn(number: int) -> dict[Site, Tensor]:
        whole = number % 2 == 0
        shares = {s: draw.integers(0, 2, 1 if whole else len(context.mask.keep[s])) for s in sites}
        like = context.mask.keep
        return {s: torch.from_numpy(shares[s]).to(like[s]).expand_as(like[s]).clone() for s in sites}

    parts = [drawn(number) for number in range(SUBSETS)]
    tried = [(*found, kept) for found, kept in zip(context.meter.each(measured, parts), parts, strict=True)]
    worst, mask, kept = max(tried, key=lambda each: each[0])
    for site in (sites[int(i)] for i in draw.permutation(len(sites))[:FLIPS]):
        other = kept | {site: 1 - kept[site]}
        loss, changed = measured(other)
        if loss > worst:
            worst, mask, kept = loss, changed, other
    usual = float(np.median([loss for loss, _, _ in tried]))
    return mask, SUBSETS + min(FLIPS, len(sites)), usual


def _generator(*parts: str | int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(int.from_bytes(derive(*parts)[:8], "little")))
