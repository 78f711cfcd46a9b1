"""The tokens of the whole vocabulary that a node reads, or writes, the most."""

from __future__ import annotations

from circuitlang.checking.inspection.spelling import spelled
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.report.exhibit import WeightedToken
from circuitlang.site import READS, WRITES, Node, Place

SHOWN = 8
"""Of the largest weights, and of the smallest."""


def weighted_tokens(checkpoint: Checkpoint, node: Node) -> tuple[WeightedToken, ...]:
    """The largest first; without zeros. For a node that reads the residual stream the embedding's entries in its
    channel, for one that writes there the unembedding's, times the final norm's gain; otherwise none."""
    model = checkpoint.model
    if node.index >= model.config.width and node.site.place is not Place.NEURON:
        return ()  # a position's channel
    if node.site.place in READS:
        column = model.embed[:, node.index]
    elif node.site.place in WRITES:
        column = model.unembed[:, node.index] * model.norm.weight[node.index]
    else:
        return ()
    found = [(weight, token) for token, weight in enumerate(column.tolist()) if weight != 0]
    found.sort(key=lambda pair: (-pair[0], pair[1]))
    ends = found if len(found) <= 2 * SHOWN else found[:SHOWN] + found[-SHOWN:]
    return tuple(
        WeightedToken(token=spelled(checkpoint.tokenizer, token), weight=weight) for weight, token in ends
    )
