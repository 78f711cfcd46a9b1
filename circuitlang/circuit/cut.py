"""Arrows of a claim and single weights: what goes through becomes its mean, the other case's, or a multiple.

What is put in the place of the source's nodes (`Cut.source`) is seen by the target alone: it comes from a second run.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from circuitlang.circuit.intervene import Act, Edits, Put, ablations, positions, put, record
from circuitlang.circuit.mask import Constant
from circuitlang.circuit.plugin_intervention import Plugged
from circuitlang.model import score
from circuitlang.model.transformer import Attention, Edit, Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.site import INNER, MATRICES, Node, Place, Site

Kind = Literal["drop", "swap", "scale", "change"]


@dataclass(frozen=True, slots=True)
class Cut:
    """An arrow that is cut, and what goes through it instead: from nodes to nodes, or to the answer (None).

    direct      only the paths through the residual stream alone; otherwise every path
    at          only what leaves at the tokens of a mark; None is all
    kind        `drop`: the stand-ins; `swap`: what the source has in case `to` (its number; None the other of two);
                `scale`: `value` times what it has; `change`: what the package's word `by` makes of it
    """

    source: tuple[Node, ...]
    target: tuple[Node, ...] | None
    direct: bool = True
    at: str | None = None
    kind: Kind = "drop"
    value: float | None = None
    to: int | None = None
    by: Plugged | None = None

    @property
    def sites(self) -> set[Site]:
        """Where it needs the model's values."""
        return {node.site for node in (*self.source, *(self.target or ()))}


@torch.no_grad()
def run_without(
    model: Transformer, batch: Batch, edit: Edit, cuts: Sequence[Cut], mean: Mapping[Site, Tensor]
) -> Tensor:
    """(prompt, vocabulary) logits under the edit, with the connections cut.

    For every target there is a second run in which the source is changed and, for a direct cut, every other neuron and
    head keeps its value; what the target has there is what it gets in the run that counts.
    """
    ablated = ablations(edit)
    edit = without(model, batch, edit, cuts, mean)
    edit = _elsewhere(model, batch, edit, [cut for cut in cuts if cut.target is None], (), mean, ablated)
    return score.answer_logits(model, batch, edit)


@torch.no_grad()
def without(
    model: Transformer, batch: Batch, edit: Edit, cuts: Sequence[Cut], mean: Mapping[Site, Tensor]
) -> Edit:
    """The edit under which the model's inside is what the cuts make it. What is cut on its way to the answer alone
    changes nothing there."""
    ablated = ablations(edit)
    everywhere = torch.from_numpy(positions(batch, None)).to(model.embed.device)
    for nodes, among in _targets(cuts):
        second = _elsewhere(model, batch, edit, among, nodes, mean, ablated)
        received = record(model, batch, second, {node.site for node in nodes})
        edit = _then(edit, _values(nodes, received, everywhere))
    return edit


def _targets(cuts: Iterable[Cut]) -> list[tuple[tuple[Node, ...], tuple[Cut, ...]]]:
    """Nodes that the same cuts lead to, with these cuts; in order of computation, as an earlier target acts on a later
    one."""
    into: dict[Node, tuple[Cut, ...]] = {}
    for cut in cuts:
        for node in cut.target or ():
            into[node] = (*into.get(node, ()), cut)
    groups: dict[tuple[Cut, ...], list[Node]] = {}
    for node in sorted(into):
        groups.setdefault(into[node], []).append(node)
    return [(tuple(nodes), among) for among, nodes in groups.items()]


def _elsewhere(
    model: Transformer,
    batch: Batch,
    edit: Edit,
    cuts: Sequence[Cut],
    free: Sequence[Node],
    mean: Mapping[Site, Tensor],
    ablated: Edit,
) -> Edit:
    """The edit of the second run: the sources changed, and what a direct connection does not pass as it was, but for
    the nodes in `free`. Indirect cuts come first, so that what they change is not frozen."""
    second = edit
    for cut in sorted(cuts, key=lambda cut: cut.direct):
        instead = _instead(model, batch, edit, cut, mean, ablated)
        second = _changed(model, batch, second, cut, free, instead)
    return second


def _changed(
    model: Transformer, batch: Batch, edit: Edit, cut: Cut, free: Sequence[Node], instead: Edit
) -> Edit:
    places = [Site(layer, place) for layer in range(model.config.layers) for place in INNER]
    frozen = record(model, batch, edit, set(places)) if cut.direct else {}

    def second(site: Site, x: Tensor) -> Tensor:
        x = edit(site, x)
        was = frozen.get(site)
        if was is not None:
            units = [node.index for node in free if node.site == site]
            kept = was.clone()
            kept[..., units] = x[..., units]
            x = kept
        return instead(site, x)

    return second


def _instead(
    model: Transformer, batch: Batch, edit: Edit, cut: Cut, mean: Mapping[Site, Tensor], ablated: Edit
) -> Edits:
    """What the source's nodes are in the second run: values of the mean or of another run, each set once, so that a
    node that acts on another of them is not counted twice."""
    sites = {node.site for node in cut.source}
    act = Act(cut.kind, cut.source, cut.value, cut.at, cut.to, cut.by)
    other = record(model, batch, ablated, sites) if cut.kind == "swap" else {}
    puts = {site: [put(act, site, batch, other, mean)] for site in sorted(sites)}
    if cut.kind in ("scale", "change"):
        own = record(model, batch, edit, sites)
        nodes = {site: found for site, (found,) in puts.items()}
        puts = {
            site: [replace(p, values=p(own[site])[..., p.units], times=False)] for site, p in nodes.items()
        }
    return Edits(None, puts)


def _values(nodes: Iterable[Node], values: Mapping[Site, Tensor], there: Tensor) -> dict[Site, list[Put]]:
    """The puts that give nodes the values recorded at their sites, where `there` (prompt, position, 1)."""
    found: dict[Site, list[Put]] = {}
    for site in sorted({node.site for node in nodes}):
        units = torch.tensor([n.index for n in nodes if n.site == site], device=values[site].device)
        found[site] = [Put(units, there, values[site][..., units])]
    return found


def _then(first: Edit, puts: Mapping[Site, Sequence[Put]]) -> Edit:
    later = Edits(None, puts)
    return lambda site, x: later(site, first(site, x))


@dataclass(frozen=True, slots=True)
class EdgeCut:
    """A weight from one node to another that reads, through it alone, another value of the source.

    kind    `drop`: the stand-in; `swap`: the value in case `to` (its number; None the other of two); `scale`: `value`
            times its own; `change`: what the package's word `by` makes of it
    at      only at the tokens of a mark; None is everywhere
    """

    source: Node
    target: Node
    kind: Kind = "drop"
    value: float | None = None
    at: str | None = None
    to: int | None = None
    by: Plugged | None = None

    @property
    def sites(self) -> set[Site]:
        return {self.source.site, self.target.site}


@torch.no_grad()
def rewired(
    model: Transformer, batch: Batch, edit: Edit, edge: EdgeCut, mean: Mapping[Site, Tensor]
) -> Transformer:
    """A model for this batch that shares all weights, in which the target reads another source through the edge.

    As `rereading`. Raises ValueError for two nodes between which there is no weight.
    """
    places = (edge.source.site.place, edge.target.site.place)
    if places not in MATRICES or edge.source.site.layer != edge.target.site.layer:
        raise ValueError(f"there is no weight from {edge.source} to {edge.target}")
    matrix = model.get_parameter(MATRICES[places].format(edge.source.site.layer))
    weights = torch.zeros_like(matrix)
    here = edge.target.index, edge.source.index
    weights[here] = matrix[here].detach()
    return rereading(
        model, [Reread(edge.source.site.layer, *places, weights, _rise(model, batch, edit, edge, mean))]
    )


Rise = Callable[[Tensor], Tensor]
"""(prompt, position, unit) values of a site -> what is read instead, less these; the same shape."""


@dataclass(frozen=True)
class Reread:
    """Some weights of one matrix, through which another value of their source is read. weights: (target, source), 0 at
    all others of the matrix."""

    layer: int
    source: Place
    target: Place
    weights: Tensor
    rise: Rise


def rereading(model: Transformer, changes: Iterable[Reread]) -> Transformer:
    """A model that shares all weights, some of which read other values of their sources; each matrix named once.

    Exact: the change is made before AbsTopK and the activation function, and no other weight sees it. A value channel
    reaches what its head writes through the head's own pattern.
    """
    shared = _shallow(model)
    own: dict[str, nn.Module] = {}  # by path: the copies, each made once
    for change in changes:
        *path, matrix = (
            MATRICES[change.source, change.target].format(change.layer).removesuffix(".weight").split(".")
        )
        if isinstance(model.get_submodule(".".join(path)), Constant):
            continue  # none of what the sub-layer writes is kept, so that it computes nothing
        changed = shared
        for depth, step in enumerate(path):
            at = ".".join(path[: depth + 1])
            if at not in own:
                own[at] = changed._modules[step] = _shallow(changed.get_submodule(step))
            changed = own[at]
        inner = changed.get_submodule(matrix)
        if change.source is Place.V:
            assert isinstance(changed, Attention)
            changed.__dict__["mix"] = _mixing(changed.mix, change.rise)  # of this copy alone
            changed._modules[matrix] = _WithChange(inner, change.weights)
        else:
            changed._modules[matrix] = _Reading(inner, change.weights, change.rise)
    assert isinstance(shared, Transformer)
    return shared


def _rise(model: Transformer, batch: Batch, edit: Edit, edge: EdgeCut, mean: Mapping[Site, Tensor]) -> Rise:
    site = edge.source.site
    act = Act(edge.kind, (edge.source,), edge.value, edge.at, edge.to, edge.by)
    other = record(model, batch, ablations(edit), {site}) if edge.kind == "swap" else {}
    alone = put(act, site, batch, other, mean)
    return lambda x: alone(x) - x


class _Reading(nn.Module):
    """A linear map, some of whose weights read other values."""

    def __init__(self, inner: nn.Module, weights: Tensor, rise: Rise) -> None:
        super().__init__()
        self.inner, self.weights, self.rise = inner, weights, rise

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + F.linear(self.rise(x), self.weights)


class _WithChange(nn.Module):
    """A linear map, some of whose weights also read the units that stand behind its input."""

    def __init__(self, inner: nn.Module, weights: Tensor) -> None:
        super().__init__()
        self.inner, self.weights = inner, weights

    def forward(self, x: Tensor) -> Tensor:
        units = self.weights.shape[1]
        return self.inner(x[..., :-units].contiguous()) + F.linear(x[..., -units:], self.weights)


Mix = Callable[[Tensor, Tensor, Tensor], Tensor]


def _mixing(mix: Mix, rise: Rise) -> Mix:
    """A head's mixing of values, and behind it that of what the values are changed by."""
    return lambda q, k, v: torch.cat([mix(q, k, v), mix(q, k, rise(v))[..., : v.shape[-1]]], -1)


def _shallow(module: nn.Module) -> nn.Module:
    """The same parameters, and a table of children of its own."""
    new = copy.copy(module)
    new._modules = dict(module._modules)
    return new
