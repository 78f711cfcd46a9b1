"""Meter: what a model does under interventions, as numbers per datapoint and case, each measured once."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from circuitlang.cache import Cache, key_of
from circuitlang.circuit.cut import Cut, run_without, without_edge
from circuitlang.circuit.intervene import Act, prepared, record
from circuitlang.model import score
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.transformer import Attention, Edit, Transformer
from circuitlang.prompts.encode import Batch, encode
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Split
from circuitlang.site import Node, Place, Site

CHUNK = 32
"""Datapoints of one forward pass. Fixed: a datapoint's numbers then never depend on how many were asked for."""

Where = tuple[tuple[str, int, int], ...]
Values = NDArray[np.float64]
Table = NDArray[np.generic]
"""(datapoint, case)"""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is done to the model and on which prompts. `edges`: weights that are taken away."""

    acts: tuple[Act, ...] = ()
    cuts: tuple[Cut, ...] = ()
    edges: tuple[tuple[Node, Node], ...] = ()
    where: Where = ()
    split: Split = "test"

    @staticmethod
    def keep(nodes: Sequence[Node], split: Split = "test") -> Setting:
        return Setting((Act("keep", tuple(nodes)),), split=split)

    @staticmethod
    def drop(nodes: Sequence[Node], split: Split = "test") -> Setting:
        return Setting((Act("drop", tuple(nodes)),), split=split)

    @property
    def untouched(self) -> Setting:
        """Nothing done, on the same prompts."""
        return Setting(where=self.where, split=self.split)

    @property
    def on_select(self) -> Setting:
        return replace(self, split="select")


UNTOUCHED = Setting()


@dataclass(frozen=True, slots=True)
class Look:
    """What is read off: `scores` of the answers; `divergence` from the untouched model; the `attention` of a head
    between two marks; the `activation` of a node at a mark (None: everywhere), or how well it `stands out` there."""

    kind: str = "scores"
    node: Node | None = None
    head: tuple[int, int] | None = None
    marks: tuple[str | None, ...] = ()


SCORES = Look()


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
    _found: dict[tuple[Setting, Look, int], dict[str, Table]] = field(default_factory=dict)
    _keys: dict[tuple[Setting, Look], str] = field(default_factory=dict)

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

    def table(self, setting: Setting, name: str, datapoints: int, look: Look = SCORES) -> Table:
        """(datapoint, case) of the first `datapoints` datapoints. Names of `scores`: loss (nats), choice (0 the answer,
        i the i-th foil), mass and probability (of answer and foils, of the answer alone), says (bit c: the choice is
        the answer of case c); of every other look its kind."""
        chunks = [self._chunk(setting, look, chunk)[name] for chunk in range(-(-datapoints // CHUNK))]
        return np.concatenate(chunks)[:datapoints]

    def _chunk(self, setting: Setting, look: Look, chunk: int) -> dict[str, Table]:
        place = (setting, look, chunk)
        if place not in self._found:
            if (setting, look) not in self._keys:
                # both are plain data, whose text names all that they hold
                self._keys[setting, look] = key_of("measured", self.key, repr(setting), repr(look))
            key = key_of(self._keys[setting, look], chunk)
            stored = self.cache.get(key)
            found = _read(stored) if stored else self._run(setting, look, chunk)
            if not stored:
                self.cache.put(key, _write(found))
            self._found[place] = found
        return self._found[place]

    @torch.no_grad()
    def _run(self, setting: Setting, look: Look, chunk: int) -> dict[str, Table]:
        batch = self.prompts(setting.split, setting.where, chunk)
        model, edit = self._prepared(setting, batch)

        def logits() -> Tensor:
            return run_without(model, batch, edit, setting.cuts, self.mean)

        match look.kind:
            case "scores":
                found = scores(logits(), batch)
            case "divergence":
                found = {look.kind: _divergence(score.answer_logits(self.checkpoint.model, batch), logits())}
            case "attention":
                found = {look.kind: _attention(self._cut(setting), batch, edit, look)}
            case _:
                assert look.node is not None
                value = record(self._cut(setting), batch, edit, {look.node.site})[look.node.site][..., look.node.index]
                measure = _activation if look.kind == "activation" else _stands_out
                found = {look.kind: measure(value, batch, look.marks[0])}
        shape = (batch.datapoints, batch.cases)
        return {name: values.reshape(shape) for name, values in found.items()}

    def _prepared(self, setting: Setting, batch: Batch) -> tuple[Transformer, Edit]:
        return prepared(self._cut(setting), batch, setting.acts, self.mean)

    def _cut(self, setting: Setting) -> Transformer:
        """The model without the edges, and not compacted: what is read off may be at a site that ablation makes constant,
        as the queries of a head of which a circuit keeps keys and values only."""
        model = self.checkpoint.model
        for source, target in setting.edges:
            model = without_edge(model, source, target, self.mean)
        return model


def scores(logits: Tensor, batch: Batch) -> dict[str, Table]:
    """(prompt) each."""
    chosen = score.choice(logits, batch)
    return {
        "loss": score.loss(logits, batch).cpu().numpy().astype(np.float32),
        "choice": chosen.cpu().numpy().astype(np.int16),
        "mass": score.mass(logits, batch).cpu().numpy().astype(np.float32),
        "probability": score.probability(logits, batch).cpu().numpy().astype(np.float32),
        "says": _says(chosen.cpu().numpy(), batch),
    }


def _says(chosen: NDArray[np.integer], batch: Batch) -> Table:
    """(prompt) the cases whose answer is the choice, as bits."""
    rows = np.arange(len(batch))
    if batch.one_sided:
        claimed = batch.negated == (chosen == 0)  # whether "not this text" is what was chosen
        answers = batch.negated.reshape(-1, batch.cases)[rows // batch.cases]
        same = answers == claimed[:, None]
    else:
        tokens = np.where(chosen == 0, batch.answer, batch.foils[rows, (chosen - 1).clip(min=0)])
        answers = batch.answer.reshape(-1, batch.cases)[rows // batch.cases]
        same = answers == tokens[:, None]
    return (same * (1 << np.arange(batch.cases, dtype=np.int64))).sum(1)


def _divergence(untouched: Tensor, changed: Tensor) -> Table:
    """(prompt) Kullback-Leibler divergence of the changed from the untouched prediction, in nats."""
    p, q = untouched.double().log_softmax(1), changed.double().log_softmax(1)
    return (p.exp() * (p - q)).sum(1).clamp(min=0).cpu().numpy()


def _attention(model: Transformer, batch: Batch, edit: Edit, look: Look) -> Table:
    """(prompt) share of a head's attention from the tokens of the first mark to those of the second."""
    assert look.head is not None
    layer, head = look.head
    sites = (Site(layer, Place.Q), Site(layer, Place.K))
    found = record(model, batch, edit, set(sites))
    attention = model.attention[layer]
    assert isinstance(attention, Attention)
    pattern = attention.pattern(found[sites[0]], found[sites[1]])[:, head].cpu().numpy()
    source, target = (_positions(batch, mark) for mark in look.marks)
    return np.array(
        [pattern[row][np.ix_(source[row], target[row])].sum(1).mean() for row in range(len(batch))],
        np.float64,
    )


def _activation(value: Tensor, batch: Batch, mark: str | None) -> Table:
    """(prompt) mean value over the tokens of a mark."""
    numbers = value.double().cpu().numpy()
    return np.array([numbers[row][places].mean() for row, places in enumerate(_positions(batch, mark))])


def _stands_out(value: Tensor, batch: Batch, mark: str | None) -> Table:
    """(prompt) how often a token of the mark has a larger value than another token of the prompt; ties count half."""
    numbers = value.double().cpu().numpy()
    found = []
    for row, places in enumerate(_positions(batch, mark)):
        others = np.setdiff1d(np.arange(1, batch.end[row] + 1), places)
        if not len(others):
            raise ValueError(f"the mark `{mark}` is all of a prompt: there is no other token")
        here, there = numbers[row][places][:, None], numbers[row][others][None]
        found.append(((here > there) + 0.5 * (here == there)).mean())
    return np.array(found)


def _positions(batch: Batch, mark: str | None) -> list[list[int]]:
    """Per prompt the positions of a mark's tokens; None is all but the token in front. Raises ValueError where a prompt
    has none."""
    if mark is None:
        return [list(range(1, int(end) + 1)) for end in batch.end]
    found = [list(marks.get(mark, ())) for marks in batch.marks]
    for row, places in enumerate(found):
        if not places:
            raise ValueError(f"the mark `{mark}` is empty in a prompt of case {row % batch.cases + 1}")
    return found


def _write(found: Mapping[str, Table]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **found)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


def _read(data: bytes) -> dict[str, Table]:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
