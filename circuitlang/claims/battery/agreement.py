"""Does the circuit do what the model does? Agreement, frozen norms, held-out prompts, and a logit calibration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from circuitlang.circuit.norms import logits_with_scales, scales_of
from circuitlang.circuit.unneeded import Edges
from circuitlang.claims.battery.check_result import Answer, Threshold
from circuitlang.claims.battery.runs import HALF, LOOKED, VARIED, Context, counted, over_cases
from circuitlang.claims.interval import Values
from circuitlang.claims.look import Table
from circuitlang.claims.measure import CHUNK
from circuitlang.claims.verdict import Interval, Outcome
from circuitlang.prompts.encode import NO_FOIL, Batch
from circuitlang.prompts.prompt import Split
from circuitlang.source.diagnostic import Unmeasurable

BELOW = 0.05
"""Nats by which a circuit's loss may be below the model's: it then gives the right answer, in the geometric mean, 5 %
more probability. Ablating takes noise away too, so that a little is no sign of another computation; more than that is
a circuit that does better than what it is said to explain (the third failure of Gao et al. 2025, section 7)."""
TOO_GOOD = "below the model's loss"
SCALES, SHIFTS = (0.1, 10.0), (-20.0, 20.0)
"""Where a calibration is searched for: on prompts that are all answered rightly the best scale has no limit."""
_FITTED: tuple[Split, Split] = ("select", "test")  # fitted on the first, reported on the second

Floats = NDArray[np.float64]


def agreement(context: Context) -> Answer:
    """1: the untouched model's choice, right or wrong, and what it gives every answer and every token."""
    kept, model = context.kept(LOOKED), context.untouched(LOOKED)
    same = kept["choice"] == model["choice"]
    agreed = over_cases(same)
    chance = context.chance(LOOKED)
    over = context.interval(agreed - (chance + HALF * (1 - chance)), "difference")
    rise = context.interval(over_cases(kept["loss"]) - over_cases(model["loss"]), "real")
    outcome, said = over.outcome(">=", 0.0), []
    numbers = {
        "agreement": context.share(agreed),
        "margin to the threshold": over,
        "loss minus the model's": rise,
        "KL over answer and foils": context.interval(over_cases(kept["binary"]), "loss"),
        "KL over all tokens": context.interval(over_cases(kept["kl"]), "loss"),
    }
    wrong = model["choice"] != 0
    rows = wrong.any(1)
    said.append(f"the model is wrong on {int(wrong.sum()):,} of {wrong.size:,} prompts")
    numbers["prompts that the model gets wrong"] = counted(int(wrong.sum()))
    if rows.any():
        values = (same & wrong)[rows].sum(1) / wrong[rows].sum(1)
        numbers["agreement where the model is wrong"] = context.interval(values, "share")
    if rise.high < -BELOW:
        outcome = Outcome.FAIL
        said.insert(0, f"{TOO_GOOD} by more than {BELOW:g} nats")
    needs: dict[str, Threshold] = {
        "agreement": (">=", float((chance + HALF * (1 - chance)).mean())),
        "loss minus the model's": (">=", -BELOW),
    }
    return Answer(outcome, numbers, "; ".join(said), needs)


def needed_edges(context: Context) -> Answer:
    """2: the circuit without the edges that the search found it reaches its target without."""
    circuit, out = Edges(context.model, context.meter.ablation, context.nodes), context.graph.unneeded
    tables = context.tables("needed edges", lambda batch, _: circuit.logits(out, batch), VARIED)
    over = context.margin(tables)
    numbers = {
        "accuracy": context.accuracy(tables),
        "margin to the threshold": over,
        "loss": context.loss(tables),
        "edges": counted(context.graph.edge_count),
        "edges that are drawn": counted(context.graph.needed_edge_count),
    }
    note = f"{context.graph.needed_edge_count:,} of {context.graph.edge_count:,} edges"
    return Answer(over.outcome(">=", 0.0), numbers, note, {"accuracy": context.accuracy_needed(VARIED)})


def norms(context: Context) -> Answer:
    """3: the same, where the circuit cannot move the norms."""

    def frozen(batch: Batch, _: int) -> Tensor:
        return logits_with_scales(context.model, batch, context.mask(batch), scales_of(context.model, batch))

    tables, model = context.tables("frozen norms", frozen, VARIED), context.untouched(VARIED)
    same = over_cases(tables["choice"] == model["choice"])
    numbers = {
        "agreement": context.share(same),
        "loss": context.loss(tables),
        "loss with norms of its own": context.loss(context.kept(VARIED)),
    }
    return Answer(None, numbers)


def held_out(context: Context) -> Answer:
    """6: prompts with choices that occur in `test` only, and the params' values that the claims name."""
    numbers: dict[str, Interval] = {}
    notes = []
    kept, model = context.kept(LOOKED), context.untouched(LOOKED)
    if context.meter.generator.holds_out:
        unseen = np.arange(LOOKED) % 2 == 1
        for name, rows in (("held out", unseen), ("not held out", ~unseen)):
            numbers |= _side_by_side(
                context, name, *({k: t[rows] for k, t in s.items()} for s in (kept, model))
            )
    else:
        notes.append("the task holds nothing out")
    for where in context.wheres:
        name = ", ".join(f"{p} = {low}" if low == high else f"{p} = {low}..{high}" for p, low, high in where)
        both = context.kept(VARIED, where=where), context.untouched(VARIED, where=where)
        numbers |= _side_by_side(context, name, *both)
    if not context.wheres:
        notes.append("no claim names values of a param")
    if not numbers:
        numbers = _side_by_side(context, "all prompts", kept, model)
    return Answer(None, numbers, "; ".join(notes))


def _side_by_side(
    context: Context, name: str, kept: Mapping[str, Table], model: Mapping[str, Table]
) -> dict[str, Interval]:
    return {
        f"{name}: accuracy": context.accuracy(kept),
        f"{name}: the model's accuracy": context.accuracy(model),
        f"{name}: loss": context.loss(kept),
        f"{name}: the model's loss": context.loss(model),
    }


def calibration(context: Context) -> Answer:
    """9: the loss after a scale and a shift of the binary logit difference, fitted on `select`."""
    chosen, tested = (context.kept(LOOKED, split) for split in _FITTED)
    signs = [_signs(context, split) for split in _FITTED]
    notes = []
    select, test = signs
    if select is None or test is None:
        select = test = None
        notes.append("more than two answers: only a scale is fitted")
    scale, shift = fit(chosen["candidates"], select)
    values = calibrated(tested["candidates"], test, scale, shift).mean(1)
    if scale in SCALES:
        notes.append("the temperature hit its limit")
    numbers = {
        "loss, calibrated": context.interval(values, "loss"),
        "loss": context.loss(tested),
        "scale": counted(scale),
        "shift": counted(shift),
    }
    return Answer(None, numbers, "; ".join(notes))


def fit(candidates: Table, signs: Floats | None) -> tuple[float, float]:
    """The scale and shift of least mean loss. `candidates` (datapoint, case, answer and foils); `signs`, of that shape:
    1 for one of the two answers, 0 for the other, None where there are more. Convex, so the start does not matter."""

    if not np.isfinite(np.asarray(candidates, np.float64)[..., 0]).all():
        raise Unmeasurable("logits are not finite")

    def cost(parameters: Floats) -> float:
        return float(calibrated(candidates, signs, *map(float, parameters)).mean())

    bounds = [SCALES, SHIFTS if signs is not None else (0.0, 0.0)]
    found = minimize(cost, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=bounds)
    if not np.isfinite(found.x).all():
        raise Unmeasurable("no calibration was found")
    return float(found.x[0]), float(found.x[1])


def calibrated(candidates: Table, signs: Floats | None, scale: float, shift: float) -> Values:
    """(datapoint, case) nats: the loss of scale · logit + shift · sign."""
    scores = scale * np.asarray(candidates, np.float64)
    if signs is not None:
        scores = scores + shift * signs
    return np.maximum(np.logaddexp.reduce(scores, axis=2) - scores[..., 0], 0.0)


def _signs(context: Context, split: Split) -> Floats | None:
    """As `fit` wants them; None where the prompts have more than two answers."""
    found, tokens = [], set()
    for chunk in range(-(-LOOKED // CHUNK)):
        batch = context.meter.prompts(split, (), chunk)
        if batch.one_sided:
            rows = np.stack([~batch.negated, batch.negated], 1).astype(np.float64)
        else:
            ids = np.concatenate([batch.answer[:, None], batch.foils], 1)
            tokens |= set(ids[ids != NO_FOIL].tolist())
            if len(tokens) > 2 or ids.shape[1] != 2:
                return None
            rows = (ids == min(tokens)).astype(np.float64)
        found.append(rows.reshape(batch.datapoints, batch.cases, 2))
    return np.concatenate(found)[:LOOKED]
