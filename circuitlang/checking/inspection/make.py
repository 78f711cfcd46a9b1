"""Finder + a circuit that it found -> Exhibit, from the cache where it was made before.

Everything is of `select` or of pretraining text: whoever looks at a page and then changes a claim has not seen the
prompts that will judge it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from circuitlang.checking.inspection.contexts import Contexts, spelled
from circuitlang.checking.inspection.inside import Inside
from circuitlang.checking.inspection.size_curve import DATAPOINTS, ordered, sizes
from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.find import Finder, Found, one_thread
from circuitlang.circuit.losses import loss_and_error
from circuitlang.claims.verdict import UNMEASURED
from circuitlang.language.program.spec import Spec
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.report.exhibit import Exhibit, PartExhibit, WeightedToken
from circuitlang.report.listing import card_lines
from circuitlang.site import READS, WRITES, Node, Place
from circuitlang.storage.cache import code_digest, key_of

SAME = ("model", "prune", "task")
"""Hashes of a report that say whether an exhibit is of the same circuit; claims and code may differ."""


def exhibit_or_why(
    spec: Spec, finder: Finder, found: Found, hashes: Mapping[str, str]
) -> tuple[Exhibit | None, str]:
    """Also why there is none, in one sentence without a full stop: a page never costs a verdict that took minutes."""
    try:
        return exhibit(spec, finder, found, hashes), ""
    except UNMEASURED as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        return None, f"the page shows the report alone, as values of the circuit cannot be shown: {why}"


def exhibit(spec: Spec, finder: Finder, found: Found, hashes: Mapping[str, str]) -> Exhibit | None:
    """None where the search ended without a circuit. `hashes`: of the report."""
    if found.pruned.stopped is not None or not found.pruned.nodes:
        return None
    kept = [str(node) for node in found.pruned.nodes]
    key = key_of("exhibit", finder.key, spec.name, repr(spec.prune), found.seed, kept, code_digest(__name__))
    known = finder.cache.found(key, Exhibit.from_json)
    if known is not None:
        return known
    with one_thread():
        made = _make(spec, finder, found, hashes)
    finder.cache.put(key, made.to_json().encode())
    return made


def _make(spec: Spec, finder: Finder, found: Found, hashes: Mapping[str, str]) -> Exhibit:
    ablation = finder.ablation(spec.prune.ablate)
    inside = Inside.of(finder, found.pruned.nodes, ablation)
    contexts = Contexts.of(finder.checkpoint, found.pruned.nodes)
    curve, model_loss, prompts = sizes(finder, found.pruned, ablation)
    return Exhibit(
        spec=spec.name,
        seed=found.seed,
        hashes={name: hashes[name] for name in SAME if name in hashes},
        prompts=inside.prompts(),
        nodes=tuple(
            inside.node(node).model_copy(
                update={**contexts.node(node), "tokens": weighted_tokens(finder.checkpoint, node)}
            )
            for node in found.pruned.nodes
        ),
        heads=inside.heads(),
        sink=finder.checkpoint.model.config.sink,
        parts=parts(finder, found.pruned.nodes, ablation),
        card=tuple(card_lines(finder.checkpoint.card)),
        words=contexts.words,
        text=contexts.text,
        order=tuple(map(str, ordered(found.pruned))),
        sizes=curve,
        model_loss=model_loss,
        sized_on=prompts,
    )


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
