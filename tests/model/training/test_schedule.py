"""The learning rate's "sharkfin" and the normalisation of gradients."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from circuitlang.model.training import train
from circuitlang.model.training.sparsity import nonzero_fraction
from circuitlang.model.training.train import learning_rate

AUTHORS = {0.01: 0.125, 0.25: 0.132, 0.4: 0.163, 0.49: 0.341, 0.5: 0.505, 0.6: 0.404}
"""Progress -> multiplier of the released script at expansion 4 with a quarter of the nonzeros (Fig. 11)."""


@pytest.fixture(scope="session")
def recipe(make_recipe):
    made = make_recipe()
    return replace(
        made,
        sparsity=replace(made.sparsity, weights=1 / 64),
        training=replace(made.training, learning_rate=1.0, warmup=0.01),
    )


@pytest.mark.parametrize("progress", AUTHORS)
def test_the_sharkfin_is_the_authors(recipe, progress):
    assert round(learning_rate(recipe, progress), 3) == AUTHORS[progress]


def test_warm_up_and_end(recipe):
    assert learning_rate(recipe, 0.0) == learning_rate(recipe, 1.0) == 0
    assert math.isclose(learning_rate(recipe, 0.005), learning_rate(recipe, 0.01) / 2)
    assert math.isclose(learning_rate(recipe, 0.75), 0.25 / 0.99)
    peak = max(range(1001), key=lambda i: learning_rate(recipe, i / 1000))
    assert peak == 500  # where the anneal ends


@given(st.floats(0, 1), st.floats(0.001, 1), st.floats(0, 1))
def test_never_above_the_base_rate_nor_below_zero(make_recipe, progress, target, warmup):
    made = make_recipe()
    made = replace(
        made,
        sparsity=replace(made.sparsity, weights=target),
        training=replace(made.training, learning_rate=1.0, warmup=warmup),
    )
    assert 0 <= learning_rate(made, progress) <= 1


def test_a_dense_model_has_a_plain_triangle(recipe):
    dense = replace(recipe, sparsity=replace(recipe.sparsity, weights=1.0))
    for progress in (0.1, 0.5, 0.9):
        assert math.isclose(learning_rate(dense, progress), (1 - progress) / 0.99)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3, 1e15])
def test_gradients_have_rms_one_whatever_their_size(make_model, size):
    model = make_model(gradients=True, sink=True, bigram=True)
    model(torch.arange(20).view(2, 10)).mul(size).pow(1).sum().backward()
    before = torch.cat([p.grad.flatten() for p in model.parameters()])
    rms = train._normalise(model)
    after = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert math.isclose(rms, float(before.double().pow(2).mean().sqrt()), rel_tol=1e-4)
    assert math.isclose(float(after.double().pow(2).mean().sqrt()), 1, rel_tol=1e-3)
    assert torch.allclose(after * rms, before, rtol=1e-3)


def test_gradients_below_the_floor_are_not_blown_up(make_model):
    """The authors add 1e-5 to the root mean square: where nothing is left to learn, nothing is amplified."""
    model = make_model(gradients=True)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 1e-7)
    train._normalise(model)
    assert all(torch.allclose(p.grad, torch.tensor(1e-7 / (1e-7 + 1e-5))) for p in model.parameters())


def test_parameters_without_a_gradient_count(make_model):
    """The root mean square is over all parameters."""
    model = make_model(gradients=True)
    model.embed.grad = torch.ones_like(model.embed)
    share = model.embed.numel() / sum(p.numel() for p in model.parameters())
    assert math.isclose(train._normalise(model), math.sqrt(share), rel_tol=1e-5)


@given(st.floats(0, 1), st.floats(0.001, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 1))
def test_a_model_that_begins_sparser_than_dense(progress, target, anneal, warmup, initial):
    now = nonzero_fraction(target, progress, anneal, warmup, initial)
    if initial <= target:
        assert now == target  # nothing to take away
    else:
        assert target - 1e-9 <= now <= initial
        assert now == initial or progress > warmup
        assert math.isclose(nonzero_fraction(target, 1.0, 0.5, 0.01, initial), target)
