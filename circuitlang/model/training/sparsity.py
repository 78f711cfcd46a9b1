"""Keep the largest weights: the projection applied to the model after each optimizer step (Gao et al. 2025, A.2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from circuitlang.model.training.processes import ALONE, Processes
from circuitlang.model.training.spread import local
from circuitlang.model.transformer import Transformer

DENSE = ("bigram", "smear")
"""Matrices that are neither made sparse nor decayed."""


def sparse_parameters(model: Transformer) -> Iterator[tuple[str, nn.Parameter, str, int | None]]:
    """Every sparsified tensor as (name, tensor, group, axis of the floor).

    Groups: `weights` (the six block matrices of a layer), `embeddings` (embedding, unembedding and the biases).
    The floor holds per neuron and per attention channel: rows of what writes q, k, v and neurons, columns of what
    reads them. Norm gains, sink logits and the bigram table stay dense, as in the authors' models, and so do the shares
    of the tokens before.
    """
    for name, parameter in model.named_parameters():
        if name in ("embed", "unembed") or name.endswith(".bias"):
            yield name, parameter, "embeddings", None
        elif parameter.ndim == 2 and name not in DENSE:
            yield name, parameter, "weights", 1 if name.endswith(("out.weight", "down.weight")) else 0


@torch.no_grad()
def keep_largest(weights: Tensor, kept: int, floor: int = 0, axis: int | None = None) -> None:
    """Zeroes all but the `kept` entries of largest magnitude, in place.

    With `axis` (0: rows, 1: columns) the `floor` largest of each row or column are kept first; they count inside
    `kept`. Ties at the threshold go to the entries that come first, so the count is exact.
    """
    if kept >= weights.numel():
        return
    magnitude = weights.detach().abs()
    lines = magnitude if axis in (0, None) else magnitude.T
    if axis is not None and floor * lines.shape[0] > kept:
        raise ValueError(f"a floor of {floor} for {lines.shape[0]} lines does not fit into {kept} nonzeros")
    mask = _largest(magnitude, kept)
    if axis is not None and floor and int(mask.sum(1 - axis).min()) < floor:
        best = lines.topk(min(floor, lines.shape[1]), dim=1).indices
        protected = torch.zeros_like(lines, dtype=torch.bool).scatter_(1, best, True)
        mask = _largest(torch.where(protected if axis == 0 else protected.T, torch.inf, magnitude), kept)
    weights.mul_(mask)


def _largest(magnitude: Tensor, kept: int) -> Tensor:
    """True for exactly `kept` entries, the largest; of equal ones for those that come first."""
    at = _threshold(magnitude, kept)
    mask = magnitude >= at
    surplus = int(mask.sum()) - kept
    if surplus:  # ties, or fewer than `kept` entries that are not zero
        tied = (magnitude == at).flatten().nonzero().squeeze(1)
        mask.view(-1)[tied[len(tied) - surplus :]] = False
    return mask


def _threshold(magnitude: Tensor, kept: int) -> Tensor:
    """The magnitude of the `kept`-th largest entry. On CPU numpy's partition is several times faster than kthvalue; on
    a GPU kthvalue has one block of threads for a whole matrix, topk many."""
    rank = magnitude.numel() - kept
    if magnitude.device.type == "cpu":
        flat = magnitude.flatten().numpy()
        return torch.tensor(np.partition(flat, rank)[rank])
    return _threshold_by_topk(magnitude.flatten(), kept)


def _threshold_by_topk(flat: Tensor, kept: int) -> Tensor:
    """From the side with fewer entries, which are copied."""
    if 2 * kept <= len(flat):
        return flat.topk(kept, sorted=False).values.min()
    return flat.topk(len(flat) - kept + 1, largest=False, sorted=False).values.max()


def nonzero_fraction(
    target: float, progress: float, anneal: float, warmup: float = 0.01, initial: float = 1.0
) -> float:
    """Share of nonzero entries at `progress` in [0, 1] of the run: `initial` to the target, linearly, between the end
    of the warm-up and the share `anneal` of the run; constant afterwards (paper A.2; the released script starts at
    1 %). A model that begins with no more than the target has the target throughout."""
    if target >= initial:
        return target
    done = min(1.0, max(0.0, (progress - warmup) / max(anneal - warmup, 1e-9)))
    return initial + (target - initial) * done


def kept_of(parameter: Tensor, group: str, weights: float, embeddings: float) -> int:
    """Entries of a sparsified tensor that stay, by the fraction of its group."""
    fraction = weights if group == "weights" else embeddings
    return max(1, int(fraction * parameter.numel() + 1e-6))  # 13/24 of 1728 is 936, not 935.99


def project(
    model: Transformer, weights: float, embeddings: float, floor: int, processes: Processes = ALONE
) -> None:
    """Applies the given fractions of nonzeros to every matrix (and bias vector) of the model, which may lie in pieces
    over the processes."""
    pieces: list[Piece] = []
    for _name, parameter, group, axis in sparse_parameters(model):
        kept = kept_of(parameter, group, weights, embeddings)
        whole = parameter.data
        own = local(whole)
        if own is whole:
            keep_largest(own, kept, floor, axis)
        else:
            pieces.append(Piece(own, tuple(parameter.shape), kept, floor, axis))
    if pieces:
        keep_largest_of_pieces(pieces, processes)


def count_nonzeros(model: Transformer) -> dict[str, tuple[int, int]]:
    """name -> (nonzero, all) for every parameter."""
    return {name: (int((p != 0).sum()), p.numel()) for name, p in model.named_parameters()}


def largest_shares(model: Transformer) -> tuple[float, float]:
    """Of nonzeros in a tensor of `weights`, and in one of `embeddings`."""
    counts, largest = count_nonzeros(model), {"weights": 0.0, "embeddings": 0.0}
    for name, _, group, _ in sparse_parameters(model):
        nonzero, entries = counts[name]
        largest[group] = max(largest[group], nonzero / entries)
    return largest["weights"], largest["embeddings"]


BITS = 31
"""Magnitudes are float32 without a sign: their order is that of their bits, read as a number."""


@dataclass(frozen=True)
class Piece:
    """`own`: this process's rows, in the order of the processes, of a tensor of shape `whole`. `kept`, `floor`, `axis`:
    see `keep_largest`."""

    own: Tensor
    whole: tuple[int, ...]
    kept: int
    floor: int = 0
    axis: int | None = None


@torch.no_grad()
def keep_largest_of_pieces(pieces: Sequence[Piece], processes: Processes) -> None:
    """Does in place, of all the tensors at a time, what `keep_largest` does of each; all processes must call it.

    Nothing but counts goes from process to process: the threshold is found by bisection, 31 sums of one number per
    tensor; and the few largest entries of each column where a floor holds for columns.
    """
    pieces = [piece for piece in pieces if piece.kept < math.prod(piece.whole)]
    if not pieces:
        return
    order = [_magnitude(piece, processes).view(torch.int32) for piece in pieces]
    kept = torch.tensor([piece.kept for piece in pieces], device=order[0].device)
    least = _thresholds(order, kept, processes)
    above = _counts([bits > at for bits, at in zip(order, least, strict=True)])
    tied = _counts([bits == at for bits, at in zip(order, least, strict=True)])
    # Of equal entries those that come first are kept: those of the processes before this one, then its own.
    room = kept - processes.total(above) - processes.each(tied)[: processes.rank].sum(0)
    surplus = (tied - room.clamp(min=0)).clamp(min=0).tolist()
    for piece, bits, at, over in zip(pieces, order, least, surplus, strict=True):
        mask = bits >= at
        if over:
            equal = (bits == at).flatten().nonzero().squeeze(1)
            mask.view(-1)[equal[len(equal) - over :]] = False
        piece.own.mul_(mask)


def _thresholds(order: Sequence[Tensor], kept: Tensor, processes: Processes) -> Tensor:
    """(tensor): the largest number that at least `kept` of a tensor's entries reach."""
    low = torch.zeros(len(order), dtype=torch.int32, device=kept.device)
    for bit in range(BITS - 1, -1, -1):
        tried = low + (1 << bit)
        reached = processes.total(_counts([bits >= at for bits, at in zip(order, tried, strict=True)]))
        low = torch.where(reached >= kept, tried, low)
    return low


def _counts(masks: Sequence[Tensor]) -> Tensor:
    return torch.stack([mask.sum() for mask in masks])


def _magnitude(piece: Piece, processes: Processes) -> Tensor:
    """Magnitudes; infinite where an entry is among the `floor` largest of its row or column."""
    magnitude = piece.own.detach().abs()
    if piece.axis is None or not piece.floor:
        return magnitude
    lines, others = piece.whole[piece.axis], piece.whole[1 - piece.axis]
    if piece.floor * lines > piece.kept:
        raise ValueError(
            f"a floor of {piece.floor} for {lines} lines does not fit into {piece.kept} nonzeros"
        )
    floor = min(piece.floor, others)
    if piece.axis == 0:
        return magnitude.scatter_(1, magnitude.topk(floor, dim=1).indices, torch.inf)
    found = magnitude.new_full((floor, lines), -1.0)  # fewer rows here than the floor: no entry is that small
    own = magnitude.topk(min(floor, len(magnitude)), dim=0)
    found[: len(own.values)] = own.values
    best = processes.each(found).flatten(0, 1).topk(floor, dim=0).indices - processes.rank * floor
    mine = (best >= 0) & (best < len(own.values))
    rows = own.indices.gather(0, best.clamp(0, max(len(own.values) - 1, 0))) if len(own.values) else best
    column = torch.arange(lines, device=best.device).expand_as(best)
    magnitude[rows[mine], column[mine]] = torch.inf
    return magnitude
