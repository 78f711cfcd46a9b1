"""One weight of the model: what goes through it becomes its mean, what it is in the other case, or a multiple."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from circuitlang.circuit.cut import Kind
from circuitlang.circuit.intervene import Act, ablations, put, record
from circuitlang.circuit.plugged import Plugged
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

    Exact: the change is made before AbsTopK and the activation function, and no other weight sees it. A value channel
    reaches what its head writes through the head's own pattern. Raises ValueError for two nodes between which there is
    no weight.
    """
    name = MATRICES.get((edge.source.site.place, edge.target.site.place))
    if name is None or edge.source.site.layer != edge.target.site.layer:
        raise ValueError(f"there is no weight from {edge.source} to {edge.target}")
    *path, matrix = name.format(edge.source.site.layer).removesuffix(".weight").split(".")
    changed = shared = _shallow(model)
    for step in path:
        child = _shallow(changed.get_submodule(step))
        changed._modules[step] = child
        changed = child
    inner = changed.get_submodule(matrix)
    weight = model.get_parameter(name.format(edge.source.site.layer))[edge.target.index, edge.source.index]
    rise = _rise(model, batch, edit, edge, mean)
    if edge.source.site.place is Place.V:
        assert isinstance(changed, Attention)
        changed.__dict__["mix"] = _mixing(changed.mix, edge.source.index, rise)  # of this copy alone
        changed._modules[matrix] = _LastUnit(inner, edge.target.index, weight)
    else:
        changed._modules[matrix] = _Reading(inner, edge, weight, rise)
    assert isinstance(shared, Transformer)
    return shared


Rise = Callable[[Tensor], Tensor]
"""(prompt, position) values of the source -> what the target reads less these."""


def _rise(model: Transformer, batch: Batch, edit: Edit, edge: EdgeCut, mean: Mapping[Site, Tensor]) -> Rise:
    site = edge.source.site
    act = Act(edge.kind, (edge.source,), edge.value, edge.at, edge.to, edge.by)
    other = record(model, batch, ablations(edit), {site}) if edge.kind == "swap" else {}
    alone = replace(put(act, site, batch, other, mean), units=torch.tensor([0], device=model.embed.device))
    return lambda x: alone(x[..., None])[..., 0] - x


class _Reading(nn.Module):
    """A linear map, one of whose outputs reads another value of one input."""

    def __init__(self, inner: nn.Module, edge: EdgeCut, weight: Tensor, rise: Rise) -> None:
        super().__init__()
        self.inner, self.edge, self.one, self.rise = inner, edge, weight.detach(), rise

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x).clone()
        y[..., self.edge.target.index] += self.one * self.rise(x[..., self.edge.source.index])
        return y


class _LastUnit(nn.Module):
    """A linear map, to one of whose outputs the last input is added, by a weight."""

    def __init__(self, inner: nn.Module, target: int, weight: Tensor) -> None:
        super().__init__()
        self.inner, self.target, self.one = inner, target, weight.detach()

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x[..., :-1]).clone()
        y[..., self.target] += self.one * x[..., -1]
        return y


Mix = Callable[[Tensor, Tensor, Tensor], Tensor]


def _mixing(mix: Mix, unit: int, rise: Rise) -> Mix:
    """A head's mixing of values that also gives, as one unit more, what the change of one value channel comes to."""

    def more(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        change = torch.zeros_like(v)
        change[..., unit] = rise(v[..., unit])
        return torch.cat([mix(q, k, v), mix(q, k, change)[..., unit, None]], -1)

    return more


def _shallow(module: nn.Module) -> nn.Module:
    """The same parameters, and a table of children of its own."""
    new = copy.copy(module)
    new._modules = dict(module._modules)
    return new
