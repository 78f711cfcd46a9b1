"""One function per metric of the vocabulary: what a model does under an intervention, as numbers per datapoint."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from circuitlang.cache import Cache, key_of
from circuitlang.circuit.compact import compact
from circuitlang.circuit.mask import Mask, keeping
from circuitlang.model import score
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.transformer import unchanged
from circuitlang.program.plugins import metric_row
from circuitlang.prompts.encode import Batch, encode
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Split
from circuitlang.site import Node, Site

CHUNK = 32
"""Datapoints of one forward pass. Fixed: a datapoint's numbers then never depend on how many were asked for."""

Where = tuple[tuple[str, int, int], ...]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is done to the model (`mode`, to these `nodes`) and on which prompts."""

    mode: Literal["untouched", "keep", "drop"] = "untouched"
    nodes: tuple[Node, ...] = ()
    where: Where = ()
    split: Split = "test"


UNTOUCHED = Setting()


@dataclass(frozen=True)
class Scores:
    """(datapoint, case) each: loss in nats, choice (0 the answer, i the i-th foil), mass of answer and foils."""

    loss: NDArray[np.float32]
    choice: NDArray[np.int16]
    mass: NDArray[np.float32]

    @staticmethod
    def joined(parts: Sequence[Scores]) -> Scores:
        return Scores(
            np.concatenate([p.loss for p in parts]),
            np.concatenate([p.choice for p in parts]),
            np.concatenate([p.mass for p in parts]),
        )

    def first(self, n: int) -> Scores:
        return Scores(self.loss[:n], self.choice[:n], self.mass[:n])

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, loss=self.loss, choice=self.choice, mass=self.mass)
        return buffer.getvalue()

    @staticmethod
    def from_bytes(data: bytes) -> Scores:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return Scores(arrays["loss"], arrays["choice"], arrays["mass"])


@dataclass
class Meter:
    """Measures one model on one task, and remembers. `key` names everything that decides a number but the setting.

    Datapoint i of a setting is the same in every setting with the same prompts, so that differences are paired.
    """

    checkpoint: Checkpoint
    generator: Generator
    mean: Mapping[Site, Tensor]
    cache: Cache
    key: str
    _prompts: dict[tuple[Split, Where, int], Batch] = field(default_factory=dict)
    _scores: dict[tuple[Setting, int], Scores] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        return len(self.generator.task.cases)

    def prompts(self, split: Split, where: Where, chunk: int) -> Batch:
        """Datapoints [chunk * CHUNK, (chunk + 1) * CHUNK)."""
        place = (split, where, chunk)
        if place not in self._prompts:
            pins = {name: (low, high) for name, low, high in where}
            indices = range(chunk * CHUNK, (chunk + 1) * CHUNK)
            datapoints = [self.generator.datapoint(split, i, pins) for i in indices]
            context = self.checkpoint.model.config.context
            self._prompts[place] = encode(datapoints, self.checkpoint.tokenizer, context)
        return self._prompts[place]

    def scores(self, setting: Setting, datapoints: int) -> Scores:
        """Of the first `datapoints` datapoints."""
        chunks = [self._chunk(setting, chunk) for chunk in range(-(-datapoints // CHUNK))]
        return Scores.joined(chunks).first(datapoints)

    def _chunk(self, setting: Setting, chunk: int) -> Scores:
        place = (setting, chunk)
        if place not in self._scores:
            names = [str(node) for node in setting.nodes]
            where = [f"{name}={low}..{high}" for name, low, high in setting.where]
            key = key_of("scores", self.key, setting.mode, names, where, setting.split, chunk)
            found = self.cache.get(key)
            scores = Scores.from_bytes(found) if found else self._run(setting, chunk)
            if not found:
                self.cache.put(key, scores.to_bytes())
            self._scores[place] = scores
        return self._scores[place]

    @torch.no_grad()
    def _run(self, setting: Setting, chunk: int) -> Scores:
        batch = self.prompts(setting.split, setting.where, chunk)
        model, edit = self.checkpoint.model, unchanged
        if setting.mode != "untouched":
            mask = self._mask(setting)
            model, edit = compact(model, mask), mask
        logits = score.answer_logits(model, batch, edit)
        shape = (batch.datapoints, batch.cases)
        return Scores(
            score.loss(logits, batch).cpu().numpy().astype(np.float32).reshape(shape),
            score.choice(logits, batch).cpu().numpy().astype(np.int16).reshape(shape),
            score.mass(logits, batch).cpu().numpy().astype(np.float32).reshape(shape),
        )

    def _mask(self, setting: Setting) -> Mask:
        mask = keeping(setting.nodes, self.checkpoint.model.config, self.mean)
        return mask if setting.mode == "keep" else mask.complement()


@dataclass(frozen=True, slots=True)
class View:
    """A setting and the untouched model on the same prompts, of one case (its column) or of all."""

    meter: Meter
    setting: Setting
    case: int | None

    def _table(self, scores: Scores, values: NDArray[np.generic]) -> Values:
        table = np.asarray(values, np.float64)
        return table.mean(1) if self.case is None else table[:, self.case]

    def loss(self, n: int) -> Values:
        """Nats per prompt between the answer and its foils."""
        scores = self.meter.scores(self.setting, n)
        return self._table(scores, scores.loss)

    def accuracy(self, n: int) -> Values:
        """Share of prompts with the right choice."""
        scores = self.meter.scores(self.setting, n)
        return self._table(scores, scores.choice == 0)

    def mass(self, n: int) -> Values:
        """Probability of answer and foils together, over the whole vocabulary."""
        scores = self.meter.scores(self.setting, n)
        return self._table(scores, scores.mass)

    def rise(self, n: int) -> Values:
        """Loss minus the untouched model's on the same prompts, in nats."""
        return self.loss(n) - View(self.meter, self._untouched(), self.case).loss(n)

    def agreement(self, n: int) -> Values:
        """Share of prompts on which the choice equals the untouched model's."""
        here = self.meter.scores(self.setting, n)
        there = self.meter.scores(self._untouched(), n)
        return self._table(here, here.choice == there.choice)

    def _untouched(self) -> Setting:
        return Setting(where=self.setting.where, split=self.setting.split)


METRICS: Mapping[str, tuple[Callable[[View, int], Values], Literal["loss", "share", "real"]]] = {
    "loss": (View.loss, "loss"),
    "accuracy": (View.accuracy, "share"),
    "rise": (View.rise, "real"),
    "agreement": (View.agreement, "share"),
}
"""The sampled metrics of the vocabulary, each with the kind of its values; `nodes` and `edges` are counted."""


def measured(name: str) -> tuple[Callable[[View, int], Values], Literal["loss", "share", "real"]]:
    """The function that measures a metric, and the kind of its values; a plug-in's by the words of its row."""
    if name in METRICS:
        return METRICS[name]
    row = metric_row(name)
    module, _, function = row.measure.partition(":")
    kind = "share" if row.unit == "share" else "loss" if row.unit == "nats" and row.low == 0 else "real"
    return getattr(import_module(module), function), kind
