"""A failed claim -> the smallest prompt found on which it breaks, with what was expected and what was answered.

The datapoints that the claim was judged on show where it breaks; Hypothesis then looks for a smaller prompt among all
that the task can draw for `test`, and shrinks it: towards the first alternatives, the fewest repetitions, the smallest
numbers. Its choices are seeded and counted, so that the same check finds the same prompt on every machine.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from random import Random

import numpy as np

from circuitlang.claims.measure import Meter, Setting
from circuitlang.claims.metrics import METRICS, View, measured
from circuitlang.claims.verdict import Counterexample, Verdict
from circuitlang.language.program.plugins import metric_row
from circuitlang.language.program.spec import Claim, Quantity
from circuitlang.prompts.encode import encode
from circuitlang.prompts.prompt import Datapoint
from circuitlang.storage.cache import Cache

ASKED = 120
"""Datapoints that the model is asked while searching and shrinking; some 20 ms each for a model of four layers."""
_WRONG_SIDE = {"<": operator.ge, "<=": operator.gt, ">": operator.le, ">=": operator.lt}


def counterexample(claim: Claim, verdict: Verdict, left: View, right: View | None) -> Counterexample | None:
    """Of a claim that failed as `verdict` says, about these views. None for a metric that says nothing about single
    prompts, and where no single prompt breaks the claim."""
    if not of_single_prompts(claim.left.metric) or verdict.interval is None:
        return None
    if right is not None and right.setting.where != left.setting.where:  # of prompts that differ
        return None
    search = _Search(claim, verdict, left, right)
    broken = search.measured(verdict.interval.datapoints)
    shrunk = search.shrunk() if broken is not None else None
    found = min((each for each in (shrunk, broken) if each is not None), key=_size, default=None)
    return None if found is None else search.answers(*found)


def of_single_prompts(metric: str) -> bool:
    """Whether its number for one prompt says something about that prompt alone: of a role's values it does not, and of
    a plug-in's nothing is known."""
    return metric in METRICS and not any(each.type == "role" for each in metric_row(metric).parameters)


Broken = tuple[Datapoint, int]  # and which of its cases


def _size(broken: Broken) -> int:
    """Characters. Of equal ones the first is taken: what was shrunk."""
    datapoint, case = broken
    return len(datapoint.prompts[case].text)


class _Search:
    """Where a claim breaks, one prompt at a time."""

    def __init__(self, claim: Claim, verdict: Verdict, left: View, right: View | None) -> None:
        self.claim, self.left, self.right = claim, left, right
        self.meter = left.meter
        self.relation, self.bound = _one_sided(verdict)
        to = left.arguments.get("to")
        names = [case.name for case in self.meter.generator.task.cases]
        every = range(len(names)) if left.case is None else [left.case]
        self.cases = [c for c in every if claim.left.metric != "flip" or names[c] != to]
        self.known: dict[tuple[str, ...], int | None] = {}

    def broken(self, meter: Meter, n: int) -> np.ndarray:
        """(datapoint, case) whether the claim breaks there, of the first n datapoints that the meter has."""
        sides = [(self.claim.left, self.left)]
        if self.right is not None and isinstance(self.claim.right, Quantity):
            sides.append((self.claim.right, self.right))
        columns = []
        for case in self.cases:
            numbers = [
                measured(quantity.metric)(_of_case(replace(view, meter=meter), case), n)
                for quantity, view in sides
            ]
            columns.append(self._breaks(numbers[0] - numbers[1] if len(numbers) == 2 else numbers[0]))
        return np.stack(columns, 1)

    def _breaks(self, values: np.ndarray) -> np.ndarray:
        """A share is 0 or 1 for one prompt: it is compared with the end of its range that is claimed, and of two of
        them equal ones break nothing. Any other number is on the wrong side of the bound."""
        high = self.relation in (">", ">=")
        if metric_row(self.claim.left.metric).binary:
            bound = 0.0 if self.right is not None else 1.0 if high else 0.0
            return values < bound if high else values > bound
        return _WRONG_SIDE[self.relation](values, self.bound)

    def measured(self, n: int) -> Broken | None:
        """The shortest prompt that breaks the claim, of those that it was judged on."""
        setting = self.left.setting
        rows, columns = np.nonzero(self.broken(self.meter, n))
        found = (
            (self.meter.datapoint(setting.split, setting.where, int(row)), self.cases[column])
            for row, column in zip(rows, columns, strict=True)
        )
        return min(found, key=_size, default=None)

    def shrunk(self) -> Broken | None:
        """What Hypothesis finds, shrunk."""
        from hypothesis import HealthCheck, Phase, find, settings
        from hypothesis.errors import HypothesisException

        from circuitlang.prompts.hypothesis_strategies import datapoints

        where = {name: (low, high) for name, low, high in self.left.setting.where}
        quiet = settings(
            max_examples=ASKED // 2,
            database=None,
            deadline=None,
            derandomize=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=[
                HealthCheck.too_slow,
                HealthCheck.filter_too_much,
                HealthCheck.data_too_large,
            ],
        )
        strategy = datapoints(self.meter.generator.task, split="test", where=where)
        try:
            found = find(strategy, self._case_of, settings=quiet, random=Random(0))
        except HypothesisException:  # nothing was found with so few examples
            return None
        case = self.known[_texts(found)]
        assert case is not None
        return found, case

    def _case_of(self, datapoint: Datapoint) -> bool:
        """Whether the claim breaks on one of its prompts. What was asked once is known; beyond the budget nothing is
        asked, so that shrinking ends where it stands."""
        key = _texts(datapoint)
        if key not in self.known:
            if len(self.known) >= ASKED:
                return False
            breaks = np.flatnonzero(self.broken(self._only(datapoint), 1)[0])
            self.known[key] = self.cases[breaks[0]] if len(breaks) else None
        return self.known[key] is not None

    def _only(self, datapoint: Datapoint) -> Meter:
        """A meter to which this datapoint is the first one, drawn or not."""
        batch = encode(
            [datapoint], self.meter.checkpoint.tokenizer, self.meter.checkpoint.model.config.context
        )
        views = [view for view in (self.left, self.right) if view is not None]
        prompts = {(view.setting.split, view.setting.where, 0): batch for view in views}
        return replace(self.meter, cache=Cache(None), _prompts=prompts, _found={}, _keys={})

    def answers(self, datapoint: Datapoint, case: int) -> Counterexample:
        """What is right there, what the untouched model says and what the intervened one does."""
        prompt = datapoint.prompts[case]
        meter = self._only(datapoint)
        views = [view for view in (self.left, self.right) if view is not None]
        changed = next((v for v in views if v.setting != v.setting.untouched), views[0]).setting

        one_sided = any(each.negated for each in datapoint.prompts)

        def said(setting: Setting) -> str:
            return prompt.said(int(meter.table(setting, "choice", 1)[0, case]), one_sided)

        expected = prompt.said(0, one_sided)
        return Counterexample(prompt.text, expected, said(changed.untouched), said(changed))


def _of_case(view: View, case: int) -> View:
    return view if view.case is not None else replace(view, case=case)


def _texts(datapoint: Datapoint) -> tuple[str, ...]:
    return tuple(prompt.text for prompt in datapoint.prompts)


def _one_sided(verdict: Verdict) -> tuple[str, float]:
    """The side of the bound that the claim failed on, also for `==`."""
    assert verdict.interval is not None
    assert verdict.bound is not None
    if verdict.relation != "==":
        return verdict.relation, verdict.bound
    return ("<=" if verdict.interval.low > verdict.bound else ">="), verdict.bound
