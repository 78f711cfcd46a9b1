"""Entries kept of a matrix in pieces are those kept of the whole one, whatever the pieces."""

import threading
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from circuitlang.model.training.processes import Processes
from circuitlang.model.training.sparsity import (
    Piece,
    _threshold_by_topk,
    keep_largest,
    keep_largest_of_pieces,
)


@dataclass
class _Table:
    """Where threads that play processes lay what they tell each other."""

    barrier: threading.Barrier
    laid: dict[int, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class _Threads(Processes):
    table: _Table | None = None

    def each(self, value: Tensor) -> Tensor:
        assert self.table is not None
        self.table.laid[self.rank] = value.clone()
        self.table.barrier.wait(20)
        found = torch.stack([self.table.laid[rank] for rank in range(self.count)])
        self.table.barrier.wait(20)
        return found

    def total(self, value: Tensor) -> Tensor:
        return self.each(value).sum(0)


def kept_in_pieces(
    matrices: list[Tensor], kept: list[int], floors: list[int], axes: list[int | None], count: int
) -> list[Tensor]:
    own = [[piece.clone() for piece in matrix.chunk(count)] for matrix in matrices]
    for pieces in own:
        pieces += [pieces[0][:0].clone()] * (count - len(pieces))  # fewer rows than processes
    table = _Table(threading.Barrier(count))

    def work(rank: int) -> None:
        parts = zip(matrices, own, kept, floors, axes, strict=True)
        pieces = [Piece(p[rank], tuple(m.shape), k, floor, axis) for m, p, k, floor, axis in parts]
        keep_largest_of_pieces(pieces, _Threads(rank, count, table=table))

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [torch.cat(pieces) for pieces in own]


@given(st.data())
def test_pieces_keep_what_the_whole_keeps(data):
    count, seed = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2**32))
    generator = torch.Generator().manual_seed(seed)
    matrices, kept, floors, axes = [], [], [], []
    for _ in range(data.draw(st.integers(1, 3))):
        rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
        axis = data.draw(st.sampled_from([None, 0, 1]))
        lines, others = (rows, columns) if axis != 1 else (columns, rows)
        floor = data.draw(st.integers(0, others)) if axis is not None else 0
        matrices.append(torch.randn(rows, columns, generator=generator) ** 3)
        kept.append(data.draw(st.integers(max(1, floor * lines), rows * columns)))
        floors.append(floor)
        axes.append(axis)
    found = kept_in_pieces(matrices, kept, floors, axes, count)
    for matrix, result, *options in zip(matrices, found, kept, floors, axes, strict=True):
        keep_largest(matrix, *options)
        assert torch.equal(result, matrix)


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=12), st.integers(1, 4), st.data())
def test_of_equal_entries_those_that_come_first(values, count, data):
    vector = torch.tensor(values, dtype=torch.float32)
    kept = data.draw(st.integers(1, len(values)))
    (found,) = kept_in_pieces([vector], [kept], [0], [None], count)
    keep_largest(vector, kept)
    assert torch.equal(found, vector)


def test_a_floor_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a floor of 2 for 3 lines does not fit into 5 nonzeros"):
        keep_largest_of_pieces([Piece(torch.ones(3, 4), (3, 4), 5, 2, 0)], Processes())


@given(st.lists(st.floats(0, 10, width=32), min_size=1, max_size=30), st.data())
def test_the_threshold_of_a_gpu_is_the_same(values, data):
    kept = data.draw(st.integers(1, len(values)))
    found = _threshold_by_topk(torch.tensor(values), kept)
    assert float(found) == sorted(values, reverse=True)[kept - 1]
