"""What the loss rises by when kept nodes are ablated together: a layer's attention, its MLP, a box of the mechanism."""

from __future__ import annotations

from collections.abc import Sequence

from circuitlang.checking.inspection.sizes import DATAPOINTS
from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.find import Finder
from circuitlang.circuit.losses import loss_and_error
from circuitlang.report.exhibit import BoxExhibit, PartExhibit
from circuitlang.site import Node


def parts(finder: Finder, nodes: Sequence[Node], ablation: Ablation) -> tuple[PartExhibit, ...]:
    """In order of computation; of parts that the circuit has nodes in."""
    by_part: dict[tuple[int, bool], list[Node]] = {}
    for node in sorted(nodes):
        by_part.setdefault((node.site.layer, node.site.place.sublayer == "mlp"), []).append(node)
    rises = _rises(finder, nodes, ablation, list(by_part.values()))
    return tuple(
        PartExhibit(
            layer=layer,
            part="mlp" if mlp else "attention",
            nodes=len(out),
            rise=rise,
        )
        for ((layer, mlp), out), rise in zip(by_part.items(), rises, strict=True)
    )


def boxes(
    finder: Finder, nodes: Sequence[Node], ablation: Ablation, groups: Sequence[Sequence[Node]]
) -> tuple[BoxExhibit, ...]:
    """Of groups of nodes that have any."""
    groups = [group for group in groups if group]
    rises = _rises(finder, nodes, ablation, groups)
    return tuple(
        BoxExhibit(nodes=tuple(map(str, group)), rise=rise) for group, rise in zip(groups, rises, strict=True)
    )


def _rises(
    finder: Finder, nodes: Sequence[Node], ablation: Ablation, groups: Sequence[Sequence[Node]]
) -> list[float]:
    batch = finder.prompts("select", 0, DATAPOINTS)

    def loss(kept: Sequence[Node]) -> float:
        return loss_and_error(finder.checkpoint.model, ablation, kept, batch)[0]

    whole = loss(nodes)
    return [loss([node for node in nodes if node not in out]) - whole for out in groups]
