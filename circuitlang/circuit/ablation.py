"""What an ablated node becomes: a value on another prompt of the task (the default), at another place of pretraining
text, a mean, or zero. What is chosen decides what a circuit has to carry (Miller et al. 2024)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import reduce
from hashlib import blake2b
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from circuitlang.circuit.donors import Donors, match, within
from circuitlang.model import score
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.prompts.stream import derive
from circuitlang.site import Place, Site
from circuitlang.source.diagnostic import CommandError

Seen = TypeVar("Seen")
ROWS_AT_ONCE = 16
POOL = 2048
"""Positions of reference text whose values replace those of ablated nodes in a resample ablation over text."""
RECENT = 3
"""Batches whose values on their donors are held: as many as threads measure at a time, and one more. A batch of 64
prompts takes some 60 MB in a model of 5,632 nodes."""


def read_through(
    model: Transformer, rows: Tensor, look: Callable[[Site, Tensor], Seen | None], workers: int = 1
) -> dict[Site, list[Seen]]:
    """site -> what `look` makes of its values, (row, position, unit), for every ROWS_AT_ONCE rows in their order. rows:
    (row, position). A None is left out. `workers`: threads that read at a time; it changes no bit where torch itself
    uses one."""

    @torch.no_grad()
    def read(some: Tensor) -> dict[Site, Seen]:
        seen: dict[Site, Seen] = {}

        def note(site: Site, x: Tensor) -> Tensor:
            if (found := look(site, x)) is not None:
                seen[site] = found
            return x

        model(some, note, at=torch.zeros(len(some), dtype=torch.int64, device=some.device))
        return seen

    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(read, rows.split(ROWS_AT_ONCE)))
    return {site: [part[site] for part in parts] for site in parts[0]}


def zeros(model: Transformer) -> dict[Site, Tensor]:
    """site -> (unit)."""
    device = model.embed.device
    return {site: torch.zeros(model.config.size(site), device=device) for site in model.config.sites()}


def means_over_text(model: Transformer, reference: Tensor, workers: int = 1) -> dict[Site, Tensor]:
    """site -> (unit). reference: (row, position) token ids. Over all tokens, taken with AbsTopK in place (the values
    that nodes really have), in float64. Raises CommandError where one is not finite."""

    def total(site: Site, x: Tensor) -> Tensor | None:
        return x.double().sum((0, 1)) if site.place is not Place.FINAL else None

    parts = read_through(model, reference, total, workers)
    totals = {site: reduce(torch.add, sums) for site, sums in parts.items()}
    means = {site: (total / reference.numel()).float() for site, total in totals.items()}
    for site, values in means.items():
        if not torch.isfinite(values).all():
            raise CommandError(
                f"on its own pretraining text the model has values at {site} that are not finite numbers"
            )
    return means


@torch.no_grad()
def means_over_task(model: Transformer, batches: Iterable[Batch]) -> dict[Site, Tensor]:
    """site -> (unit): over all tokens of the prompts, in float64."""
    totals = {site: values.double() for site, values in zeros(model).items()}
    count = 0
    for batch in batches:
        real = torch.from_numpy(batch.real).to(model.embed.device)
        count += int(real.sum())
        for site, values in record_all(model, batch).items():
            totals[site] += values[real].double().sum(0)
    return {site: (total / count).float() for site, total in totals.items()}


@dataclass(frozen=True)
class Ablation:
    """The values that ablated nodes take, whatever the prompt: site -> (unit) `mean`, over text or task, or zeros."""

    mean: Mapping[Site, Tensor]

    def of(self, batch: Batch) -> Mapping[Site, Tensor]:
        """site -> (unit), or (prompt, position, unit) where they depend on the prompt. A prompt has the same in every
        batch."""
        del batch
        return self.mean

    def drawn(self, batch: Batch, draw: np.random.Generator) -> Mapping[Site, Tensor]:
        """`of`, for a search, which sees every batch once."""
        del draw
        return self.of(batch)

    def partners(self, batch: Batch) -> dict[str, float]:
        """By rule of `donors.match`, the share of the prompts' positions that have a counterpart in a donor; empty
        where there are no donors."""
        del batch
        return {}


@dataclass(frozen=True)
class FromText(Ablation):
    """Resample ablation over pretraining text: at each position the values of all nodes at one place of the text.

    mean: over the text. pool: site -> (place, unit).
    """

    pool: Mapping[Site, Tensor]
    seed: int = 0

    def of(self, batch: Batch) -> Mapping[Site, Tensor]:
        length = batch.tokens.shape[1]
        places = torch.stack(
            [
                # of the prompt alone, whatever it is padded to
                _places(self.pool, length, "text", self.seed, blake2b(row[: end + 1].tobytes()).hexdigest())
                for row, end in zip(batch.tokens, batch.end, strict=True)
            ]
        )
        return Gathered({site: (values, (places,)) for site, values in self.pool.items()})


class Gathered(Mapping[Site, Tensor]):
    """site -> values picked by index, each picked when it is first asked for: a circuit of few layers needs few."""

    def __init__(self, parts: Mapping[Site, tuple[Tensor, tuple[Tensor, ...]]]) -> None:
        self._parts = dict(parts)
        self._found: dict[Site, Tensor] = {}

    def __getitem__(self, site: Site) -> Tensor:
        found = self._found.get(site)
        if found is None:
            values, index = self._parts[site]
            found = self._found[site] = values[index]
        return found

    def __iter__(self) -> Iterator[Site]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


@dataclass(frozen=True)
class FromTask(Ablation):
    """Resample ablation over the task: what the untouched model has on each prompt's donor, position by position
    (circuit/donors.py). `by_site`: every site takes another prompt's donor, so that no two sites tell one story."""

    model: Transformer
    donors: Donors
    by_site: bool = False
    _recent: dict[str, Mapping[Site, Tensor]] = field(default_factory=dict, repr=False, compare=False)
    _lock: AbstractContextManager[object] = field(default_factory=Lock, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """What a process hands to another: neither values nor locks."""
        return {name: getattr(self, name) for name in ("mean", "model", "donors", "by_site")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in {**state, "_recent": {}, "_lock": Lock()}.items():
            object.__setattr__(self, name, value)

    def of(self, batch: Batch) -> Mapping[Site, Tensor]:
        """Raises NoDonor where the split has no other datapoint, CommandError for a value that is not finite."""
        key = blake2b(
            batch.tokens.tobytes() + repr((batch.split, batch.where, batch.cases)).encode()
        ).hexdigest()
        with self._lock:
            found = self._recent.get(key)
        if found is None:
            found = self._taken(batch)
            with self._lock:
                while len(self._recent) >= RECENT:
                    del self._recent[next(iter(self._recent))]
                self._recent[key] = found
        return found

    def partners(self, batch: Batch) -> dict[str, float]:
        return match(batch, self.donors.of(batch)).shares

    @torch.no_grad()
    def drawn(self, batch: Batch, draw: np.random.Generator) -> Mapping[Site, Tensor]:
        """With donors from the batch itself, so that one run of the untouched model serves prompts and donors."""
        rows = within(batch, draw)
        device = self.model.embed.device
        position = torch.from_numpy(match(batch, batch, rows).position).to(device)
        index = torch.from_numpy(rows).to(device)[:, None], position
        return {site: values[index] for site, values in record_all(self.model, batch).items()}

    @torch.no_grad()
    def _taken(self, batch: Batch) -> Mapping[Site, Tensor]:
        donors = self.donors.of(batch)
        sites = self.model.config.sites()
        values = record_all(self.model, donors)
        device = self.model.embed.device
        rows = np.arange(len(batch))
        matched = match(batch, donors)
        found: dict[Site, Tensor] = {}
        for number, site in enumerate(sites):
            if self.by_site:
                rows = np.roll(np.arange(len(batch)), 1 + number)
                matched = match(batch, donors, rows)
            index = torch.from_numpy(rows).to(device)[:, None], torch.from_numpy(matched.position).to(device)
            found[site] = values.pop(site)[index]
            if not torch.isfinite(found[site]).all():
                raise CommandError(
                    f"on another prompt of the task the model has values at {site} that are not finite numbers"
                )
        return found


def record_all(model: Transformer, batch: Batch) -> dict[Site, Tensor]:
    """site -> (prompt, position, unit): the untouched model's values at every site that a circuit is pruned at."""
    found: dict[Site, Tensor] = {}

    def keep(site: Site, x: Tensor) -> Tensor:
        if site.place is not Place.FINAL:
            found[site] = x
        return x

    score.answer_logits(model, batch, keep)
    return found


def pool_of_values(model: Transformer, reference: Tensor) -> dict[Site, Tensor]:
    """site -> (position, unit): the values of all nodes at POOL positions of the reference text, or at all."""

    def values(site: Site, x: Tensor) -> Tensor | None:
        return x.flatten(0, 1) if site.place is not Place.FINAL else None

    read = read_through(model, reference[: max(1, POOL // reference.shape[1])], values)
    return {site: torch.cat(parts) for site, parts in read.items()}


def _places(pool: Mapping[Site, Tensor], length: int, *seed: str | int) -> Tensor:
    """(position): places of the pool, uniformly, the same for the same seed."""
    bits = np.random.PCG64(int.from_bytes(derive(*seed)[:8], "little"))
    some = next(iter(pool.values()))
    return torch.from_numpy(np.random.Generator(bits).integers(0, len(some), length)).to(some.device)
