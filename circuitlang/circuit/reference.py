"""Model + reference text to what stands in for an ablated node: its mean over pretraining text, zero, or a value that
it had somewhere in that text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import reduce
from hashlib import blake2b
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.prompts.stream import derive
from circuitlang.site import Place, Site
from circuitlang.source import CommandError

Seen = TypeVar("Seen")
ROWS_AT_ONCE = 16
POOL = 2048
"""Positions of reference text whose values stand in for those of ablated nodes when these are resampled."""


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


def stand_ins(
    model: Transformer, reference: Tensor, ablate: Literal["mean", "zero"], workers: int = 1
) -> dict[Site, Tensor]:
    """site -> (unit). reference: (row, position) token ids. The mean is over all tokens, taken with AbsTopK in place
    (the values that nodes really have), in float64. Raises CommandError where one is not finite."""
    if ablate == "zero":
        sites = model.config.sites()
        return {site: torch.zeros(model.config.size(site), device=reference.device) for site in sites}

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


@dataclass(frozen=True)
class Drawn(Mapping[Site, Tensor]):
    """Values of nodes at places of text, as stand-ins for a batch: site -> (prompt, position, unit). At each position
    those of one place, so values that have occurred together.

    pool: site -> (place, unit). places: (prompt, position) into the pool.
    """

    pool: Mapping[Site, Tensor]
    places: Tensor
    _found: dict[Site, Tensor] = field(default_factory=dict, repr=False)

    def __getitem__(self, site: Site) -> Tensor:
        if site not in self._found:
            self._found[site] = self.pool[site][self.places]
        return self._found[site]

    def __iter__(self) -> Iterator[Site]:
        return iter(self.pool)

    def __len__(self) -> int:
        return len(self.pool)


@dataclass(frozen=True)
class Rest:
    """What stands in for the nodes outside a circuit while it is searched for: site -> (unit) `mean`, or with a `pool`,
    site -> (place, unit), values of the nodes at places of text."""

    mean: Mapping[Site, Tensor]
    pool: Mapping[Site, Tensor] | None = None

    def of(self, batch: Batch) -> Mapping[Site, Tensor]:
        """site -> (unit), or of a pool what is Drawn from it. A prompt has the same in every batch."""
        if self.pool is None:
            return self.mean
        length = batch.tokens.shape[1]
        places = [
            # of the prompt alone, whatever it is padded to
            places_in(self.pool, (length,), "rest", blake2b(row[: end + 1].tobytes()).hexdigest())
            for row, end in zip(batch.tokens, batch.end, strict=True)
        ]
        return Drawn(self.pool, torch.stack(places))


def pool_of_values(model: Transformer, reference: Tensor) -> dict[Site, Tensor]:
    """site -> (position, unit): the values of all nodes at POOL positions of the reference text, or at all."""

    def values(site: Site, x: Tensor) -> Tensor | None:
        return x.flatten(0, 1) if site.place is not Place.FINAL else None

    read = read_through(model, reference[: max(1, POOL // reference.shape[1])], values)
    return {site: torch.cat(parts) for site, parts in read.items()}


def places_in(pool: Mapping[Site, Tensor], shape: Sequence[int], *seed: str | int) -> Tensor:
    """Positions of the pool, uniformly, the same for the same seed."""
    bits = np.random.PCG64(int.from_bytes(derive(*seed)[:8], "little"))
    some = next(iter(pool.values()))
    return torch.from_numpy(np.random.Generator(bits).integers(0, len(some), tuple(shape))).to(some.device)
