"""Nodes in an order, the most needed first, to a circuit: how many it takes, and which of these it can spare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.adversary import allowed, needed, withstands, worst_part
from circuitlang.circuit.eliminate import HARMLESS, RANKED, ROUGH, STEADY, Draw, keyless_values
from circuitlang.circuit.losses import chance, loss_and_error, losses_and_errors
from circuitlang.circuit.mask import Mask, compact, keeping
from circuitlang.language.program.spec import PruneSettings
from circuitlang.model import score
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.site import Node, Site

MARGIN = 3.0
"""The target must be met on `select` by so many standard errors, so that it is met on fresh prompts too."""
BATTERY, ATTACKED = 32, 64
"""Datapoints on which attacks are chosen where a circuit's size is decided: of `select`, those that the battery chooses
on, and of `train`. They are measured on the second half of `select`."""
BESIDE = 3
"""Sizes on each side of the one in question that are measured with it on all of `select`."""


@dataclass(frozen=True)
class Shortest:
    """The first `size` of `order`. `loss`: mean nats per prompt on `select`; `error`: its standard error; `reached`:
    whether the target is met; `curve`: (nodes, loss on `select`) for the sizes that were looked at."""

    size: int
    loss: float
    error: float
    reached: bool
    curve: tuple[tuple[int, float], ...]
    order: tuple[Node, ...]


@dataclass(frozen=True)
class Sizes:
    """What decides how many nodes of an order a circuit takes, of one search."""

    model: Transformer
    ablation: Ablation
    draw: Draw
    select: Batch
    settings: PruneSettings

    def shortest(self, order: Sequence[Node]) -> Shortest:
        """The shortest prefix of the order whose loss on `select` is under the target by the margin.

        Bisection over k, on the first datapoints alone; then on all of them, from where that ended up to the first k
        that meets the target there and down while the next smaller does too. Under `resample` none that attacks break,
        and of what is left those nodes go that are hardly missed.
        """
        rough = next(iter(self.select.parts(ROUGH * self.select.cases)))
        low, high = 0, len(order)
        while high - low > 1:
            middle = (low + high) // 2
            now, _ = loss_and_error(self.model, self.ablation, order[:middle], rough)
            low, high = (low, middle) if now <= self.settings.loss else (middle, high)
        seen: dict[int, tuple[float, float]] = {}

        def meets(k: int, pace: int) -> bool:
            if k not in seen:  # with its neighbours, for which the values of ablated nodes are then at hand
                near = (k + away * pace for away in range(-BESIDE, BESIDE + 1))
                wanted = sorted({each for each in near if 0 < each <= len(order)} - seen.keys() | {k})
                circuits = [order[:each] for each in wanted]
                found = losses_and_errors(self.model, self.ablation, circuits, self.select)
                seen.update(zip(wanted, found, strict=True))
            return self._meets(seen[k])

        k, least = high, 0
        if self.settings.resamples:
            k = least = self._least_under_attack(order, high)
        while not meets(k, up := max(1, k // 16)) and k < len(order):
            k = min(len(order), k + up)
        pace = max(1, k // STEADY) if self.settings.resamples else 1
        while meets(k, pace) and k - pace >= max(1, least) and meets(k - pace, pace):
            k -= pace
        reached = meets(k, pace)
        if reached and self.settings.resamples:
            spared = self._spared(order[:k])
            order = [*(node for node in order[:k] if node not in spared), *sorted(spared), *order[k:]]
            k -= len(spared)
            seen = {size: found for size, found in seen.items() if size >= k + len(spared)}
            seen[k] = loss_and_error(self.model, self.ablation, order[:k], self.select)
        loss, error = seen[k]
        curve = tuple((size, seen[size][0]) for size in sorted(seen))
        return Shortest(k, loss, error, reached, curve, tuple(order))

    def _meets(self, loss_and_error: tuple[float, float]) -> bool:
        loss, error = loss_and_error
        return loss + MARGIN * error <= self.settings.loss

    def _least_under_attack(self, order: Sequence[Node], k: int) -> int:
        """A short prefix of at least k nodes that withstands the attacks; all of the order where none does."""
        low, high = k - 1, k
        while high < len(order) and not self._withstands(order[:high]):
            low, high = high, min(len(order), high + max(1, high // 4))
        while high - low > 1 and high > k:
            middle = (low + high) // 2
            low, high = (low, middle) if self._withstands(order[:middle]) else (middle, high)
        return high

    def _withstands(self, nodes: Sequence[Node]) -> bool:
        """Whether it stays right under attacks that were chosen on other prompts, one of them where the battery chooses
        its own."""
        fresh, least = self._fresh
        return all(withstands(self.model, self.ablation, nodes, seen, fresh, least) for seen in self._attacks)

    @cached_property
    def _halves(self) -> Sequence[Batch]:
        return list(self.select.parts(-(-self.select.datapoints // 2) * self.select.cases))

    @cached_property
    def _fresh(self) -> tuple[Batch, Tensor]:
        fresh = self._halves[-1]
        return fresh, needed(self.model, fresh)

    @cached_property
    def _attacks(self) -> Sequence[Batch]:
        alike = next(iter(self._halves[0].parts(BATTERY * self.select.cases)))
        return alike, self.draw(self.settings.steps * self.settings.batch, ATTACKED)

    def _spared(self, nodes: Sequence[Node]) -> set[Node]:
        """Nodes without which, all together, the circuit still meets the target and withstands the attacks: those that
        are missed least, with the rest ablated and under attack."""
        rises = self._rises(nodes)
        ranked = sorted(range(len(nodes)), key=lambda i: (rises[i], nodes[i]))
        many, cost = 0, 0.0
        for i in ranked:
            cost += max(0.0, rises[i])
            many += cost <= HARMLESS / self.settings.loss
        while many:
            out = {nodes[i] for i in keyless_values(nodes, ranked[:many], self.model.config)}
            left = [node for node in nodes if node not in out]
            if self._meets(loss_and_error(self.model, self.ablation, left, self.select)) and self._withstands(
                left
            ):
                return out
            many //= 2
        return set()

    @torch.no_grad()
    def _rises(self, nodes: Sequence[Node]) -> list[float]:
        """Of each, what the loss and the loss under attack rise by without it, as shares of what is allowed of them."""
        batch = next(iter(self._attacks[1].parts(RANKED * self.select.cases)))
        values, config = self.ablation.of(batch), self.model.config
        with torch.enable_grad():
            _, back = worst_part(self.model, keeping(nodes, config, values), batch)
        most = allowed(self.settings.loss, chance(batch))

        def share(kept: Sequence[Node]) -> float:
            mask = keeping(kept, config, values)
            plain = self._loss(mask, batch)
            attacked: dict[Site, Tensor] = {site: part + back[site] for site, part in mask.keep.items()}
            return plain / self.settings.loss + self._loss(Mask(attacked, values), batch) / most

        whole = share(nodes)
        return [share([*nodes[:i], *nodes[i + 1 :]]) - whole for i in range(len(nodes))]

    def _loss(self, mask: Mask, batch: Batch) -> float:
        logits = score.answer_logits(compact(self.model, mask), batch, mask)
        return float(score.loss(logits, batch).mean())
