"""The adversary of a search and of the battery: what it gives back, and that what is left out stays out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.circuit import eliminate as module
from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.adversary import Adversary, attacked, returned, worst_part
from circuitlang.circuit.eliminate import eliminate, every_node
from circuitlang.circuit.mask import Mask
from circuitlang.language.program.spec import PruneSettings
from circuitlang.model import score
from circuitlang.site import Site


@given(st.lists(st.tuples(st.booleans(), st.floats(-1, 1)), min_size=1, max_size=30), st.floats(0.01, 1))
def test_only_nodes_outside_whose_return_raises_the_loss_come_back(nodes, share):
    keep = torch.tensor([float(kept) for kept, _ in nodes])
    slope = torch.tensor([slope for _, slope in nodes], dtype=torch.float32)
    back = returned(keep, slope, share)
    able = (slope * (1 - keep)) > 0
    assert not bool((back.bool() & ~able).any())
    assert int(back.sum()) == (max(1, round(share * int(able.sum()))) if able.any() else 0)
    if able.any():  # the worst first
        assert (
            float(slope[back.bool()].min()) >= float(slope[able & ~back.bool()].max())
            if (able & ~back.bool()).any()
            else True
        )


@given(seed=st.integers(0, 50), share=st.floats(0.05, 0.9))
@settings(max_examples=25, deadline=None)
def test_an_attack_gives_back_none_of_the_circuit_s_nodes_and_costs_what_it_says(
    make_model, make_mask, make_batch, seed, share
):
    model, batch = make_model(), make_batch(seed)
    mask = make_mask(model.config, seed, share)
    loss, back = worst_part(model, mask, batch)
    assert not any(bool((back[site] * mask.keep[site]).any()) for site in back)
    whole = Mask({site: mask.keep[site] + back[site] for site in back}, mask.mean)
    with torch.no_grad():
        again, plain = (
            float(score.loss(score.answer_logits(model, batch, each), batch).double().mean())
            for each in (whole, mask)
        )
    assert loss == pytest.approx(again)
    assert loss >= plain


def test_what_is_left_out_is_left_out_under_attack_too(planted_model, make_stand_ins, monkeypatch):
    """Of the nodes that were there when an attack was chosen, a mask that is measured after it keeps the same for every
    prompt: none comes back under attack that the others have lost."""
    model, draw = planted_model
    circuit: dict[Site, torch.Tensor] = {}
    measured = []
    worst, laid = module.worst_part, module.trace

    def attack(model, mask, batch):
        circuit.update(mask.keep)
        return worst(model, mask, batch)

    def watched(config, keep, *more):
        for site, kept in circuit.items():
            at = keep[site][..., kept.bool()]
            if keep[site].dim() == 3:
                assert bool((at == at[:1]).all()), site
                measured.append(site)
        return laid(config, keep, *more)

    monkeypatch.setattr(module, "worst_part", attack)
    monkeypatch.setattr(module, "trace", watched)
    steps = PruneSettings(ablate="resample(text)", loss=9.0)
    survivors, values = every_node(model)[::3], Ablation(make_stand_ins(model.config))
    eliminate(model, values, draw, steps, survivors, lambda stage, share: None)
    assert measured


def test_every_second_datapoint_of_a_search_is_attacked(make_batch):
    batch = make_batch(datapoints=4)
    assert attacked(batch).tolist() == [False, False, True, True] * 2
    adversary, keep = Adversary(np.random.default_rng(0)), torch.tensor([1.0, 0.0, 0.0])
    assert bool((adversary.masks(keep, batch) == keep).all())  # nothing is known yet
    adversary.see(torch.tensor([0.5, 1.0, -1.0]).expand(len(batch), -1), batch)
    masks = adversary.masks(keep, batch)
    assert masks[0].tolist() == keep.tolist()
    assert masks[2].tolist() == [1.0, 1.0, 0.0]
