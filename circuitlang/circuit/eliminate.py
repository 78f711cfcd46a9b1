"""The second stage of pruning: nodes put into an order, the most needed first, by leaving out the one missed least."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.adversary import allowed, attacked, worst_part
from circuitlang.circuit.losses import chance
from circuitlang.circuit.mask import Mask, compact, keeping
from circuitlang.circuit.shared_prefix import Shared, in_order, trace
from circuitlang.language.program.spec import PruneSettings
from circuitlang.model import score
from circuitlang.model.config import Config
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.site import Node, Place, Site

TRIED = 4
"""Nodes whose removal is measured exactly per round of the second stage; the gradient says which."""
WIDER = 2
"""Where several go at once: of so many times as many the removal of each is measured."""
HASTE = 24
"""While more nodes than this are left, up to an eighth of them go per round, the ones with the smallest gradients."""
HARMLESS = 0.005
"""Nats that leaving out several nodes at once may cost; if it costs more, half as many are tried."""
STEADY = 64
"""In a search under `resample` one of so many nodes goes per round at least, whatever it costs: there each of hundreds
costs something, and one at a time would take an hour."""
EVERY = 64
"""Nodes of which all are tried where those with the smallest gradients are missed; of more it would take minutes."""
RENEWED = 0.9
"""The part of the complement that comes back is chosen anew when so many of the nodes are left."""
RANKED = 32
"""Datapoints of `train` that the second stage looks at."""
ROUGH = 96
"""Datapoints of `select` that a bisection looks at, before all of them decide."""
GIVE_UP = 0.6
"""The second stage ends when the loss on `train` is this far above the target, in multiples of it."""
Draw = Callable[[int, int], Batch]
"""(start, count) -> datapoints [start, start + count) of `train`."""


def every_node(model: Transformer, without: Sequence[Node] = ()) -> list[Node]:
    """All nodes but those, in order of computation."""
    config, out = model.config, set(without)
    nodes = (Node(site, index) for site in config.sites() for index in range(config.size(site)))
    return [node for node in nodes if node not in out]


def by_return(
    model: Transformer,
    ablation: Ablation,
    draw: Draw,
    settings: PruneSettings,
    kept: Sequence[Node],
    without: Sequence[Node] = (),
) -> list[Node]:
    """All other nodes but those `without`, those first whose return to the circuit lowers the loss on `train` most, by
    its gradient."""
    others = every_node(model, [*kept, *without])
    batch = draw(settings.steps * settings.batch, RANKED)
    _, rises = effects(model, keeping(kept, model.config, ablation.of(batch)), batch, others)
    return [node for _, node in sorted(zip(rises, others, strict=True), key=lambda row: (-row[0], row[1]))]


def eliminate(
    model: Transformer,
    ablation: Ablation,
    draw: Draw,
    settings: PruneSettings,
    survivors: Sequence[Node],
    report: Callable[[str, float], None],
) -> list[Node]:
    """The second stage: the survivors, the most needed first."""
    batch = draw(settings.steps * settings.batch, RANKED)
    config, stand_ins = model.config, ablation.of(batch)
    attack = attacked(batch).to(model.embed.device)
    # The loss under attack counts as its share of what is allowed there, so that neither half ends the search alone.
    lenient = settings.loss / allowed(settings.loss, chance(batch)) if settings.resamples else 1.0
    weight = torch.where(attack, lenient, 1.0)
    back: dict[Site, Tensor] = {}
    known = 0  # how many nodes were left when the part that comes back was chosen

    def masked(nodes: Sequence[Node]) -> Mask:
        """The circuit of these nodes, under attack in every second datapoint."""
        mask = keeping(nodes, config, stand_ins)
        if not back:
            return mask
        return Mask(
            {
                s: torch.where(attack[:, None, None], torch.maximum(k, back[s]), k)
                for s, k in mask.keep.items()
            },
            mask.mean,
        )

    def losses_without(model: Transformer, outs: Sequence[Sequence[int]]) -> list[float]:
        """The loss without some of `left`, by their numbers; one per choice of some."""
        masks = [masked(_others(left, with_them(out))) for out in outs]
        traces = [trace(config, mask.keep) for mask in masks]
        losses = [0.0] * len(outs)
        for i in in_order(traces):
            logits = shared.logits(model, masks[i], traces[i])
            losses[i] = float((weight * score.loss(logits, batch)).mean())
        return losses

    def with_them(out: Sequence[int]) -> list[int]:
        return keyless_values(left, out, config) if settings.resamples else list(out)

    def least_missed(model: Transformer, tried: Sequence[int]) -> list[tuple[float, int]]:
        """(loss without it, its number), the least missed first."""
        return sorted(zip(losses_without(model, [[i] for i in tried]), tried, strict=True))

    shared = Shared(batch)
    left, gone = list(survivors), []
    stuck = False  # whether it is known that no single node can go unmissed
    while left:
        if settings.resamples and len(left) != known and (not back or len(left) < RENEWED * known):
            _, back = worst_part(model, keeping(left, config, stand_ins), batch)
            known = len(left)
        mask = masked(left)
        small = compact(model, mask)
        now, effect = effects(small, mask, batch, left, weight)
        if now > settings.loss * (1 + GIVE_UP) and gone:
            break
        ranked = sorted(range(len(left)), key=lambda i: (abs(effect[i]), left[i]))
        many = len(left) // 8 if len(left) > HASTE else 1
        harmless = max(now, settings.loss / 2) + HARMLESS
        fewest = max(1, len(left) // STEADY) if settings.resamples else 1
        while many > fewest and losses_without(small, [ranked[:many]])[0] > harmless:
            many = max(fewest, many // 2)
        out = ranked[:many]
        if many == fewest:
            # A saturated node has no gradient and is needed all the same, so that the gradient alone does not decide.
            missed = least_missed(small, ranked[: max(TRIED, WIDER * many)])
            if missed[0][0] > now + HARMLESS and not stuck and len(left) <= EVERY:
                missed = least_missed(small, ranked)
                stuck = missed[0][0] > now + HARMLESS
            out = [i for _, i in missed[:many]]
            # Each can do without it where another does the same: the keys of a head, of which it needs one.
            while (
                len(out) > 1 and losses_without(small, [out])[0] > _apart(now, missed[: len(out)]) + HARMLESS
            ):
                out = out[: len(out) // 2]
        out = with_them(out)
        gone += [left[i] for i in out]
        left = _others(left, out)
        report("leaving out nodes", 0.7 + 0.3 * len(gone) / len(survivors))
    return left + gone[::-1]


def keyless_values(nodes: Sequence[Node], out: Sequence[int], config: Config) -> list[int]:
    """The nodes that go, by their numbers: in front of those of `out` the values of heads that keep no key without
    them, so that a head's values never come before all of its keys in the order."""
    gone = set(out)
    left = [(i, node) for i, node in enumerate(nodes) if i not in gone]
    keyed = {_head(config, node) for _, node in left if node.site.place is Place.K}
    values = [i for i, node in left if node.site.place is Place.V and _head(config, node) not in keyed]
    return [*values, *out]


def _apart(now: float, missed: Sequence[tuple[float, int]]) -> float:
    """The loss if the nodes that go cost together what each costs alone."""
    return now + sum(max(0.0, loss - now) for loss, _ in missed)


def _head(config: Config, node: Node) -> tuple[int, int | None]:
    return node.site.layer, config.within_head(node)[0]


def _others(nodes: Sequence[Node], out: Sequence[int]) -> list[Node]:
    """All but those of these numbers."""
    gone = set(out)
    return [node for i, node in enumerate(nodes) if i not in gone]


def effects(
    model: Transformer, mask: Mask, batch: Batch, nodes: Sequence[Node], weight: Tensor | float = 1.0
) -> tuple[float, list[float]]:
    """The loss, and to first order how much it rises when each of the nodes goes: or how much higher it is where a node
    that the mask does not keep stays away. weight: (prompt), of each in the mean."""
    keep = {site: part.clone().requires_grad_() for site, part in mask.keep.items()}
    value = (weight * score.loss(score.answer_logits(model, batch, Mask(keep, mask.mean)), batch)).mean()
    if not value.requires_grad:  # no kept node is written anywhere: leaving out the others changes nothing
        return float(value), [0.0] * len(nodes)
    slopes = torch.autograd.grad(value, list(keep.values()), allow_unused=True)
    by_site = dict(zip(keep, slopes, strict=True))
    rises = []
    for node in nodes:
        slope = by_site[node.site]
        rises.append(0.0 if slope is None else -float(slope[..., node.index].sum()))
    return float(value.detach()), rises
