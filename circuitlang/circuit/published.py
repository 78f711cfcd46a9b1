"""A circuit that the authors published, as data (model/interop/convert.py), to a graph on the imported model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from circuitlang.circuit.extract import weight_edges
from circuitlang.circuit.graph import CircuitGraph, GraphNode, attention_edges, residual_edges
from circuitlang.model.config import Config
from circuitlang.model.transformer import Transformer
from circuitlang.site import Node, Place, Site
from circuitlang.source.diagnostic import CommandError

PAIR = 2
"""Their losses are sums over the two prompts of a pair; ours are per prompt."""
_SIZES = {"n_layer": "layers", "d_model": "width", "n_head": "heads", "d_mlp": "hidden", "n_mlp": "hidden"}


@torch.no_grad()
def published_circuit(
    model: Transformer, mean: Mapping[Site, Tensor], data: Mapping[str, Any]
) -> tuple[CircuitGraph, list[str]]:
    """The graph, and lines that say what of the data it does not hold.

    Costs are the published ones, halved; 0 where there are none. Weights are the model's. CommandError where the
    circuit is not of this model, or says something that cannot be.
    """
    config = model.config
    for theirs, ours in _SIZES.items():
        if data["config"].get(theirs, getattr(config, ours)) != getattr(config, ours):
            raise CommandError(
                f"the circuit is of a model with {theirs} = {data['config'][theirs]}, "
                f"and this one has {getattr(config, ours)}"
            )
    if data["nodes"] not in (None, config.total_nodes, config.total_nodes + config.width):
        raise CommandError(
            f"the circuit is of a model with {data['nodes']:,} nodes, and this one has {config.total_nodes:,}"
        )
    sites = {site.authors_name: site for site in config.sites()}
    final = Site(config.layers, Place.FINAL)
    found, notes = list[GraphNode](), list[str]()
    for name, indices in data["kept"].items():
        if name == final.authors_name:
            notes.append(f"{len(indices)} channels of {name} are left out: no node of ours stands there")
            continue
        if name not in sites:
            raise CommandError(f"the circuit keeps nodes at `{name}`, and there is no such place")
        found += _nodes(config, sites[name], indices, _costs(name, data), mean)
    nodes = [node.node for node in found]
    edges = (*weight_edges(model, nodes), *attention_edges(found), *residual_edges(nodes))
    if data["loss"] is None or not data["without"]:
        notes.append("the file has no losses without single nodes: every cost is 0")
    return CircuitGraph(tuple(found), edges, config.total_nodes), notes


def _costs(name: str, data: Mapping[str, Any]) -> list[float]:
    count = len(data["kept"][name])
    if data["loss"] is None or not data["without"]:
        return [0.0] * count
    losses = data["without"].get(name, [])
    if len(losses) != count:
        raise CommandError(f"the circuit has {len(losses)} losses for the {count} nodes at `{name}`")
    return [(loss - data["loss"]) / PAIR for loss in losses]


def _nodes(
    config: Config, site: Site, indices: list[int], costs: list[float], mean: Mapping[Site, Tensor]
) -> list[GraphNode]:
    if len(set(indices)) != len(indices):
        raise CommandError(f"the circuit keeps a node of {site} twice")
    found = []
    for index, cost in zip(indices, costs, strict=True):
        if not 0 <= index < config.size(site):
            raise CommandError(f"the circuit keeps {site}[{index}], and {site} has {config.size(site)} units")
        node = Node(site, index)
        try:
            found.append(GraphNode(node, cost, float(mean[site][index]), *config.within_head(node)))
        except ValueError as error:
            raise CommandError(f"the circuit cannot be: {error}") from error
    return found
