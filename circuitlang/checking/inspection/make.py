"""Finder + a circuit that it found -> Exhibit, from the cache where it was made before.

Everything is of `select` or of pretraining text: whoever looks at a page and then changes a claim has not seen the
prompts that will judge it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from circuitlang.checking.inspection.contexts import Contexts, spelled
from circuitlang.checking.inspection.inside import Inside
from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.find import Finder, Found, one_thread
from circuitlang.circuit.losses import loss_and_error, outputs
from circuitlang.circuit.prune import Pruned
from circuitlang.claims.verdict import UNMEASURED
from circuitlang.language.program.spec import Spec
from circuitlang.model import score
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.prompts.encode import Batch
from circuitlang.report.exhibit import BoxExhibit, Exhibit, PartExhibit, Size, WeightedToken
from circuitlang.report.listing import card_lines
from circuitlang.report.mechanism import groups_of
from circuitlang.report.responses import Responses
from circuitlang.site import READS, WRITES, Node, Place
from circuitlang.storage.cache import code_digest, key_of

Roles = Mapping[str, tuple[str, ...]]
SAME = ("model", "prune", "task")
"""Hashes of a report that say whether an exhibit is of the same circuit; claims and code may differ."""


def exhibit_or_why(
    spec: Spec, finder: Finder, found: Found, hashes: Mapping[str, str], roles: Roles | None = None
) -> tuple[Exhibit | None, str]:
    """Also why there is none, in one sentence without a full stop: a page never costs a verdict that took minutes."""
    try:
        return exhibit(spec, finder, found, hashes, roles), ""
    except UNMEASURED as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        return None, f"the page shows the report alone, as values of the circuit cannot be shown: {why}"


def exhibit(
    spec: Spec, finder: Finder, found: Found, hashes: Mapping[str, str], roles: Roles | None = None
) -> Exhibit | None:
    """None where the search ended without a circuit. `hashes`: of the report; `roles`: the nodes that play each."""
    if found.pruned.stopped is not None or not found.pruned.nodes:
        return None
    kept = [str(node) for node in found.pruned.nodes]
    about = (spec.name, repr(spec.prune), found.seed, kept, repr(roles))
    key = key_of("exhibit", finder.key, *about, code_digest(__name__))
    known = finder.cache.found(key, Exhibit.from_json)
    if known is not None:
        return known
    with one_thread():
        made = _make(spec, finder, found, hashes)
        seen = Responses(made) if made.prompts else None
        groups = [[n.node for n in group.nodes] for group in groups_of(found.graph, roles or {}, seen)]
        ablation = finder.ablation(spec.prune.ablate)
        made = made.model_copy(update={"boxes": boxes(finder, found.pruned.nodes, ablation, groups)})
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


DATAPOINTS = 96
"""Of `select`. The search itself looked at more; its own loss is the report's."""
STEPS = 20
"""How many sizes there are up to the circuit's, evenly apart; and half as many above."""
BEYOND = 2.0
"""How far above the circuit's size the sizes go."""


def looked_at(kept: int, known: int) -> list[int]:
    """The sizes, ascending: none, the circuit's, and others around it, as far as the order of nodes is known."""
    below = {round(kept * i / STEPS) for i in range(STEPS + 1)}
    above = {round(kept * BEYOND ** (i / (STEPS // 2))) for i in range(1, STEPS // 2 + 1)}
    return sorted(below | {size for size in above if size <= known})


def ordered(pruned: Pruned) -> tuple[Node, ...]:
    """The circuit's nodes by need, and those that would come next."""
    return pruned.order[: max(looked_at(len(pruned.nodes), len(pruned.order)))]


@torch.no_grad()
def sizes(finder: Finder, pruned: Pruned, ablation: Ablation) -> tuple[tuple[Size, ...], float, int]:
    """Every size with its numbers; the untouched model's loss; and on how many prompts."""
    batch = finder.prompts("select", 0, DATAPOINTS)
    model = finder.checkpoint.model
    untouched = ((part, score.answer_logits(model, part)) for part in batch.parts(score.PROMPTS_AT_ONCE))
    own_loss, own_choice = _asked(untouched)
    found = []
    for size in looked_at(len(pruned.nodes), len(pruned.order)):
        loss, choice = _asked(outputs(model, ablation, pruned.order[:size], batch))
        by_datapoint = loss.view(-1, batch.cases).mean(1)
        found.append(
            Size(
                nodes=size,
                loss=float(loss.mean()),
                error=float(by_datapoint.std()) / math.sqrt(len(by_datapoint)),
                agreement=float((choice == own_choice).double().mean()),
            )
        )
    return tuple(found), float(own_loss.mean()), len(batch)


def _asked(outputs: Iterable[tuple[Batch, Tensor]]) -> tuple[Tensor, Tensor]:
    """(prompt) loss in nats, and choice."""
    losses, choices = [], []
    for part, logits in outputs:
        losses.append(score.loss(logits, part).double())
        choices.append(score.choice(logits, part))
    return torch.cat(losses), torch.cat(choices)
