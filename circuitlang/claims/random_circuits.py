"""Random circuits: as many nodes at the same sites, drawn from the nodes that are alive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from circuitlang.model import score
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.prompts.stream import Stream, derive
from circuitlang.site import Node, Place, Site


@torch.no_grad()
def alive_nodes(model: Transformer, batch: Batch) -> dict[Site, tuple[int, ...]]:
    """Units that are not the same number everywhere on the prompts: site -> indices."""
    found: dict[Site, tuple[int, ...]] = {}
    real = torch.from_numpy(batch.real)

    def look(site: Site, x: Tensor) -> Tensor:
        if site.place is not Place.FINAL:
            values = x[real.to(x.device)]
            found[site] = tuple(int(i) for i in (values != values[0]).any(0).nonzero().flatten())
        return x

    score.answer_logits(model, batch, look)
    return found


def random_circuits(
    nodes: Sequence[Node], alive: Mapping[Site, Sequence[int]], count: int, seed: int
) -> list[tuple[Node, ...]]:
    """`count` circuits with as many nodes at each site as `nodes` has there, without replacement.

    A site with fewer alive nodes than the circuit has there gives all that it has.
    """
    sizes = sorted(Counter(node.site for node in nodes).items())
    circuits = []
    for number in range(count):
        stream = Stream(derive("random circuit", seed, number))
        drawn: list[Node] = []
        for site, size in sizes:
            drawn += [Node(site, index) for index in stream.pick(alive[site], size)]
        circuits.append(tuple(sorted(drawn)))
    return circuits


def random_outside(
    model: Transformer, batch: Batch, nodes: Sequence[Node], count: int, seed: int
) -> list[tuple[Node, ...]]:
    """Such circuits of nodes that are alive on the batch and none of `nodes`: as little of the circuit as can be."""
    kept = set(nodes)
    alive = {
        site: [index for index in indices if Node(site, index) not in kept]
        for site, indices in alive_nodes(model, batch).items()
    }
    return random_circuits(nodes, alive, count, seed)
