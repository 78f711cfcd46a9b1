"""Stand-ins: the mean of every node over all tokens of the reference, as the model really computes it, zero, or the
values that all nodes had together at some place of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from circuitlang.circuit.mask import Mask
from circuitlang.circuit.reference import Rest, pool_of_values, stand_ins
from circuitlang.model import score
from circuitlang.site import Place, Site


def text(rows: int) -> torch.Tensor:
    return torch.randint(0, 40, (rows, 11), generator=torch.Generator().manual_seed(rows))


@pytest.mark.parametrize("variant", [{}, {"activations": 0.25, "sink": True}], ids=str)
@pytest.mark.parametrize("rows", [1, 16, 21])  # one piece, a whole one, one and a bit
def test_means_equal_a_slow_loop_over_tokens(make_model, variant, rows):
    model, reference = make_model(**variant), text(rows)
    found = stand_ins(model, reference, "mean")
    assert tuple(found) == model.config.sites()
    sums = {site: torch.zeros(model.config.size(site), dtype=torch.float64) for site in found}
    for row in reference:

        def add(site, x):
            for token in range(11):
                if site in sums:
                    sums[site] += x[0, token].double()
            return x

        model(row[None], add)
    for site, mean in found.items():
        assert mean.dtype == torch.float32
        assert torch.allclose(mean.double(), sums[site] / (11 * rows), atol=1e-5), site


@pytest.mark.parametrize("workers", [2, 5])
def test_threads_that_read_change_no_bit(make_model, workers):
    model, reference = make_model(activations=0.25, sink=True), text(85)  # six pieces
    alone, together = (stand_ins(model, reference, "mean", n) for n in (1, workers))
    assert all(torch.equal(alone[site], together[site]) for site in alone)


def test_abs_top_k_is_in_place(make_model):
    """A node that AbsTopK always silences has mean 0; without it, it has not."""
    sparse, dense = make_model(activations=0.25), make_model()
    site = Site(0, Place.ATTN_IN)
    for model in (sparse, dense):
        model.attention[0].norm.weight.data[3] = 1e-3
    assert float(stand_ins(sparse, text(8), "mean")[site][3]) == 0
    assert float(stand_ins(dense, text(8), "mean")[site][3]) != 0


def test_zero_is_zero_everywhere(make_model):
    model = make_model()
    found = stand_ins(model, text(2), "zero")
    assert tuple(found) == model.config.sites()
    assert all(torch.equal(found[site], torch.zeros(model.config.size(site))) for site in found)


def test_a_constant_text_is_its_own_mean(make_model):
    """One token repeated, no position embeddings: every token of a row has the same values."""
    model = make_model(activations=0.5)
    reference = torch.full((2, 7), 5)
    seen = {}
    model(reference, lambda site, x: seen.setdefault(site, x))
    for site, mean in stand_ins(model, reference, "mean").items():
        assert torch.allclose(mean.expand(2, 7, -1), seen[site], atol=1e-5), site


def test_nothing_is_left_to_differentiate(make_model):
    model = make_model().requires_grad_()
    assert not any(mean.requires_grad for mean in stand_ins(model, text(2), "mean").values())


@pytest.fixture(scope="module")
def resampled(make_model) -> Rest:
    model = make_model(activations=0.5)
    return Rest(stand_ins(model, text(4), "mean"), pool_of_values(model, text(4)))


def test_a_prompt_has_the_same_stand_ins_in_every_batch(resampled, make_batch):
    """Whatever stands beside it, in whichever order, and however far it is padded."""
    batch = make_batch(0, 6)
    whole, parts = resampled.of(batch), [resampled.of(part) for part in batch.parts(5)]
    padded = resampled.of(replace(batch, tokens=np.pad(batch.tokens, ((0, 0), (0, 3)))))
    for site, values in whole.items():
        assert torch.equal(values, padded[site][:, : values.shape[1]])
        start = 0
        for part in parts:
            rows, width, _ = part[site].shape  # a part is as wide as its longest prompt
            assert torch.equal(values[start : start + rows, :width], part[site])
            start += rows
        assert start == len(batch)
    again = replace(batch, end=batch.end - 1)  # other prompts
    assert any(not torch.equal(values, resampled.of(again)[site]) for site, values in whole.items())


def test_stand_ins_of_one_position_have_occurred_together(resampled, make_batch):
    found = resampled.of(make_batch(1, 3))
    places = len(next(iter(resampled.pool.values())))
    for row in range(6):
        for position in range(8):
            possible = set(range(places))
            for site, values in found.items():
                same = (resampled.pool[site] == values[row, position]).all(-1)
                possible &= set(same.nonzero().flatten().tolist())
            assert possible


def test_without_a_pool_the_means_stand_in(resampled, make_batch):
    assert Rest(resampled.mean).of(make_batch(0)) is resampled.mean


def test_the_full_mask_is_the_model_whatever_would_stand_in(make_model, resampled, make_batch):
    model, batch = make_model(activations=0.5), make_batch(2)
    keep = {site: torch.ones(model.config.size(site)) for site in model.config.sites()}
    kept = score.answer_logits(model, batch, Mask(keep, resampled.of(batch)))
    assert torch.equal(kept, score.answer_logits(model, batch))
