"""The edges that a circuit does not need: nonzero weights between its nodes through which nothing need come.

An edge that is left out reads what the ablation puts in the place of its source, through this weight alone. Edges are
put into an order by leaving out, again and again, one that is missed least on `train` prompts; the shortest prefix of
the order that reaches the target on `select` is what the circuit needs. Its nodes stay, and so do its claims, which
are about all of their weights: the order decides what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.cut import Reread, Rise, rereading
from circuitlang.circuit.eliminate import HASTE, ROUGH, TRIED
from circuitlang.circuit.losses import mean_and_error
from circuitlang.circuit.mask import Mask, compact, keeping
from circuitlang.model import score
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.site import MATRICES, Node, Place, Site

Edge = tuple[Node, Node]
"""A nonzero weight between two kept nodes: source and target."""
Matrix = tuple[int, Place, Place]
"""Layer, place of the sources, place of the targets."""


@dataclass(frozen=True)
class Edges:
    """A circuit's nodes with the weights between them, under one ablation."""

    model: Transformer
    ablation: Ablation
    nodes: Sequence[Node]

    @torch.no_grad()
    def losses(self, out: Iterable[Edge], batch: Batch) -> Tensor:
        """(prompt) nats of the circuit without those edges."""
        out = list(out)
        logits = [self.logits(out, part) for part in batch.parts(score.PROMPTS_AT_ONCE)]
        return score.loss(torch.cat(logits), batch)

    @torch.no_grad()
    def logits(self, out: Iterable[Edge], batch: Batch) -> Tensor:
        """(prompt, vocabulary) where the answer is predicted, of the circuit without those edges."""
        mask = self._mask(batch)
        without = self._without(self._shares(out), mask)
        return score.answer_logits(without, batch, mask)

    def rises(self, out: Sequence[Edge], left: Sequence[Edge], batch: Batch) -> list[float]:
        """How much the mean loss without the edges `out` rises, to first order, when each of `left` goes, too."""
        mask = self._mask(batch)
        shares = {m: share.requires_grad_() for m, share in self._shares(out, left).items()}
        loss = score.loss(score.answer_logits(self._without(shares, mask), batch, mask), batch).mean()
        if not loss.requires_grad:  # every edge that is left leads to what computes nothing
            return [0.0] * len(left)
        slopes = torch.autograd.grad(loss, list(shares.values()), allow_unused=True, materialize_grads=True)
        by_matrix = dict(zip(shares, slopes, strict=True))
        return [float(by_matrix[_matrix(e)][e[1].index, e[0].index]) for e in left]

    @cached_property
    def _keep(self) -> Mapping[Site, Tensor]:
        """site -> (unit): 1 at the circuit's nodes."""
        return keeping(self.nodes, self.model.config, self.ablation.mean).keep

    def _mask(self, batch: Batch) -> Mask:
        return Mask(self._keep, self.ablation.of(batch))

    def _shares(self, out: Iterable[Edge], also: Iterable[Edge] = ()) -> dict[Matrix, Tensor]:
        """Of each matrix (target, source): 1 at the edges that are left out, else 0."""
        shares: dict[Matrix, Tensor] = {}
        for edges, share in ((out, 1.0), (also, 0.0)):
            for source, target in edges:
                matrix = _matrix((source, target))
                if matrix not in shares:
                    shares[matrix] = torch.zeros_like(self._weights(matrix))
                shares[matrix][target.index, source.index] = share
        return shares

    def _weights(self, matrix: Matrix) -> Tensor:
        layer, source, target = matrix
        return self.model.get_parameter(MATRICES[source, target].format(layer)).detach()

    def _without(self, shares: dict[Matrix, Tensor], mask: Mask) -> Transformer:
        return rereading(
            compact(self.model, mask),
            [
                Reread(*m, self._weights(m) * share, _ablated(mask, Site(*m[:2])))
                for m, share in shares.items()
            ],
        )


def _ablated(mask: Mask, site: Site) -> Rise:
    return lambda x: mask.mean[site] - x


def _matrix(edge: Edge) -> Matrix:
    source, target = edge
    return source.site.layer, source.site.place, target.site.place


def unneeded_edges(
    circuit: Edges, edges: Sequence[Edge], train: Batch, select: Batch, target: float, margin: float
) -> set[Edge]:
    """Those without which, all of them together, the mean loss on `select` stays under the target, in nats, by so many
    standard errors; none where it does not with all edges."""
    order = _in_order(circuit, edges, train)  # the least missed first
    rough = next(iter(select.parts(ROUGH * select.cases)))
    low, high = 0, len(order) + 1
    while high - low > 1:
        middle = (low + high) // 2
        fits = float(circuit.losses(order[:middle], rough).mean()) <= target
        low, high = (middle, high) if fits else (low, middle)

    def meets(k: int) -> bool:
        loss, error = mean_and_error(circuit.losses(order[:k], select), select.cases)
        return loss + margin * error <= target

    while low and not meets(low):
        low -= max(1, low // 16)
    return set(order[:low])


def _in_order(circuit: Edges, edges: Sequence[Edge], train: Batch) -> list[Edge]:
    left, gone = list(edges), []
    while left:
        rises = circuit.rises(gone, left, train)
        ranked = sorted(range(len(left)), key=lambda i: (abs(rises[i]), left[i]))
        if len(left) > HASTE:
            out = ranked[: len(left) // 8]
        else:
            out = [min(ranked[:TRIED], key=lambda i: float(circuit.losses([*gone, left[i]], train).mean()))]
        gone += [left[i] for i in out]
        left = [edge for i, edge in enumerate(left) if i not in set(out)]
    return gone
