"""Does the circuit work however the complement is ablated? Other donors, parts of the complement, other ablations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import get_args

import numpy as np
import torch

from circuitlang.circuit.ablation import Ablation, FromTask, FromText
from circuitlang.circuit.adversary import worst_part
from circuitlang.claims.battery.check_result import Answer
from circuitlang.claims.battery.runs import VARIED, Context, Keep, counted, under, worst_outcome
from circuitlang.claims.verdict import Interval, Outcome
from circuitlang.language.program.spec import Ablate
from circuitlang.model import score
from circuitlang.prompts.stream import derive
from circuitlang.site import Site

SUBSETS, FLIPS = 12, 12
"""How many random parts of the complement are ablated at first, and how many single sites the search then turns
over."""


def ablations(context: Context) -> Answer:
    """2: every variation of the ablation, and the worst of those that gate: other draws of the spec's own ablation, and
    parts of the complement. The other ablations say how far the claim reaches."""
    own = context.meter.ablation
    random, usual = _worst_random(context)
    runs: dict[str, tuple[Keep, Ablation]] = {
        name: (context.keep, each) for name, each in _draws(context, own)
    }
    runs["random part of the complement"] = random, own
    runs["gradient-chosen part of the complement"] = _worst_by_gradient(context), own
    gating = tuple(runs)
    for ablate in get_args(Ablate):
        if ablate != context.ablate:
            runs[ablate] = context.keep, context.finder.ablation(ablate, own.mean)
    tables = {name: context.tables(name, under(context.model, *run), VARIED) for name, run in runs.items()}
    margins = {name: context.margin(tables[name]) for name in gating}
    outcome, _ = worst_outcome({name: found.outcome(">=", 0.0) for name, found in margins.items()})
    worst = min(gating, key=lambda name: margins[name].low)
    numbers: dict[str, Interval] = {f"worst ablation, {worst}: accuracy": context.accuracy(tables[worst])}
    numbers["worst ablation: margin to the threshold"] = margins[worst]
    numbers |= {f"{name}: accuracy": context.accuracy(found) for name, found in tables.items()}
    numbers |= {f"{name}: loss": context.loss(found) for name, found in tables.items()}
    numbers[f"median of {SUBSETS} random parts: loss on select"] = counted(usual)
    needed = context.accuracy_needed(VARIED)
    needs = {f"{name}: accuracy": needed for name in (f"worst ablation, {worst}", *gating)}
    broken = [name for name in gating if margins[name].outcome(">=", 0.0) is not Outcome.PASS]
    note = f"does not hold for: {', '.join(broken)}; " if broken else ""
    note += "parts of the complement are chosen on `select`; other kinds of ablation are informational"
    return Answer(outcome, numbers, note, needs)


def _draws(context: Context, own: Ablation) -> Iterator[tuple[str, Ablation]]:
    """The spec's own ablation, drawn otherwise; nothing where it draws nothing."""
    if isinstance(own, FromTask):
        yield "fresh donors", replace(own, donors=context.finder.donors(seed=1), _recent={})
        yield "other-case donors", replace(own, donors=context.finder.donors(cases="other"), _recent={})
        yield "a donor per site", replace(own, by_site=True, _recent={})
    elif isinstance(own, FromText):
        yield "fresh donors", replace(own, seed=1)


def _loss_on_select(context: Context, keep: Keep) -> float:
    """Nats per prompt with this kept, on the first datapoints of `select`; infinite where it is no number."""
    batch = context.meter.prompts("select", (), 0)
    with torch.no_grad():
        loss = float(
            score.loss(under(context.model, keep, context.meter.ablation)(batch, 0), batch).double().mean()
        )
    return np.inf if np.isnan(loss) else loss


def _worst_random(context: Context) -> tuple[Keep, float]:
    """The part of the complement whose ablation costs most, and the median loss of the random parts that were tried.

    Half of them are of whole sites, half of single nodes; then the worst one's sites are turned over one after another,
    each kept so where that makes it worse.
    """
    sites = sorted(context.keep)
    draw = np.random.Generator(np.random.PCG64(int.from_bytes(derive("parts", context.seed)[:8], "little")))

    def with_circuit(kept: Mapping[Site, torch.Tensor]) -> Keep:
        return {s: torch.maximum(kept[s], context.keep[s]) for s in sites}

    def drawn(number: int) -> Keep:
        whole = number % 2 == 0
        shares = {s: draw.integers(0, 2, 1 if whole else len(context.keep[s])) for s in sites}
        like = context.keep
        return {s: torch.from_numpy(shares[s]).to(like[s]).expand_as(like[s]).clone() for s in sites}

    def loss(kept: Keep) -> float:
        return _loss_on_select(context, with_circuit(kept))

    parts = [drawn(number) for number in range(SUBSETS)]
    losses = context.meter.each(loss, parts)
    worst, kept = max(zip(losses, parts, strict=True), key=lambda each: each[0])
    for site in (sites[int(i)] for i in draw.permutation(len(sites))[:FLIPS]):
        other = {**kept, site: 1 - kept[site]}
        if (found := loss(other)) > worst:
            worst, kept = found, other
    return with_circuit(kept), float(np.median(losses))


def _worst_by_gradient(context: Context) -> Keep:
    """What is kept under the worst attack of an adversary who sees the loss's gradient on `select`."""
    batch = context.meter.prompts("select", (), 0)
    _, back = worst_part(context.model, context.mask(batch), batch)
    return {site: kept + back[site] for site, kept in context.keep.items()}
