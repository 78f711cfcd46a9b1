"""Attention by the fast kernel is attention by the formula; the sink takes what is missing."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st


def qkv(seed: int, length: int):
    return torch.randn(3, 2, length, 16, generator=torch.Generator().manual_seed(seed)) * 2


@pytest.mark.parametrize("sink", [False, True])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), length=st.integers(1, 20))
def test_mix_is_pattern_times_values(make_model, sink, seed, length):
    attention = make_model(seed, sink=sink).attention[0]
    q, k, v = qkv(seed, length)
    by_formula = attention.pattern(q, k) @ attention.split(v)
    by_formula = by_formula.transpose(1, 2).reshape(2, length, 16)
    assert torch.allclose(attention.mix(q, k, v), by_formula, atol=1e-5)


@pytest.mark.parametrize("sink", [False, True])
def test_pattern_is_a_slow_loop(make_model, sink):
    attention = make_model(3, sink=sink).attention[0]
    q, k, _ = qkv(3, 5)
    pattern = attention.pattern(q, k)
    for row in range(2):
        for head in range(4):
            part = slice(4 * head, 4 * head + 4)
            for i in range(5):
                scores = [float(q[row, i, part] @ k[row, j, part]) / 2 for j in range(i + 1)]
                exps = [math.exp(score) for score in scores]
                extra = math.exp(float(attention.sink[head])) if sink else 0.0
                for j in range(5):
                    expected = exps[j] / (sum(exps) + extra) if j <= i else 0.0
                    assert math.isclose(float(pattern[row, head, i, j]), expected, abs_tol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rows_sum_to_one_but_for_the_sinks_share(make_model, seed):
    q, k, _ = qkv(seed, 9)
    plain = make_model(seed).attention[0].pattern(q, k)
    assert torch.allclose(plain.sum(-1), torch.ones(2, 4, 9), atol=1e-5)
    attention = make_model(seed, sink=True).attention[0]
    scores = (attention.split(q) @ attention.split(k).transpose(-1, -2)) / 2
    future = torch.ones(9, 9, dtype=torch.bool).triu(1)
    others = scores.masked_fill(future, -math.inf).logsumexp(-1)
    share = torch.sigmoid(attention.sink.view(1, 4, 1) - others)
    assert torch.allclose(attention.pattern(q, k).sum(-1), 1 - share, atol=1e-5)


def test_a_sink_of_no_weight_is_no_sink_and_one_of_all_weight_silences(make_model):
    attention = make_model(1, sink=True).attention[0]
    q, k, v = qkv(1, 7)
    with torch.no_grad():
        attention.sink.fill_(-40)
        weak = attention.mix(q, k, v)
        attention.sink.fill_(60)
        strong = attention.mix(q, k, v)
    attention.sink = None
    assert torch.allclose(weak, attention.mix(q, k, v), atol=1e-5)
    assert float(strong.abs().max()) < 1e-6


def test_the_sink_learns(make_model):
    attention = make_model(1, sink=True, gradients=True).attention[0]
    q, k, v = qkv(1, 7)
    attention.mix(q, k, v).pow(2).sum().backward()
    fast = attention.sink.grad.clone()
    attention.sink.grad = None
    (attention.pattern(q, k) @ attention.split(v)).pow(2).sum().backward()
    assert torch.allclose(fast, attention.sink.grad, rtol=1e-4, atol=1e-5)
    assert float(fast.abs().min()) > 0
