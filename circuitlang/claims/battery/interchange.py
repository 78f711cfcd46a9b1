"""Are the circuit's values and attention the model's own? Interchange both ways, and the patterns of kept heads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from circuitlang.circuit.intervene import behind_pattern, pattern, record
from circuitlang.circuit.mask import compact
from circuitlang.claims.battery.check_result import Answer, Threshold
from circuitlang.claims.battery.runs import HALF, VARIED, Context, Run, counted, over_cases, worst_outcome
from circuitlang.claims.interval import Values
from circuitlang.claims.measure import CHUNK
from circuitlang.claims.verdict import Interval, Outcome
from circuitlang.model import score
from circuitlang.model.transformer import Edit, unchanged
from circuitlang.prompts.encode import Batch
from circuitlang.site import Node, Place, Site

UNIFORM = 0.1
"""Total variation that is allowed a head of which the circuit keeps a value and no key. Its pattern in the circuit is
uniform whatever the prompt; that is the model's own computation only where the model's pattern is close to uniform as
well (a head that takes an even mean, as in counting). Stricter than HALF, for the circuit computes nothing there."""
STILL = 1e-6
"""Standard deviation under which a node's values count as one number; they are of order 0.1 to 10."""


def interchange(context: Context) -> Answer:
    """4: the model's values in the circuit, the circuit's in the model, and how alike they are."""
    runs: dict[str, Run] = {
        "the model's values in the circuit": partial(_into_circuit, context),
        "the circuit's values in the model": partial(_into_model, context),
    }
    tables = {name: context.tables(name, run, VARIED) for name, run in runs.items()}
    over = {name: context.margin(found) for name, found in tables.items()}
    outcome, _ = worst_outcome({name: found.outcome(">=", 0.0) for name, found in over.items()})
    worst = min(over, key=lambda name: over[name].low)
    numbers: dict[str, Interval] = {"worse direction: accuracy, margin to the threshold": over[worst]}
    model = context.untouched(VARIED)
    for name, found in tables.items():
        numbers[f"{name}: accuracy"] = context.accuracy(found)
        numbers[f"{name}: agreement"] = context.share(over_cases(found["choice"] == model["choice"]))
        numbers[f"{name}: loss"] = context.loss(found)
    alike = _alike(context)
    if alike.correlations:
        numbers["mean correlation of a node"] = counted(float(np.mean(list(alike.correlations.values()))))
        numbers["same sign"] = context.interval(alike.signs, "share")
    notes = [f"the worse direction: {worst}", *alike.said()]
    needs: dict[str, Threshold] = {f"{name}: accuracy": context.accuracy_needed(VARIED) for name in tables}
    needs[next(iter(numbers))] = ">=", 0.0
    return Answer(outcome, numbers, "; ".join(notes), needs)


def attention(context: Context) -> Answer:
    """5: how far each kept head's pattern is from the model's."""
    heads = _kept_heads(context)
    if not heads:
        return Answer(Outcome.PASS, {"heads kept with a value": counted(0)}, "no head")
    found = _variation(context, sorted(heads))
    each = {head: context.interval(mean, "share") for head, (mean, _) in found.items()}
    uniform = [head for head, places in heads.items() if Place.K not in places]
    most = {head: UNIFORM if head in uniform else HALF for head in each}
    outcomes = {_named(head): each[head].outcome("<=", most[head]) for head in each}
    outcome, _ = worst_outcome(outcomes)
    worst = max(each, key=lambda head: each[head].value - most[head])
    numbers = {"worst head, total variation": each[worst]}
    numbers |= {f"{_named(head)}: total variation": each[head] for head in sorted(each)}
    last = {head: context.interval(at_end, "share") for head, (_, at_end) in found.items()}
    numbers |= {f"{_named(head)}: at the last token": last[head] for head in sorted(last)}
    notes = [f"the worst head: {_named(worst)}"]
    broken = [name for name, each_outcome in outcomes.items() if each_outcome is not Outcome.PASS]
    if broken:
        notes.append(f"not shown to be like the model's: {', '.join(broken)}")
    for head in sorted(uniform):
        without = "query and key" if Place.Q not in heads[head] else "key"
        notes.append(f"{_named(head)}: value kept, {without} ablated: uniform attention")
    needs: dict[str, Threshold] = {
        f"{_named(head)}: total variation": ("<=", most[head]) for head in sorted(each)
    }
    needs["worst head, total variation"] = "<=", most[worst]
    return Answer(outcome, numbers, "; ".join(notes), needs)


@dataclass(frozen=True)
class _Recorded:
    """One chunk of `test`. site -> (prompt, position, kept node) in the untouched model and in the circuit; and how far
    apart the patterns of a layer's heads are, layer -> (prompt, head, query)."""

    model: Mapping[Site, Tensor]
    circuit: Mapping[Site, Tensor]
    apart: Mapping[int, Tensor]


def _units(context: Context) -> dict[Site, list[int]]:
    """site -> the units that the circuit keeps, in order."""
    found: dict[Site, list[int]] = {}
    for node in context.nodes:
        found.setdefault(node.site, []).append(node.index)
    return found


@torch.no_grad()
def _recorded(context: Context, chunk: int) -> _Recorded:
    """Both runs, once for interchange and attention."""
    if chunk not in context.recorded:
        batch, units = context.meter.prompts("test", (), chunk), _units(context)
        layers = sorted({layer for layer, _ in _kept_heads(context)})
        sites = {*units, *(site for layer in layers for site in behind_pattern(layer))}
        runs = [record(context.model, batch, edit, sites) for edit in (unchanged, context.mask(batch))]
        apart = {}
        for layer in layers:
            model, circuit = (pattern(context.model, run, layer) for run in runs)
            sink = (model.sum(-1) - circuit.sum(-1)).abs()
            apart[layer] = ((model - circuit).abs().sum(-1) + sink) / 2
        kept = [{site: r[site][..., indices].clone() for site, indices in units.items()} for r in runs]
        context.recorded[chunk] = _Recorded(kept[0], kept[1], apart)
    return context.recorded[chunk]


def _putting(context: Context, values: Mapping[Site, Tensor], first: Edit) -> Edit:
    """After another edit, these values at the circuit's nodes."""
    units = _units(context)

    def edit(site: Site, x: Tensor) -> Tensor:
        x = first(site, x)
        if site in values:
            x = x.clone()
            x[..., units[site]] = values[site]
        return x

    return edit


def _into_circuit(context: Context, batch: Batch, chunk: int) -> Tensor:
    """The circuit's run with the untouched model's values at all of its nodes."""
    mask = context.mask(batch)
    edit = _putting(context, _recorded(context, chunk).model, mask)
    return score.answer_logits(compact(context.model, mask), batch, edit)


def _into_model(context: Context, batch: Batch, chunk: int) -> Tensor:
    """The untouched model with the circuit's values at all of the circuit's nodes."""
    return score.answer_logits(
        context.model, batch, _putting(context, _recorded(context, chunk).circuit, unchanged)
    )


@dataclass(frozen=True)
class _Alike:
    """`correlations`: of the nodes that are not one number in either run; a node that is one number in one run alone
    has 0. `signs` (datapoint): the share of nodes and tokens at which both runs have the same sign."""

    correlations: Mapping[Node, float]
    still: tuple[Node, ...]
    signs: Values

    def said(self) -> list[str]:
        said = []
        if self.correlations:
            node = min(self.correlations, key=lambda each: self.correlations[each])
            said.append(f"least correlated: {node} at {self.correlations[node]:.2f}")
        if self.still:
            said.append(f"the same number at every token in both: {', '.join(map(str, self.still))}")
        return said


@torch.no_grad()
def _alike(context: Context) -> _Alike:
    """Each node in the model and in the circuit, over all tokens of VARIED datapoints."""
    units = _units(context)
    sums: dict[Site, list[Tensor]] = {}
    count, signs = 0, []
    for chunk in range(-(-VARIED // CHUNK)):
        batch = context.meter.prompts("test", (), chunk)
        real = torch.from_numpy(batch.real).to(context.model.embed.device)
        recorded = _recorded(context, chunk)
        count += int(real.sum())
        same = torch.zeros(len(batch), dtype=torch.float64, device=real.device)
        for site in units:
            x, y = (each[site].double() for each in (recorded.model, recorded.circuit))
            same += ((x.sign() == y.sign()) & real.unsqueeze(-1)).double().sum((1, 2))
            x, y = x[real], y[real]
            parts = [each.sum(0) for each in (x, y, x * x, y * y, x * y)]
            sums[site] = [a + b for a, b in zip(sums[site], parts, strict=True)] if site in sums else parts
        shares = same / (real.sum(1) * max(1, len(context.nodes)))
        signs.append(shares.cpu().numpy().reshape(batch.datapoints, batch.cases).mean(1))
    correlations: dict[Node, float] = {}
    still: list[Node] = []
    for site, indices in units.items():
        x, y, xx, yy, xy = (each / count for each in sums[site])
        deviations = [(a - b * b).clamp(min=0).sqrt() for a, b in ((xx, x), (yy, y))]
        for place, index in enumerate(indices):
            node = Node(site, index)
            a, b = (float(each[place]) for each in deviations)
            if a < STILL and b < STILL:
                still.append(node)
            elif a < STILL or b < STILL:
                correlations[node] = 0.0
            else:
                correlations[node] = float((xy - x * y)[place]) / (a * b)
    return _Alike(correlations, tuple(sorted(still)), np.concatenate(signs)[:VARIED])


Head = tuple[int, int]
"""layer, head"""


def _named(head: Head) -> str:
    return f"{head[0]}.head[{head[1]}]"


def _kept_heads(context: Context) -> dict[Head, set[Place]]:
    """The heads of which a value is kept -> which of query, key and value. Without a value a pattern moves nothing of
    the circuit's."""
    found: defaultdict[Head, set[Place]] = defaultdict(set)
    for node in context.nodes:
        head, _ = context.model.config.within_head(node)
        if head is not None:
            found[node.site.layer, head].add(node.site.place)
    return {head: places for head, places in found.items() if Place.V in places}


@torch.no_grad()
def _variation(context: Context, heads: list[Head]) -> dict[Head, tuple[Values, Values]]:
    """head -> (datapoint) half the sum of absolute differences of the two patterns, the sink's share included: the
    mean over all tokens' queries, and the last token's."""
    found: defaultdict[Head, list[tuple[Values, Values]]] = defaultdict(list)
    for chunk in range(-(-VARIED // CHUNK)):
        batch = context.meter.prompts("test", (), chunk)
        real = torch.from_numpy(batch.real).to(context.model.embed.device)
        end = torch.from_numpy(batch.end).to(real.device)
        shape = (batch.datapoints, batch.cases)
        apart = _recorded(context, chunk).apart
        for layer, head in heads:
            here = apart[layer][:, head].double()
            mean = (here * real).sum(1) / real.sum(1)
            last = here.gather(1, end.unsqueeze(1)).squeeze(1)
            values = [v.cpu().numpy().reshape(shape).mean(1) for v in (mean, last)]
            found[layer, head].append((values[0], values[1]))
    return {
        head: (np.concatenate([a for a, _ in parts])[:VARIED], np.concatenate([b for _, b in parts])[:VARIED])
        for head, parts in found.items()
    }
