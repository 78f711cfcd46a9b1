"""Model + reference text to the value that stands in for an ablated node: its mean over pretraining text, or zero."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from circuitlang.model.transformer import Edit, Transformer
from circuitlang.site import Place, Site
from circuitlang.source import CommandError

ROWS_AT_ONCE = 16


@torch.no_grad()
def read_through(model: Transformer, rows: Tensor, look: Edit) -> None:
    """The model reads text, some rows at a time, under an edit that looks at what it has. rows: (row, position)."""
    for some in rows.split(ROWS_AT_ONCE):
        model(some, look, at=torch.zeros(len(some), dtype=torch.int64, device=some.device))


def stand_ins(model: Transformer, reference: Tensor, ablate: Literal["mean", "zero"]) -> dict[Site, Tensor]:
    """site -> (unit). reference: (row, position) token ids. The mean is over all tokens, taken with AbsTopK in place
    (the values that nodes really have), in float64. Raises CommandError where one is not finite."""
    sites = model.config.sites()
    if ablate == "zero":
        return {site: torch.zeros(model.config.size(site), device=reference.device) for site in sites}
    totals = {
        site: torch.zeros(model.config.size(site), dtype=torch.float64, device=reference.device)
        for site in sites
    }

    def add(site: Site, x: Tensor) -> Tensor:
        if site.place is not Place.FINAL:
            totals[site] += x.double().sum((0, 1))
        return x

    read_through(model, reference, add)
    means = {site: (total / reference.numel()).float() for site, total in totals.items()}
    for site, values in means.items():
        if not torch.isfinite(values).all():
            raise CommandError(
                f"on its own pretraining text the model has values at {site} that are not finite numbers"
            )
    return means


@torch.no_grad()
def values_of_text(model: Transformer, rows: Tensor) -> dict[Site, Tensor]:
    """site -> (position, unit): the values of all nodes at every position of the rows, (row, position) token ids."""
    found: dict[Site, Tensor] = {}

    def note(site: Site, x: Tensor) -> Tensor:
        if site.place is not Place.FINAL:
            found[site] = x.flatten(0, 1)
        return x

    model(rows, note, at=torch.zeros(len(rows), dtype=torch.int64, device=rows.device))
    return found
