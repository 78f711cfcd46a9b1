"""Claims that are false because their bound is the exact value of a planted model, over every datapoint of `test`.

Tasks with few datapoints are listed (circuitlang/prompts/every.py) and measured on all of them; then the claim "beyond
that value" is judged as any claim is, on datapoints that the task's generator draws, with another seed for every claim.
In half of the tasks the answers are drawn at random, so that nothing can be right on more than half of them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.judge.subject import finder_of, meter_of
from benchmarks.judge.synthetic import Null
from benchmarks.planted.circuits import Planted, brackets, quotes
from circuitlang.circuit.extract import extract
from circuitlang.claims.assess import Assessor
from circuitlang.claims.judge import Measure, judge
from circuitlang.claims.kind import kind_of
from circuitlang.claims.looks import Plan
from circuitlang.claims.measure import Meter
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import Claim, Spec
from circuitlang.prompts.enumeration import every_datapoint
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Datapoint, Prompt

PLAN = Plan((64, 512), 0.99)
"""Fewer datapoints than any of the tasks has, so that none is measured on all of them."""
NOISE, EMBEDDED = 0.1, 0.3
"""Of the weights and of the embedding: so large that the models are wrong on a part of the prompts and losses vary."""
AT_RANDOM = "with shuffled answers"

_QUOTES = """
task planted {
  rule letter = "a" | "b" | "c" | "d" | "e" | "f"
  draw first, second = "g" | "h" | "i" | "j" | "k" | "l" | "m" | "n"
  DRAW
  prompt "{first}{second}={open}{letter}{letter}"
  case double with open = '"' answer ANSWER1
  case single with open = "'" answer ANSWER2
}
"""
_BRACKETS = """
task planted {
  rule digit = 0..9
  draw first, second = "g" | "h" | "i" | "j" | "k" | "l" | "m" | "n"
  DRAW
  prompt "{first}{second}={open}{digit},{digit}"
  case flat with open = "[" answer ANSWER2
  case nested with open = "[[[[" answer ANSWER1
}
"""
_CLAIMS = {
    "quotes": """
  circuit { role kind = neuron in layer 0 role copier = head in layer 1 kind -> copier.value }
  claim a: loss given keep(circuit) <= 1
  claim b: loss given scale(kind = 0.1) <= 1
  claim c: accuracy given scale(kind = 0.1) >= 50%
  claim d: accuracy given scale(kind = 0.1) for case double >= 50%
  claim e: agreement given scale(kind = 0.1) >= 50%
  claim f: flip given scale(kind = 0.1) <= 50%
  claim g: rise given keep(circuit) <= 0.1
  claim h: kl given keep(circuit) <= 0.1
  claim i: mass given keep(circuit) >= 1%
  claim j: probability given drop(circuit) for case single >= 1%
  claim k: attention(copier, from=end, to=open) >= 80%
  claim l: activation(kind, at=open) for case double >= 1
  claim m: auroc(kind, at=letter) >= 50%
  claim n: accuracy given drop(circuit) >= 50%
  claim o: loss given drop(circuit) >= 0.1
  claim p: loss given drop(kind -> copier.value) >= 0.1
""",
    "brackets": """
  circuit { role averager = head in layer 0 role threshold = neuron in layer 0 averager -> threshold }
  claim a: loss given keep(circuit) <= 1
  claim b: loss given scale(threshold = 0.2) <= 1
  claim c: accuracy given scale(threshold = 0.2) >= 50%
  claim d: accuracy given set(threshold = 0.9) >= 50%
  claim e: agreement given set(threshold = 0.9) >= 50%
  claim f: flip given set(threshold = 0.9) for case flat <= 50%
  claim g: rise given keep(circuit) <= 0.1
  claim h: kl given drop(circuit) <= 0.1
  claim i: activation(threshold, at=end) for case nested >= 1
  claim j: loss given drop(averager -> threshold) >= 0.1
""",
}
_TASKS = {"quotes": (quotes, _QUOTES, ("'\"'", '"\'"')), "brackets": (brackets, _BRACKETS, ('"]"', '"\\n"'))}


class Census:
    """Stands in for a generator: datapoint i of `test` is the i-th of all that there are."""

    def __init__(self, generator: Generator) -> None:
        belongs = generator.feature.belongs("test")
        self.task = generator.task
        self.drawn = Generator(generator.task, 0)
        self.all = [
            made for made in every_datapoint(self.task) if all(belongs(prompt.text) for prompt in made)
        ]

    def datapoint(self, split: str, index: int, where: object = None) -> Datapoint:
        if split != "test":  # roles and diagrams are chosen on `select`, as ever
            return self.drawn.datapoint(split, index)  # pyright: ignore[reportArgumentType]
        return Datapoint("test", index, self.all[index % len(self.all)], False)


@dataclass
class Population:
    """One task on one model, all datapoints measured. `random`: whether its answers are drawn."""

    name: str
    random: bool

    @cached_property
    def planted(self) -> Planted:
        """With noise in the embedding too: so every token matters a little."""
        planted = _TASKS[self.name][0](NOISE, 1)
        model = copy.deepcopy(planted.checkpoint.model)
        with torch.no_grad():
            noise = torch.randn(model.embed.shape, generator=torch.Generator().manual_seed(1))
            model.embed += EMBEDDED * noise
        return replace(planted, checkpoint=replace(planted.checkpoint, model=model))

    @cached_property
    def spec(self) -> Spec:
        _, task, (one, two) = _TASKS[self.name]
        drawn = f"draw one, two = {one} | {two}" if self.random else ""
        answers = ('"{one}"', '"{two}"') if self.random else (one, two)
        task = task.replace("DRAW", drawn).replace("ANSWER1", answers[0]).replace("ANSWER2", answers[1])
        low, high = PLAN.samples
        head = f'spec null {{ task = planted model = "zoo:any" verdict {{ samples = {low}..{high} }}'
        return load_text(task + head + _CLAIMS[self.name] + "}", "null.cir").specs["null"]

    @cached_property
    def census(self) -> Census:
        return Census(Generator(self.spec.task, 0))

    @cached_property
    def places(self) -> Mapping[tuple[tuple[str, str], ...], int]:
        return {_name(made): place for place, made in enumerate(self.census.all)}

    def assessor(self, generator: Generator | Census) -> Assessor:
        checkpoint, settings = self.planted.checkpoint, self.spec.prune
        meter: Meter = meter_of(checkpoint, generator, settings)  # pyright: ignore[reportArgumentType]
        finder = finder_of(checkpoint, Generator(self.spec.task, 0))
        graph = extract(
            checkpoint.model,
            meter.ablation,
            sorted(self.planted.nodes),
            finder.prompts("select", 0, 16),
            checkpoint.tokenizer,
        )
        return Assessor(meter, graph, self.spec.verdict, 0, self.spec.circuit)

    @cached_property
    def values(self) -> list[tuple[Claim, NDArray[np.float64]]]:
        """For every claim the value of each datapoint there is."""
        assessor, found = self.assessor(self.census), []
        for claim in self.spec.claims:
            (view,) = assessor.views(claim.left).values()
            values = assessor.measure(claim, view, None)(len(self.census.all))
            assert isinstance(values, np.ndarray)
            assert np.isfinite(values).all(), claim.text
            if np.ptp(values) > 0:  # of what never varies every sample shows the truth
                found.append((claim, np.asarray(values, np.float64)))
        return found

    def false(self, claim: Claim, values: NDArray[np.float64], turned: bool) -> Claim:
        """The claim that the value lies beyond what it is; `turned`: on the other side."""
        up = (claim.relation in (">", ">=")) != turned
        return replace(claim, relation=">" if up else "<", right=float(np.mean(values)))

    def nulls(self, seeds: range) -> Iterator[Null]:
        """Each claim on both sides, with every seed; both read their values off the table of all datapoints."""
        assessor = self.assessor(self.census)
        for seed in seeds:
            generator = Generator(self.spec.task, seed)
            drawn = generator.datapoints("test", range(len(self.values) * 2 * PLAN.samples[1]))
            for claim, values in self.values:
                for turned in (False, True):
                    places = [self.places[_name(next(drawn).prompts)] for _ in range(PLAN.samples[1])]
                    sample = values[places]
                    found = judge(
                        self.false(claim, values, turned),
                        _first(sample),
                        kind_of(claim.left, assessor.meter.cases),
                        PLAN,
                    )
                    yield Null(self.kind, found.text, found.outcome)

    def anew(self, seeds: range) -> Iterator[Null]:
        """The same by the whole of the judge: prompts, model, interventions, intervals."""
        for seed in seeds:
            assessor = self.assessor(Generator(self.spec.task, seed))
            claim, values = self.values[seed % len(self.values)]
            found = assessor.judge(self.false(claim, values, bool(seed // len(self.values) % 2)))
            yield Null(f"{self.kind}, measured anew", found.text, found.outcome)

    @property
    def kind(self) -> str:
        return f"a planted model{', ' + AT_RANDOM if self.random else ''}"


def _name(prompts: tuple[Prompt, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((prompt.text, prompt.answer) for prompt in prompts)


def _first(values: NDArray[np.float64]) -> Measure:
    return lambda n: values[:n]


def populations() -> list[Population]:
    return [Population(name, random) for random in (False, True) for name in _TASKS]
