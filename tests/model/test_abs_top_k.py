"""AbsTopK against a slow loop; ties, signs, gradient, and the two ways to find the threshold."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.model import transformer
from circuitlang.model.transformer import abs_top_k


def slow(x: torch.Tensor, fraction: float) -> torch.Tensor:
    out = torch.zeros_like(x)
    for index in range(x.shape[0]):
        row = [float(value) for value in x[index]]
        kept = max(1, int(fraction * len(row)))
        least = sorted((abs(value) for value in row), reverse=True)[kept - 1]
        for i, value in enumerate(row):
            if abs(value) >= least:
                out[index, i] = value
    return out


numbers = st.floats(-100, 100, width=32)
rows = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=1, max_size=4)
)


@settings(max_examples=80, deadline=None)
@given(rows, st.floats(0.01, 1))
def test_equals_the_slow_loop(values, fraction):
    x = torch.tensor(values)
    assert torch.equal(abs_top_k(x, fraction), slow(x, fraction))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 900), st.floats(0.01, 1), st.integers(0, 10_000))
def test_keeps_exactly_k_with_signs(units, fraction, seed):
    x = torch.randn(5, 3, units, generator=torch.Generator().manual_seed(seed))
    y = abs_top_k(x, fraction)
    kept = max(1, int(fraction * units))
    assert torch.all((y != 0).sum(-1) == kept)
    assert torch.equal(y[y != 0], x[y != 0])
    least = torch.where(y != 0, y.abs(), torch.inf).amin(-1)
    assert torch.all(torch.where(y == 0, x.abs(), 0).amax(-1) <= least)


def test_ties_are_all_kept():
    x = torch.tensor([[3.0, -2.0, 2.0, 1.0, -2.0]])
    assert abs_top_k(x, 0.4).tolist() == [[3, -2, 2, 0, -2]]
    assert abs_top_k(torch.zeros(1, 5), 0.4).tolist() == [[0] * 5]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_gradient_is_the_mask(dtype):
    x = torch.randn(4, 16, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    y = abs_top_k(x, 0.25)
    slope = torch.arange(64, dtype=dtype).view(4, 16) + 1
    y.backward(slope)
    assert torch.equal(x.grad, slope * (y != 0))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 900), st.integers(0, 10_000), st.floats(0.01, 0.99))
def test_both_ways_to_the_threshold_agree(units, seed, fraction):
    x = torch.randn(3, 4, units, generator=torch.Generator().manual_seed(seed))
    kept = max(1, int(fraction * units))
    with pytest.MonkeyPatch.context() as patch:
        fast = transformer._kth_largest(x.abs(), kept)
        patch.setattr(torch.compiler, "is_compiling", lambda: True)  # takes torch's kthvalue
        patch.setattr(transformer.np, "partition", None)
        assert torch.equal(transformer._kth_largest(x.abs(), kept), fast)


def test_all_of_it_is_the_same_tensor():
    x = torch.randn(2, 8)
    assert abs_top_k(x, 1.0) is x
