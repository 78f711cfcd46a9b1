"""What the battery's checks share: the circuit, its runs in many ways, and their numbers per datapoint and case."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.find import Finder
from circuitlang.circuit.graph import CircuitGraph
from circuitlang.circuit.mask import Mask, compact, keeping
from circuitlang.claims.battery.check_result import Threshold
from circuitlang.claims.interval import Kind, Values, interval
from circuitlang.claims.look import Table, divergence, scores
from circuitlang.claims.measure import CHUNK, Meter, Where
from circuitlang.claims.verdict import Interval, Outcome
from circuitlang.language.program.spec import Ablate, VerdictSettings
from circuitlang.model import score
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.prompts.prompt import Split
from circuitlang.site import Node, Site
from circuitlang.source.diagnostic import Unmeasurable

HALF = 0.5
"""A circuit must keep at least this share of the model's advantage over chance: below it, most of what the model does
on these prompts is not the circuit's doing. Every threshold of the battery that is a share follows from it."""
LOOKED = 512
"""Datapoints of `test` for the circuit as it is: those of a claim's first look, unless the spec says otherwise."""
VARIED = 256
"""Datapoints of `test` for every variation: another ablation, swapped values. One look each, so nothing is shared
out."""

Run = Callable[[Batch, int], Tensor]
"""(prompts, number of the chunk) -> (prompt, vocabulary) logits where the answer is predicted."""


@dataclass
class Context:
    """A circuit under examination. `finder`: of the same model and task, makes other ablations; `ablate`: the spec's
    own; `graph`: the circuit, with every node's ablation effect; `wheres`: of the claims."""

    finder: Finder
    ablate: Ablate
    meter: Meter
    graph: CircuitGraph
    settings: VerdictSettings
    seed: int
    wheres: tuple[Where, ...] = ()
    recorded: dict[int, Any] = field(default_factory=dict, repr=False)  # of claims/battery/interchange.py
    _found: dict[tuple[str, Split, Where, int], dict[str, Table]] = field(default_factory=dict)
    _logits: dict[tuple[Split, Where, int], Tensor] = field(default_factory=dict)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        return self.graph.kept

    @property
    def model(self) -> Transformer:
        return self.meter.checkpoint.model

    @cached_property
    def keep(self) -> Keep:
        """What the circuit keeps."""
        return keeping(self.nodes, self.model.config, self.meter.ablation.mean).keep

    def mask(self, batch: Batch) -> Mask:
        """The circuit as the spec ablates, for these prompts."""
        return Mask(self.keep, self.meter.ablation.of(batch))

    @property
    def alpha(self) -> float:
        """Probability that an interval misses, both sides together: each number has one look."""
        return 1 - self.settings.confidence

    def interval(self, values: Values, kind: Kind) -> Interval:
        """`values` (datapoint,), each a mean over cases."""
        return interval(values, kind, self.alpha)

    def tables(
        self, name: str, run: Run, datapoints: int, split: Split = "test", where: Where = ()
    ) -> dict[str, Table]:
        """(datapoint, case) each: loss, choice (0 is the answer), kl and binary (divergence from the untouched model,
        over the vocabulary and over answer and foils), and candidates (datapoint, case, answer and foils). Equal names
        are run once."""
        found = self.meter.each(
            lambda chunk: self._chunk(name, run, chunk, split, where), range(-(-datapoints // CHUNK))
        )
        widest = max(part["candidates"].shape[2] for part in found)
        for part in found:
            missing = widest - part["candidates"].shape[2]
            part["candidates"] = np.pad(
                part["candidates"], ((0, 0), (0, 0), (0, missing)), constant_values=-np.inf
            )
        return {key: np.concatenate([part[key] for part in found])[:datapoints] for key in found[0]}

    @torch.no_grad()
    def _chunk(self, name: str, run: Run, chunk: int, split: Split, where: Where) -> dict[str, Table]:
        place = (name, split, where, chunk)
        if place not in self._found:
            batch = self.meter.prompts(split, where, chunk)
            logits = run(batch, chunk)
            at = (split, where, chunk)
            if at not in self._logits:
                self._logits[at] = score.answer_logits(self.model, batch)
            ours, models = (score.sides(each, batch) for each in (logits, self._logits[at]))
            tables = scores(logits, batch)
            found = {
                "loss": tables["loss"],
                "choice": tables["choice"],
                "kl": divergence(self._logits[at], logits),
                "binary": divergence(models, ours, models == -torch.inf),  # a foil that a prompt has not
            }
            shape = (batch.datapoints, batch.cases)
            self._found[place] = {key: values.reshape(shape) for key, values in found.items()}
            self._found[place]["candidates"] = ours.cpu().numpy().reshape(*shape, -1)
        return self._found[place]

    def untouched(self, datapoints: int, split: Split = "test", where: Where = ()) -> dict[str, Table]:
        """The model as it is."""
        return self.tables(
            "untouched", lambda b, _: score.answer_logits(self.model, b), datapoints, split, where
        )

    def kept(self, datapoints: int, split: Split = "test", where: Where = ()) -> dict[str, Table]:
        """The circuit as it is: everything else ablated as the spec says."""
        return self.tables(
            "circuit", under(self.model, self.keep, self.meter.ablation), datapoints, split, where
        )

    def chance(self, datapoints: int) -> Values:
        """(datapoint): how often a choice at random between the answer and its foils is right."""
        found = []
        for chunk in range(-(-datapoints // CHUNK)):
            batch = self.meter.prompts("test", (), chunk)
            found.append((1 / batch.choices).reshape(batch.datapoints, batch.cases).mean(1))
        return np.concatenate(found)[:datapoints]

    def accuracy(self, tables: Mapping[str, Table]) -> Interval:
        return self.share(right(tables))

    def share(self, values: Values) -> Interval:
        """Of the share of a datapoint's prompts."""
        return self.interval(values, "binary" if self.meter.cases == 1 else "share")

    def loss(self, tables: Mapping[str, Table]) -> Interval:
        return self.interval(over_cases(tables["loss"]), "loss")

    def margin(self, tables: Mapping[str, Table]) -> Interval:
        """Accuracy less its threshold on the same prompts."""
        return self.interval(right(tables) - self._threshold(len(tables["choice"])), "difference")

    def accuracy_needed(self, n: int) -> Threshold:
        """The mean threshold over n datapoints."""
        return ">=", float(self._threshold(n).mean())

    def _threshold(self, n: int) -> Values:
        """(datapoint): chance + HALF (the model's accuracy - chance)."""
        chance, model = self.chance(n), right(self.untouched(n))
        return chance + HALF * (model - chance)


Keep = Mapping[Site, Tensor]
"""site -> (unit), 1 where it is kept."""


def under(model: Transformer, keep: Keep, ablation: Ablation) -> Run:
    """The model with what is not kept ablated; sub-layers that write nothing kept are not computed."""

    def run(batch: Batch, _: int) -> Tensor:
        mask = Mask(keep, ablation.of(batch))
        return score.answer_logits(compact(model, mask), batch, mask)

    return run


def over_cases(table: Table) -> Values:
    """(datapoint): the mean over cases."""
    return np.asarray(table, np.float64).mean(1)


def right(tables: Mapping[str, Table]) -> Values:
    """(datapoint): the share of prompts with the right choice."""
    return over_cases(tables["choice"] == 0)


def worst_outcome(outcomes: Mapping[str, Outcome]) -> tuple[Outcome, str]:
    """The worst, and the name of what has it; of equals the first."""
    name = max(outcomes, key=lambda each: outcomes[each].severity)
    return outcomes[name], name


def counted(number: float) -> Interval:
    """What is counted or computed exactly, not sampled. Unmeasurable where it is not finite."""
    if not math.isfinite(number):
        raise Unmeasurable("a number is not finite")
    return Interval(float(number), float(number), float(number), 0, "count")
