"""Parts of the complement that are left as they are, as an adversary would choose them.

A circuit that works only as long as all of the complement is ablated together leans on errors that cancel. The
adversary returns to the nodes outside the circuit their own values where that raises the loss most, by its gradient.
A search is trained against it in every second datapoint, and the battery measures what it can do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from circuitlang.circuit.mask import Mask
from circuitlang.model import score
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.site import Site

SHARES = (0.05, 0.25, 1.0)
"""Of the nodes outside whose return raises the loss: how many of them, the worst first, come back."""
ROUNDS = 2
"""How often the gradient is taken: at the circuit, then at the worst part that the first round found."""
MEMORY = 0.1
"""Weight of the newest batch in the running means of a search's slopes."""
HELD = 0.6
"""The share of chance up to which the loss of a circuit may rise under attack, in a search."""


def allowed(target: float, chance: float) -> float:
    """Nats: the loss under attack up to which a search lets nodes go."""
    return max(target, HELD * chance)


def returned(keep: Tensor, slope: Tensor, share: float) -> Tensor:
    """(node) 1 for the `share` of the nodes outside whose return raises the loss most; 0 for all others. keep, slope:
    (node), slope in nats."""
    outside = slope * (1 - keep)
    back = torch.zeros_like(keep)
    order = outside.argsort(descending=True, stable=True)[: int((outside > 0).sum())]
    if len(order):
        back[order[: max(1, round(share * len(order)))]] = 1.0
    return back


def worst_part(model: Transformer, mask: Mask, batch: Batch) -> tuple[float, dict[Site, Tensor]]:
    """The mean loss under the worst attack that was found, in nats, and what comes back in it: site -> (unit), 1 at
    such nodes, none of them the mask's own, so that one of these that is left out later stays out. mask.keep: site ->
    (unit)."""
    worst, kept = _loss(model, mask.keep, mask, batch), dict(mask.keep)
    for _ in range(ROUNDS):
        keep = {site: part.clone().requires_grad_() for site, part in kept.items()}
        loss = score.loss(score.answer_logits(model, batch, Mask(keep, mask.mean)), batch).mean()
        slopes = torch.autograd.grad(loss, list(keep.values()), allow_unused=True, materialize_grads=True)
        flat, sizes = torch.cat(list(kept.values())), [len(part) for part in kept.values()]
        base = kept
        for share in SHARES:
            back = returned(flat, torch.cat(slopes), share).split(sizes)
            tried = {site: torch.maximum(base[site], part) for site, part in zip(keep, back, strict=True)}
            if (found := _loss(model, tried, mask, batch)) > worst:
                worst, kept = found, tried
    return worst, {site: part - mask.keep[site] for site, part in kept.items()}


@torch.no_grad()
def _loss(model: Transformer, keep: Mapping[Site, Tensor], mask: Mask, batch: Batch) -> float:
    """Infinite where it is no number."""
    logits = score.answer_logits(model, batch, Mask(keep, mask.mean))
    loss = float(score.loss(logits, batch).double().mean())
    return np.inf if np.isnan(loss) else loss


def attacked(batch: Batch) -> Tensor:
    """(prompt) whether some of the complement comes back there in a search: in every second datapoint."""
    return torch.from_numpy(np.arange(len(batch)) // batch.cases % 2 == 1)


@dataclass
class Adversary:
    """Follows a search. `plain`, `again`: (node), running means of the loss's slopes where all of the complement is
    ablated, and where some of it has come back already."""

    draw: np.random.Generator
    plain: Tensor | None = None
    again: Tensor | None = None

    def masks(self, keep: Tensor, batch: Batch) -> Tensor:
        """(prompt, node) what is kept of every prompt. keep: (node), of the circuit; gradients reach it."""
        masks = keep.expand(len(batch), -1)
        if self.plain is None or self.again is None:
            return masks
        back = returned(keep.detach(), self.plain, float(self.draw.choice(SHARES)))
        if self.draw.integers(2):
            back = torch.maximum(back, returned(keep.detach(), self.again, float(self.draw.choice(SHARES))))
        return torch.where(attacked(batch).to(keep.device)[:, None], torch.maximum(masks, back), masks)

    def see(self, gradient: Tensor, batch: Batch) -> None:
        """gradient: (prompt, node), of the batch's mean loss by `masks`."""
        where = attacked(batch).to(gradient.device)
        plain, again = (gradient[rows].sum(0) * 2 for rows in (~where, where))
        self.plain = plain if self.plain is None else torch.lerp(self.plain, plain, MEMORY)
        self.again = again if self.again is None else torch.lerp(self.again, again, MEMORY)
