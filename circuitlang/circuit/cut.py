"""One connection taken away: the contribution of a weight, or of an arrow between roles, replaced by its mean."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from circuitlang.circuit.extract import MATRICES
from circuitlang.circuit.intervene import Edits, Put, ablation, record
from circuitlang.model import score
from circuitlang.model.transformer import Edit, Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.site import Node, Place, Site

FROZEN = (Place.Q, Place.K, Place.V, Place.NEURON)
"""What a direct connection does not pass: while it is cut, everything else keeps these values."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An arrow to take away: from nodes to nodes, or to the answer (None). `direct`: only the paths through the
    residual stream alone; otherwise every path. `at`: only what leaves at the tokens of a mark; None is all."""

    source: tuple[Node, ...]
    target: tuple[Node, ...] | None
    direct: bool = True
    at: str | None = None


@torch.no_grad()
def run_without(
    model: Transformer, batch: Batch, edit: Edit, cuts: Sequence[Cut], mean: Mapping[Site, Tensor]
) -> Tensor:
    """(prompt, vocabulary) logits under the edit, without the cut connections.

    For every cut there is a second run in which the source is ablated and, for a direct cut, every other neuron and
    head keeps its value; what the target has there is what it gets in the run that counts.
    """
    for cut in cuts:
        if cut.target is not None:
            edit = _then(edit, _received(model, batch, edit, cut, mean))
    for cut in cuts:
        if cut.target is None:
            edit = _elsewhere(model, batch, edit, cut, mean)
    return score.answer_logits(model, batch, edit)


def without_edge(model: Transformer, source: Node, target: Node, mean: Mapping[Site, Tensor]) -> Transformer:
    """A model that shares all weights but one: that of the edge is 0, and its mean contribution is in the bias. Exact,
    whatever AbsTopK does. Raises ValueError for two nodes between which there is no weight."""
    name = MATRICES.get((source.site.place, target.site.place))
    if name is None or source.site.layer != target.site.layer:
        raise ValueError(f"there is no weight from {source} to {target}")
    path = name.format(source.site.layer).removesuffix(".weight").split(".")
    changed = shared = _shallow(model)
    for step in path[:-1]:
        child = _shallow(changed.get_submodule(step))
        changed._modules[step] = child
        changed = child
    old = changed.get_submodule(path[-1])
    assert isinstance(old, nn.Linear)
    linear = nn.Linear(old.in_features, old.out_features, device=old.weight.device, dtype=old.weight.dtype)
    linear.weight = nn.Parameter(old.weight.detach().clone(), requires_grad=False)
    linear.bias = nn.Parameter(old.bias.detach().clone(), requires_grad=False)
    linear.bias[target.index] += linear.weight[target.index, source.index] * mean[source.site][source.index]
    linear.weight[target.index, source.index] = 0.0
    changed._modules[path[-1]] = linear
    assert isinstance(shared, Transformer)
    return shared


def _shallow(module: nn.Module) -> nn.Module:
    """The same parameters, and a table of children of its own."""
    new = copy.copy(module)
    new._modules = dict(module._modules)
    return new


def _received(
    model: Transformer, batch: Batch, edit: Edit, cut: Cut, mean: Mapping[Site, Tensor]
) -> dict[Site, list[Put]]:
    """What the target's nodes are without the connection."""
    assert cut.target is not None
    sites = {node.site for node in cut.target}
    found = record(model, batch, _elsewhere(model, batch, edit, cut, mean), sites)
    everywhere = torch.ones((*batch.tokens.shape, 1), dtype=torch.bool, device=model.embed.device)
    puts: dict[Site, list[Put]] = {}
    for site in sites:
        units = torch.tensor(sorted(n.index for n in cut.target if n.site == site), device=model.embed.device)
        puts[site] = [Put(units, everywhere, found[site][..., units])]
    return puts


def _elsewhere(model: Transformer, batch: Batch, edit: Edit, cut: Cut, mean: Mapping[Site, Tensor]) -> Edit:
    """The edit of the second run: the source ablated, and what a direct connection does not pass as it was."""
    places = [Site(layer, place) for layer in range(model.config.layers) for place in FROZEN]
    frozen = record(model, batch, edit, set(places)) if cut.direct else {}
    targets = set(cut.target or ())
    ablated = Edits(None, ablation(model, batch, cut.source, cut.at, mean))

    def second(site: Site, x: Tensor) -> Tensor:
        x = edit(site, x)
        was = frozen.get(site)
        if was is not None:
            units = [node.index for node in targets if node.site == site]
            kept = was.clone()
            kept[..., units] = x[..., units]
            x = kept
        return ablated(site, x)

    return second


def _then(first: Edit, puts: Mapping[Site, Sequence[Put]]) -> Edit:
    later = Edits(None, puts)
    return lambda site, x: later(site, first(site, x))
