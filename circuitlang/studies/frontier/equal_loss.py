"""Trained models with the sizes of their circuits -> sparse against dense at equal loss, the ratios over seeds, and the
width to train next."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import geometric_mean

from scipy.special import stdtrit

from circuitlang.report.frontier import MEASURES, Comparison, Frontier, Ratio, Summary, Trained


@dataclass(frozen=True)
class Between:
    """A loss between those of two dense models of neighbouring widths. `share`: how far it is from the narrower one's
    to the wider one's, 0 to 1."""

    narrow: int
    wide: int
    share: float

    @property
    def width(self) -> float:
        """Of a dense model of equal loss; no model has it. Geometric, as widths are compared by ratio."""
        return self.narrow ** (1 - self.share) * self.wide**self.share


def between(losses: Mapping[int, float], goal: float) -> Between | None:
    """The narrowest pair of neighbours, of those that were trained, whose losses have `goal` between them."""
    widths = sorted(losses)
    for narrow, wide in pairwise(widths):
        if losses[narrow] >= goal >= losses[wide]:
            apart = losses[narrow] - losses[wide]
            return Between(narrow, wide, (losses[narrow] - goal) / apart if apart else 0.0)
    return None


def next_width(losses: Mapping[int, float], goal: float, step: int, most: int) -> int | None:
    """The dense width to train next, a multiple of `step` up to `most`, so that `goal` comes to lie between two
    neighbouring multiples; None when it does, or cannot."""
    found = between(losses, goal)
    if found is not None:
        return None if found.wide - found.narrow <= step else _middle(found.narrow, found.wide, step)
    if not losses:
        return min(2 * step, most)
    if min(losses.values()) > goal:  # all are worse
        wider = min(2 * max(losses), most)
        return wider if wider > max(losses) else None
    narrower = _middle(0, min(losses), step)
    return narrower if 0 < narrower < min(losses) else None


def _middle(low: int, high: int, step: int) -> int:
    return (low + high) // (2 * step) * step


CONFIDENCE = 0.95


def dense_beside(models: Iterable[Trained], sparse: Trained) -> tuple[Between, Trained] | None:
    """Where a sparse model's loss lies among those of the dense models of its seed, and the one of nearest loss. None
    where no two have it between them."""
    dense = {model.width: model for model in models if model.nonzeros is None and model.seed == sparse.seed}
    found = between({width: model.loss for width, model in dense.items()}, sparse.loss)
    if found is None:
        return None
    return found, min(dense.values(), key=lambda model: (abs(model.loss - sparse.loss), model.width))


def comparison(models: Iterable[Trained], sparse: Trained) -> Comparison | None:
    """None where no dense models have its loss between them."""
    found = dense_beside(models, sparse)
    if found is None:
        return None
    place, dense = found
    able = [task for task in sparse.able if task in dense.able]
    empty = [task for task in able if task in {*sparse.empty, *dense.empty}]
    ratios = (
        _ratio(measure, [task for task in able if task not in empty], sparse, dense) for measure in MEASURES
    )
    return Comparison(
        sparse=sparse.name,
        dense=dense.name,
        apart=dense.loss - sparse.loss,
        width=place.width,
        able=tuple(able),
        empty=tuple(empty),
        ratios=tuple(ratio for ratio in ratios if ratio is not None),
    )


def _ratio(measure: str, able: Sequence[str], sparse: Trained, dense: Trained) -> Ratio | None:
    sizes = {task: (sparse.size(task, measure), dense.size(task, measure)) for task in able}
    both = {task: (ours, theirs) for task, (ours, theirs) in sizes.items() if ours and theirs}
    if not both:
        return None
    ours, theirs = zip(*both.values(), strict=True)
    return Ratio(
        measure=measure, tasks=tuple(both), sparse=geometric_mean(ours), dense=geometric_mean(theirs)
    )


def summaries(models: Sequence[Trained], found: Sequence[Comparison]) -> list[Summary]:
    """The ratios of all seeds of a place in the grid, by place and measure."""
    by_name = {model.name: model for model in models}
    rows = [
        (
            by_name[each.sparse].width,
            by_name[each.sparse].nonzeros or 0,
            list(MEASURES).index(ratio.measure),
            ratio,
        )
        for each in found
        for ratio in each.ratios
    ]
    rows.sort(key=lambda row: row[:3])
    return [
        _summary(width, nonzeros, [ratio for *_, ratio in group])
        for (width, nonzeros, _), group in groupby(rows, key=lambda row: row[:3])
    ]


def _summary(width: int, nonzeros: int, ratios: Sequence[Ratio]) -> Summary:
    logs = [math.log(ratio.value) for ratio in ratios]
    count, middle = len(logs), math.fsum(logs) / len(logs)
    low = high = None
    if count > 1:
        spread = math.sqrt(math.fsum((x - middle) ** 2 for x in logs) / (count - 1) / count)
        reach = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * spread
        low, high = math.exp(middle - reach), math.exp(middle + reach)
    return Summary(
        width=width,
        nonzeros=nonzeros,
        measure=ratios[0].measure,
        value=math.exp(middle),
        low=low,
        high=high,
        seeds=count,
    )


def compared(base: str, target: float, models: Sequence[Trained], unmatched: Sequence[str]) -> Frontier:
    """All that can be said of the models that there are."""
    found = [comparison(models, model) for model in models if model.nonzeros is not None]
    there = [each for each in found if each is not None]
    return Frontier(
        base=base,
        target=target,
        confidence=CONFIDENCE,
        models=tuple(models),
        comparisons=tuple(there),
        summaries=tuple(summaries(models, there)),
        unmatched=tuple(unmatched),
    )
