"""Kept nodes that say nothing of a prompt: in the circuit each has one value at every token of every prompt, as a bias
would."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.find import COSTED, Finder
from circuitlang.circuit.intervene import Act, prepared, record
from circuitlang.site import Node

AT_ONCE = 16
"""Datapoints that are run together."""
ROUNDING = 1e-5
"""Of the largest value: how far apart values may lie that differ by rounding alone."""


@torch.no_grad()
def constant_nodes(finder: Finder, nodes: Sequence[Node], ablation: Ablation) -> tuple[Node, ...]:
    """In the order given; on the first datapoints of `select`, the token in front of every prompt included."""
    model, sites = finder.checkpoint.model, {node.site for node in nodes}
    whole = finder.prompts("select", 0, COSTED)
    low, high = dict.fromkeys(nodes, float("inf")), dict.fromkeys(nodes, float("-inf"))
    for batch in whole.parts(AT_ONCE * whole.cases):
        acts = (Act("keep", tuple(nodes)),)
        small, edit = prepared(model, batch, acts, ablation.of(batch), sites)
        found = record(small, batch, edit, sites)
        ends = torch.as_tensor(batch.end)
        for node in nodes:
            values = found[node.site][:, :, node.index].cpu()
            real = values[torch.arange(values.shape[1]) <= ends[:, None]]
            low[node] = min(low[node], float(real.min()))
            high[node] = max(high[node], float(real.max()))
    return tuple(n for n in nodes if high[n] - low[n] <= ROUNDING * max(abs(low[n]), abs(high[n])))
