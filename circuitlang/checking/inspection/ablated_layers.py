"""What the loss rises by when all kept nodes of a layer's attention, or of its MLP, are ablated together."""

from __future__ import annotations

from collections.abc import Sequence

from circuitlang.checking.inspection.size_curve import DATAPOINTS
from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.find import Finder
from circuitlang.circuit.losses import loss_and_error
from circuitlang.report.exhibit import PartExhibit
from circuitlang.site import Node


def parts(finder: Finder, nodes: Sequence[Node], ablation: Ablation) -> tuple[PartExhibit, ...]:
    """In order of computation; of parts that the circuit has nodes in."""
    batch = finder.prompts("select", 0, DATAPOINTS)
    model = finder.checkpoint.model

    def loss(kept: Sequence[Node]) -> float:
        return loss_and_error(model, ablation, kept, batch)[0]

    by_part: dict[tuple[int, bool], list[Node]] = {}
    for node in sorted(nodes):
        by_part.setdefault((node.site.layer, node.site.place.sublayer == "mlp"), []).append(node)
    whole = loss(nodes)
    return tuple(
        PartExhibit(
            layer=layer,
            part="mlp" if mlp else "attention",
            nodes=len(out),
            rise=loss([node for node in nodes if node not in out]) - whole,
        )
        for (layer, mlp), out in by_part.items()
    )
