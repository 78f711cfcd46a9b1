"""Meter: what a model does under interventions, as numbers per datapoint and case, each measured once."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.cut import Cut, EdgeCut, rewired, run_without, without
from circuitlang.circuit.find import Finder
from circuitlang.circuit.intervene import Act, Recordings, masked, prepared, record
from circuitlang.circuit.shared_prefix import Shared, Trace, in_order, stage, trace
from circuitlang.claims import pretraining_text
from circuitlang.claims.look import (
    SCORES,
    SHARED_LOOKS,
    Look,
    Table,
    Values,
    activation,
    attention,
    divergence,
    lacks,
    scores,
    stands_out,
)
from circuitlang.claims.verdict import UNMEASURED
from circuitlang.language.program.spec import PruneSettings, Quantity
from circuitlang.model import score
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.transformer import Edit, Transformer
from circuitlang.prompts.encode import Batch, encode
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.population import Population, population
from circuitlang.prompts.prompt import Datapoint, Split
from circuitlang.prompts.relabel import Relabel, as_written
from circuitlang.site import Node, Site
from circuitlang.storage.cache import Cache, key_of

CHUNK = 32
"""Datapoints of one forward pass. Fixed: a datapoint's numbers then never depend on how many were asked for. Of other
sizes the last digits may differ, and no verdict does (benchmarks/judge)."""

Item = TypeVar("Item")
Found = TypeVar("Found")
Where = tuple[tuple[str, int, int], ...]
"""(param, lowest, highest), in the order of their names."""
Asked = Split | Literal["every"]
"""A split whose datapoints are drawn; `every`: all that `test` has, each once, in the order of `Meter.population`."""


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
_ABLATE = frozenset({"keep", "drop", "change"})
"""Kinds of interventions that need what nodes become when they are ablated."""


@dataclass(frozen=True)
class _Together:
    """Settings that are measured on one chunk, one after another."""

    shared: Shared
    traces: Mapping[Setting, Trace]
    recordings: Recordings = field(default_factory=dict)


def where_of(quantity: Quantity) -> Where:
    """What a quantity's `where` pins."""
    return tuple(sorted((name, low, high) for name, (low, high) in quantity.where.items()))


@dataclass
class Meter:
    """Measures one model on one task, and remembers. `key` names everything that decides a number but the setting.

    Datapoint i of a setting is the same in every setting with the same prompts, so that differences are paired.
    `workers`: threads that measure at a time, each one chunk; to be more than 1 where torch itself uses one thread.
    """

    checkpoint: Checkpoint
    generator: Generator
    ablation: Ablation
    cache: Cache
    key: str
    relabel: Relabel = as_written
    chunk: int = CHUNK
    workers: int = 1
    _prompts: dict[tuple[Asked, Where, int], Batch] = field(default_factory=dict)
    _found: dict[tuple[Setting, Look, int], dict[str, Table]] = field(default_factory=dict)
    _keys: dict[tuple[Setting, Look], str] = field(default_factory=dict)
    _populations: dict[tuple[Where, int], Population | None] = field(default_factory=dict)
    _alone: AbstractContextManager[object] = field(default_factory=Lock)

    @classmethod
    def of(
        cls,
        finder: Finder,
        settings: PruneSettings,
        workers: int = 1,
        mean: Mapping[Site, Tensor] | None = None,
    ) -> Meter:
        """What measures the model that a finder searches; what is ablated has the value that it has in the search.
        `mean`: where these values are known, which without a cache saves seconds."""
        key = key_of(finder.key, settings.ablate)
        return cls(
            finder.checkpoint,
            finder.generator,
            finder.ablation(settings.ablate, mean, workers),
            finder.cache,
            key,
            relabel=finder.relabel,
            workers=workers,
        )

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
            batch = replace(encode(datapoints, self.checkpoint.tokenizer, context), where=where)
            pinned = "".join(f" {name}={low}..{high}" for name, low, high in where)
            self._prompts[place] = self.relabel(batch, split + pinned, indices.start)
        return self._prompts[place]

    def partners(self) -> dict[str, float]:
        """By rule, the share of the prompts' positions that have a counterpart in their donor (circuit/donors.py)."""
        return self.ablation.partners(self.prompts("test", (), 0))

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
        found = self.each(
            lambda chunk: self._chunk(setting, look, chunk)[name], range(-(-datapoints // self.chunk))
        )
        return np.concatenate(found)[:datapoints]

    def each(self, measure: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
        """What is found of every item, in their order, by as many threads as there are `workers`."""
        waiting = list(items)
        if self.workers < 2 or len(waiting) < 2:
            return [measure(item) for item in waiting]
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(measure, waiting))

    def over_text(self, kind: str, node: Node, pattern: str | None) -> Values:
        """(document) `auroc` or `activation` of a node over the checkpoint's held-out pretraining text, in a fixed
        random order. Raises Unmeasurable where no document gives a number."""
        key = key_of("over text", self.key, kind, str(node), repr(pattern))
        known = self.cache.found(key, lambda stored: _read(stored)[kind].astype(np.float64))
        if known is not None:
            return known
        found = pretraining_text.measure(self.checkpoint, kind, node, pattern)
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

            def run(chunk: int, first: Setting = first, group: Sequence[Setting] = group) -> None:
                with suppress(*UNMEASURED):
                    together = _Together(Shared(self.prompts(first.split, first.where, chunk)), traces)
                    for setting in group:
                        with suppress(*UNMEASURED):
                            self._chunk(setting, look, chunk, together)

            self.each(run, range(-(-datapoints // self.chunk)))

    def _trace(self, setting: Setting) -> Trace:
        """What the setting does, by stage. A weight counts at the stage that it reads, before the one it changes."""
        config = self.checkpoint.model.config
        others = [(stage(edge.source.site), f"{edge};") for edge in setting.edges]
        for act in setting.acts:
            if act.kind not in ("keep", "drop") or act.at is not None:
                sites = config.sites() if act.kind == "keep" else sorted({n.site for n in act.nodes})
                others += [(stage(site), f"{site}:{act};") for site in sites]
        keep = masked(self.checkpoint.model, setting.acts, self.ablation.mean)
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
            known = None if setting.plugged else self.cache.found(key, _read)
            # nor may threads share it
            with self._alone if setting.plugged else nullcontext():
                found = self._run(setting, look, chunk, together) if known is None else known
            if known is None and not setting.plugged:
                self.cache.put(key, _write(found))
            self._found[place] = found
        return self._found[place]

    @torch.no_grad()
    def _run(
        self, setting: Setting, look: Look, chunk: int, together: _Together | None = None
    ) -> dict[str, Table]:
        batch = self.prompts(setting.split, setting.where, chunk)
        recordings = None if together is None else together.recordings
        values = self._values(setting, batch)
        model, edit = self._prepared(setting, batch, look.sites, values, recordings)

        def logits() -> Tensor:
            if together is not None:
                return together.shared.logits(model, edit, together.traces[setting])
            return run_without(model, batch, edit, setting.cuts, values)

        def inside() -> Edit:
            return without(model, batch, edit, setting.cuts, values)

        match look.kind:
            case "scores":
                found = scores(logits(), batch)
            case "divergence":
                found = {look.kind: divergence(score.answer_logits(self.checkpoint.model, batch), logits())}
            case "attention":
                found = {look.kind: attention(model, batch, inside(), look)}
            case _:
                assert look.node is not None
                value = record(model, batch, inside(), {look.node.site})[look.node.site][..., look.node.index]
                measure = activation if look.kind == "activation" else stands_out
                found = {look.kind: measure(value, batch, look.marks[0])}
        if look.marks:
            found["lacks"] = lacks(batch, look)
        shape = (batch.datapoints, batch.cases)
        return {name: values.reshape(shape) for name, values in found.items()}

    def _values(self, setting: Setting, batch: Batch) -> Mapping[Site, Tensor]:
        """What ablated nodes become; where nothing is ablated, nobody asks another prompt."""
        ablates = any(done.kind in _ABLATE for done in (*setting.acts, *setting.cuts, *setting.edges))
        return self.ablation.of(batch) if ablates else self.ablation.mean

    def _prepared(
        self,
        setting: Setting,
        batch: Batch,
        looked_at: set[Site],
        values: Mapping[Site, Tensor],
        recordings: Recordings | None = None,
    ) -> tuple[Transformer, Edit]:
        needed = looked_at.union(*(cut.sites for cut in (*setting.cuts, *setting.edges)))
        model, edit = prepared(self.checkpoint.model, batch, setting.acts, values, needed, recordings)
        for edge in setting.edges:
            model = rewired(model, batch, edit, edge, values)
        return model, edit


def _pins(where: Where) -> dict[str, tuple[int, int]]:
    return {name: (low, high) for name, low, high in where}


def _write(found: Mapping[str, Table]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **found)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


def _read(data: bytes) -> dict[str, Table]:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
