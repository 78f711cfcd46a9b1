"""Meter: what a model does under interventions, as numbers per datapoint and case, each measured once."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from circuitlang.cache import Cache, key_of
from circuitlang.circuit.cut import Cut, run_without, without
from circuitlang.circuit.edge import EdgeCut, rewired
from circuitlang.circuit.intervene import Act, Recordings, masked, prepared, record
from circuitlang.circuit.shared import Shared, Trace, in_order, stage, trace
from circuitlang.claims import text
from circuitlang.claims.text import exceeds
from circuitlang.claims.verdict import UNMEASURED
from circuitlang.model import score
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.transformer import Attention, Edit, Transformer
from circuitlang.prompts.encode import Batch, encode
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.population import Population, population
from circuitlang.prompts.prompt import Datapoint, Split
from circuitlang.prompts.relabel import Relabel, as_written
from circuitlang.site import Node, Place, Site

CHUNK = 32
"""Datapoints of one forward pass. Fixed: a datapoint's numbers then never depend on how many were asked for. Of other
sizes the last digits may differ, and no verdict does (benchmarks/judge)."""

NO_CHOICE = -1
"""In place of a choice where the model's logits are not finite numbers."""

LACKS_MARK, LACKS_OTHERS = 1, 2
"""Why a prompt gives no number: no token of a mark, or no token but those of the mark."""

Where = tuple[tuple[str, int, int], ...]
Asked = Split | Literal["every"]
"""A split whose datapoints are drawn; `every`: all that `test` has, each once, in the order of `Meter.population`."""
Values = NDArray[np.float64]
Table = NDArray[np.generic]
"""(datapoint, case)"""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is done to the model and on which prompts: to nodes, to arrows, to single weights."""

    acts: tuple[Act, ...] = ()
    cuts: tuple[Cut, ...] = ()
    edges: tuple[EdgeCut, ...] = ()
    where: Where = ()
    split: Asked = "test"

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
    def plugged(self) -> bool:
        """Whether a package takes part in it."""
        return any(done.by is not None for done in (*self.acts, *self.cuts, *self.edges))

    @property
    def on_select(self) -> Setting:
        return replace(self, split="select")

    @property
    def on_every(self) -> Setting:
        return replace(self, split="every")


UNTOUCHED = Setting()


@dataclass(frozen=True, slots=True)
class Look:
    """What is read off: `scores` of the answers; `divergence` from the untouched model; the `attention` of a head
    between two marks; the `activation` of a node at a mark (None: everywhere), or how well it `stands out` there."""

    kind: str = "scores"
    node: Node | None = None
    head: tuple[int, int] | None = None
    marks: tuple[str | None, ...] = ()

    @property
    def sites(self) -> set[Site]:
        """Whose values are read."""
        head = {Site(self.head[0], Place.Q), Site(self.head[0], Place.K)} if self.head else set[Site]()
        return head | ({self.node.site} if self.node else set())


SCORES = Look()
SHARED_LOOKS = (SCORES, Look("divergence"))
"""What is read off the logits alone, so that runs can share what comes before they differ."""


@dataclass(frozen=True)
class _Together:
    """Settings that are measured on one chunk, one after another."""

    shared: Shared
    traces: Mapping[Setting, Trace]
    recordings: Recordings = field(default_factory=dict)


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
    relabel: Relabel = as_written
    chunk: int = CHUNK
    _prompts: dict[tuple[Asked, Where, int], Batch] = field(default_factory=dict)
    _found: dict[tuple[Setting, Look, int], dict[str, Table]] = field(default_factory=dict)
    _keys: dict[tuple[Setting, Look], str] = field(default_factory=dict)
    _populations: dict[tuple[Where, int], Population | None] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        return len(self.generator.task.cases)

    def population(self, where: Where, most: int) -> Population | None:
        """All datapoints of `test` with their weights, where there are at most so many; else None. None also where the
        answers are others: shuffled ones are drawn for each datapoint, and one drawing is not their mean."""
        if self.relabel is not as_written:
            return None
        if (where, most) not in self._populations:
            self._populations[where, most] = population(self.generator, _pins(where), most)
        return self._populations[where, most]

    def prompts(self, split: Asked, where: Where, chunk: int) -> Batch:
        """Datapoints [chunk * size, (chunk + 1) * size), where the size is `self.chunk`; of `every` as many of those as
        there are."""
        place = (split, where, chunk)
        if place not in self._prompts:
            indices = range(chunk * self.chunk, (chunk + 1) * self.chunk)
            datapoints = self._datapoints(split, where, indices)
            context = self.checkpoint.model.config.context
            batch = encode(datapoints, self.checkpoint.tokenizer, context)
            pinned = "".join(f" {name}={low}..{high}" for name, low, high in where)
            self._prompts[place] = self.relabel(batch, split + pinned, indices.start)
        return self._prompts[place]

    def datapoint(self, split: Asked, where: Where, index: int) -> Datapoint:
        """One of those that `prompts` has."""
        return self._datapoints(split, where, range(index, index + 1))[0]

    def _datapoints(self, split: Asked, where: Where, indices: range) -> Sequence[Datapoint]:
        if split != "every":
            return [self.generator.datapoint(split, i, _pins(where)) for i in indices]
        known = (found for (its, _), found in self._populations.items() if its == where and found is not None)
        return next(known).datapoints[indices.start : indices.stop]

    def table(self, setting: Setting, name: str, datapoints: int, look: Look = SCORES) -> Table:
        """(datapoint, case) of the first `datapoints` datapoints. Names of `scores`: loss (nats), choice (0 the answer,
        i the i-th foil), mass and probability (of answer and foils, of the answer alone), says (bit c: the choice is
        the answer of case c); of every other look its kind; of those at marks also lacks, a LACKS_ where they give no
        number, else 0. What is not a number is NaN, or NO_CHOICE."""
        chunks = [self._chunk(setting, look, chunk)[name] for chunk in range(-(-datapoints // self.chunk))]
        return np.concatenate(chunks)[:datapoints]

    def over_text(self, kind: str, node: Node, pattern: str | None) -> Values:
        """(document) `auroc` or `activation` of a node over the checkpoint's held-out pretraining text, in a fixed
        random order. Raises ValueError where no document gives a number."""
        key = key_of("over text", self.key, kind, str(node), repr(pattern))
        stored = self.cache.get(key)
        if stored:
            return _read(stored)[kind].astype(np.float64)
        found = text.measure(self.checkpoint, kind, node, pattern)
        self.cache.put(key, _write({kind: found}))
        return found

    def tables(
        self, settings: Sequence[Setting], name: str, datapoints: int, look: Look = SCORES
    ) -> list[Table]:
        """`table` of each setting, with the same bits, in less time: what settings have in common is computed once."""
        self.ahead(settings, datapoints, look)
        return [self.table(setting, name, datapoints, look) for setting in settings]

    def ahead(self, settings: Sequence[Setting], datapoints: int, look: Look = SCORES) -> None:
        """Measures many settings together, so that `table` finds them. One that cannot be measured is left to `table`,
        which says why."""
        traces: dict[Setting, Trace] = {}
        for setting in settings if look in SHARED_LOOKS else ():
            with suppress(*UNMEASURED):
                traces |= {} if setting.cuts or setting.plugged else {setting: self._trace(setting)}
        for first in {(s.split, s.where): s for s in traces}.values():
            group = [s for s in traces if (s.split, s.where) == (first.split, first.where)]
            group = [group[i] for i in in_order([traces[s] for s in group])]
            for chunk in range(-(-datapoints // self.chunk)):
                with suppress(*UNMEASURED):
                    together = _Together(Shared(self.prompts(first.split, first.where, chunk)), traces)
                    for setting in group:
                        with suppress(*UNMEASURED):
                            self._chunk(setting, look, chunk, together)

    def _trace(self, setting: Setting) -> Trace:
        """What the setting does, by stage. A weight counts at the stage that it reads, before the one it changes."""
        config = self.checkpoint.model.config
        others = [(stage(edge.source.site), f"{edge};") for edge in setting.edges]
        for act in setting.acts:
            if act.kind not in ("keep", "drop") or act.at is not None:
                sites = config.sites() if act.kind == "keep" else sorted({n.site for n in act.nodes})
                others += [(stage(site), f"{site}:{act};") for site in sites]
        keep = masked(self.checkpoint.model, setting.acts, self.mean)
        return trace(config, None if keep is None else keep.keep, others)

    def _chunk(
        self, setting: Setting, look: Look, chunk: int, together: _Together | None = None
    ) -> dict[str, Table]:
        place = (setting, look, chunk)
        if place not in self._found:
            if (setting, look) not in self._keys:
                # both are plain data, whose text names all that they hold
                self._keys[setting, look] = key_of("measured", self.key, repr(setting), repr(look))
            key = key_of(self._keys[setting, look], chunk, self.chunk)
            # what a package's function does, and whether it is the one of last time, nobody can tell
            stored = None if setting.plugged else self.cache.get(key)
            found = _read(stored) if stored else self._run(setting, look, chunk, together)
            if not stored and not setting.plugged:
                self.cache.put(key, _write(found))
            self._found[place] = found
        return self._found[place]

    @torch.no_grad()
    def _run(
        self, setting: Setting, look: Look, chunk: int, together: _Together | None = None
    ) -> dict[str, Table]:
        batch = self.prompts(setting.split, setting.where, chunk)
        recordings = None if together is None else together.recordings
        model, edit = self._prepared(setting, batch, look.sites, recordings)

        def logits() -> Tensor:
            if together is not None:
                return together.shared.logits(model, edit, together.traces[setting])
            return run_without(model, batch, edit, setting.cuts, self.mean)

        def inside() -> Edit:
            return without(model, batch, edit, setting.cuts, self.mean)

        match look.kind:
            case "scores":
                found = scores(logits(), batch)
            case "divergence":
                found = {look.kind: _divergence(score.answer_logits(self.checkpoint.model, batch), logits())}
            case "attention":
                found = {look.kind: _attention(model, batch, inside(), look)}
            case _:
                assert look.node is not None
                value = record(model, batch, inside(), {look.node.site})[look.node.site][..., look.node.index]
                measure = _activation if look.kind == "activation" else _stands_out
                found = {look.kind: measure(value, batch, look.marks[0])}
        if look.marks:
            found["lacks"] = _lacks(batch, look)
        shape = (batch.datapoints, batch.cases)
        return {name: values.reshape(shape) for name, values in found.items()}

    def _prepared(
        self, setting: Setting, batch: Batch, looked_at: set[Site], recordings: Recordings | None = None
    ) -> tuple[Transformer, Edit]:
        needed = looked_at.union(*(cut.sites for cut in (*setting.cuts, *setting.edges)))
        model, edit = prepared(self.checkpoint.model, batch, setting.acts, self.mean, needed, recordings)
        for edge in setting.edges:
            model = rewired(model, batch, edit, edge, self.mean)
        return model, edit


def _pins(where: Where) -> dict[str, tuple[int, int]]:
    return {name: (low, high) for name, low, high in where}


def scores(logits: Tensor, batch: Batch) -> dict[str, Table]:
    """(prompt) each. Where a logit is not finite nothing is: a comparison would call NaN wrong, which is no finding."""
    finite = torch.isfinite(logits).all(1).cpu().numpy()
    chosen = score.choice(logits, batch).cpu().numpy()

    def numbers(values: Tensor) -> Table:
        return np.where(finite, values.cpu().numpy(), np.nan).astype(np.float32)

    return {
        "loss": numbers(score.loss(logits, batch)),
        "choice": np.where(finite, chosen, NO_CHOICE).astype(np.int16),
        "mass": numbers(score.mass(logits, batch)),
        "probability": numbers(score.probability(logits, batch)),
        "says": np.where(finite, _says(chosen, batch), NO_CHOICE),
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
        [_mean(pattern[row][np.ix_(source[row], target[row])].sum(1)) for row in range(len(batch))],
        np.float64,
    )


def _activation(value: Tensor, batch: Batch, mark: str | None) -> Table:
    """(prompt) mean value over the tokens of a mark."""
    numbers = value.double().cpu().numpy()
    return np.array([_mean(numbers[row][places]) for row, places in enumerate(_positions(batch, mark))])


def _stands_out(value: Tensor, batch: Batch, mark: str | None) -> Table:
    """(prompt) how often a token of the mark has a larger value than another token of the prompt; ties count half."""
    numbers = value.double().cpu().numpy()
    found = []
    for row, places in enumerate(_positions(batch, mark)):
        others = _others(batch, row, places)
        found.append(_mean(exceeds(numbers[row][places][:, None], numbers[row][others][None])))
    return np.array(found)


def _mean(numbers: Values) -> float:
    """NaN of none."""
    return float(numbers.mean()) if numbers.size else np.nan


def _others(batch: Batch, row: int, places: Sequence[int]) -> NDArray[np.integer]:
    return np.setdiff1d(np.arange(1, batch.end[row] + 1), places)


def _lacks(batch: Batch, look: Look) -> Table:
    """(prompt) 0 where the look's marks give a number, else a LACKS_."""
    found = np.zeros(len(batch), np.int8)
    for mark in look.marks:
        for row, places in enumerate(_positions(batch, mark)):
            if look.kind == "stands out" and not len(_others(batch, row, places)):
                found[row] = LACKS_OTHERS
            if not places:
                found[row] = LACKS_MARK
    return found


def _positions(batch: Batch, mark: str | None) -> list[list[int]]:
    """Per prompt the positions of a mark's tokens; None is all but the token in front."""
    if mark is None:
        return [list(range(1, int(end) + 1)) for end in batch.end]
    return [list(marks.get(mark, ())) for marks in batch.marks]


def _write(found: Mapping[str, Table]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **found)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


def _read(data: bytes) -> dict[str, Table]:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
