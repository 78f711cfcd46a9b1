"""Keep the largest weights of matrices whose rows are divided among processes: the same entries as of whole ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from circuitlang.model.training.processes import Processes

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
