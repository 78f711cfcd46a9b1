"""Interventions as edits of the forward pass: keep, drop, swap, set, scale, everywhere or at a mark.

All of them are one edit: at a site, first everything that is ablated becomes its stand-in, then single nodes get other
values. `run` computes what a model does under them; values that come from other prompts are recorded in a run of their
own, under the same ablations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from circuitlang.circuit.mask import Mask, compact
from circuitlang.circuit.matched_positions import NONE, partners
from circuitlang.circuit.plugin_intervention import Plugged, Scene, changed
from circuitlang.circuit.shared_prefix import Trace, trace
from circuitlang.model import score
from circuitlang.model.transformer import Attention, Edit, Transformer, unchanged
from circuitlang.prompts.encode import Batch
from circuitlang.site import WRITES, Node, Place, Site

Kind = Literal["keep", "drop", "swap", "set", "scale", "change"]
_GIVES = ("swap", "set", "scale", "change")
"""What gives nodes other values than their stand-ins."""
Recordings = dict[Trace, dict[Site, Tensor]]
"""By what is ablated: site -> (prompt, position, unit), the values that other prompts' nodes can take."""


@dataclass(frozen=True, slots=True)
class Act:
    """One intervention on nodes. `value` of set and scale; `at`: a mark, None everywhere; `to`: the case (its number)
    whose values swap takes, None the other one of two; `by`: the package's word that a `change` is."""

    kind: Kind
    nodes: tuple[Node, ...]
    value: float | None = None
    at: str | None = None
    to: int | None = None
    by: Plugged | None = None


@dataclass(frozen=True)
class Put:
    """Other values for some units of a site. `units` (unit); `there` (prompt, position, 1), where they apply;
    `values` (prompt, position, unit), a number, or a function of the old values; `times`: multiply by them instead."""

    units: Tensor
    there: Tensor
    values: Tensor | float | Callable[[Tensor], Tensor]
    times: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        old = x[..., self.units]
        if callable(self.values):
            new = self.values(old)
        elif self.times:
            new = old * self.values
        else:
            new = torch.as_tensor(self.values, dtype=x.dtype, device=x.device)
        changed = x.clone()
        changed[..., self.units] = torch.where(self.there, new.expand_as(old), old)
        return changed


@dataclass(frozen=True)
class Edits:
    """The edit: `mask` first, then every put of the site, in order."""

    mask: Mask | None
    puts: Mapping[Site, Sequence[Put]]

    def __call__(self, site: Site, x: Tensor) -> Tensor:
        x = self.mask(site, x) if self.mask is not None else x
        for put in self.puts.get(site, ()):
            x = put(x)
        return x


@torch.no_grad()
def run(model: Transformer, batch: Batch, acts: Sequence[Act], mean: Mapping[Site, Tensor]) -> Tensor:
    """(prompt, vocabulary) logits where the answer is predicted."""
    small, edit = prepared(model, batch, acts, mean)
    return score.answer_logits(small, batch, edit)


@torch.no_grad()
def prepared(
    model: Transformer,
    batch: Batch,
    acts: Sequence[Act],
    mean: Mapping[Site, Tensor],
    looked_at: Iterable[Site] = (),
    recordings: Recordings | None = None,
) -> tuple[Transformer, Edit]:
    """The model to run (without what the ablations make constant) and the edit to run it with, for this batch.

    `looked_at`: sites that are computed all the same, as their values are read or changed later. `recordings`: of the
    same weights on the same batch, to take from and to add to.
    """
    mask = masked(model, acts, mean)
    touched = {n.site for act in acts if act.kind in _GIVES or act.at for n in act.nodes}
    small = _compacted(model, mask, touched | set(looked_at))
    puts: dict[Site, list[Put]] = {}
    swapped = [act for act in acts if act.kind == "swap"]
    sites = {n.site for act in swapped for n in act.nodes}
    if recordings is None:
        recorded = record(small, batch, mask or unchanged, sites)
    else:
        recorded = recordings.setdefault(trace(model.config, mask and mask.keep), {})
        if not sites <= recorded.keys():  # all sites at once: another setting swaps another one
            recorded.update(record(small, batch, mask or unchanged, set(model.config.sites())))
    for act in acts:
        if act.kind in _GIVES or act.at is not None:
            for site in model.config.sites() if act.kind == "keep" else sorted({n.site for n in act.nodes}):
                puts.setdefault(site, []).append(put(act, site, batch, recorded, mean))
    if not puts:
        return small, mask or unchanged
    return small, Edits(mask, puts)


def ablations(edit: Edit) -> Edit:
    """Of an edit from `prepared`, what is ablated everywhere: values of other prompts are recorded under this."""
    return (edit.mask or unchanged) if isinstance(edit, Edits) else edit


@torch.no_grad()
def record(model: Transformer, batch: Batch, edit: Edit, sites: set[Site]) -> dict[Site, Tensor]:
    """Site -> (prompt, position, unit): what the model has there under an edit."""
    found: dict[Site, Tensor] = {}
    if sites:

        def keeping(site: Site, x: Tensor) -> Tensor:
            x = edit(site, x)
            if site in sites:
                found[site] = x
            return x

        score.answer_logits(model, batch, keeping)
    return found


def behind_pattern(layer: int) -> set[Site]:
    """What a layer's attention pattern follows from, to be recorded for `pattern`."""
    return {Site(layer, Place.Q), Site(layer, Place.K)}


def pattern(model: Transformer, recorded: Mapping[Site, Tensor], layer: int) -> Tensor:
    """(prompt, head, query, key): the attention weights of a layer's heads in a recorded run."""
    attention = model.attention[layer]
    assert isinstance(attention, Attention)
    return attention.pattern(recorded[Site(layer, Place.Q)], recorded[Site(layer, Place.K)])


def masked(model: Transformer, acts: Sequence[Act], mean: Mapping[Site, Tensor]) -> Mask | None:
    """Everything that is ablated at every position; None where nothing is."""
    plain = [act for act in acts if act.kind in ("keep", "drop") and act.at is None]
    if not plain:
        return None
    device = next(iter(mean.values())).device
    keep = {site: torch.ones(model.config.size(site), device=device) for site in model.config.sites()}
    for act in plain:
        named = {site: torch.zeros_like(kept) for site, kept in keep.items()}
        for node in act.nodes:
            if node.site not in named or not 0 <= node.index < len(named[node.site]):
                raise ValueError(f"the model has no node {node}")
            named[node.site][node.index] = 1.0
        for site, kept in keep.items():
            kept *= named[site] if act.kind == "keep" else 1 - named[site]
    return Mask(keep, mean)


def _compacted(model: Transformer, mask: Mask | None, touched: set[Site]) -> Transformer:
    """Without the sites that the mask makes constant, except for those where nodes get other values or are read, and
    what their sub-layer writes: one that writes nothing is not computed at all."""
    if mask is None:
        return model
    writes = {
        Site(site.layer, place)
        for site in touched
        for place in WRITES
        if place.sublayer == site.place.sublayer
    }
    keep = {
        site: torch.ones_like(kept) if site in touched | writes else kept for site, kept in mask.keep.items()
    }
    return compact(model, Mask(keep, mask.mean))


def put(
    act: Act, site: Site, batch: Batch, recorded: Mapping[Site, Tensor], mean: Mapping[Site, Tensor]
) -> Put:
    """What an intervention does at one site. `recorded`: of swap, the values that the site has on all prompts."""
    device = mean[site].device
    units = torch.tensor(sorted(node.index for node in act.nodes if node.site == site), device=device)
    there = positions(batch, act.at)
    if act.kind in ("set", "scale"):
        assert act.value is not None, act
        return Put(units, torch.from_numpy(there).to(device), act.value, act.kind == "scale")
    if act.kind == "swap":
        found = partners(batch, act.to)
        there = there & (found.position != NONE)[..., None]
        rows = torch.from_numpy(found.row).to(device)
        places = torch.from_numpy(found.position.clip(min=0)).to(device)
        other = recorded[site][rows[:, None], places][..., units]
        return Put(units, torch.from_numpy(there).to(device), other)
    if act.kind == "change":
        scene = Scene(batch, site, tuple(units.tolist()), mean[site][..., units], act.value, act.to)
        by = act.by
        assert by is not None, act
        return Put(units, torch.from_numpy(there).to(device), lambda old: changed(by, old, scene))
    return Put(*_ablation(act, site, units, there, mean, device))


def _ablation(
    act: Act,
    site: Site,
    units: Tensor,
    there: np.ndarray,
    mean: Mapping[Site, Tensor],
    device: torch.device,
) -> tuple[Tensor, Tensor, Tensor]:
    """keep and drop at a mark: stand-ins there and nowhere else."""
    if act.kind == "keep":
        units = torch.tensor(
            [i for i in range(mean[site].shape[-1]) if i not in set(units.tolist())], device=device
        )
    return units, torch.from_numpy(there).to(device), mean[site][..., units]


def positions(batch: Batch, mark: str | None) -> np.ndarray:
    """(prompt, position, 1): the positions of a mark, or all."""
    if mark is None:
        return np.ones((*batch.tokens.shape, 1), np.bool_)
    there = np.zeros((*batch.tokens.shape, 1), np.bool_)
    for row, marks in enumerate(batch.marks):
        there[row, list(marks.get(mark, ()))] = True
    return there
