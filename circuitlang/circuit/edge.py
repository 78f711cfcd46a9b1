"""Single weights of the model: what goes through one becomes its mean, what it is in the other case, or a multiple."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from circuitlang.circuit.cut import Kind
from circuitlang.circuit.intervene import Act, ablations, put, record
from circuitlang.circuit.plugin_intervention import Plugged
from circuitlang.model.transformer import Attention, Edit, Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.site import MATRICES, Node, Place, Site


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
