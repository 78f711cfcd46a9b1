"""Shared runs: the same bits as runs on their own, in any order, and less work."""

import pytest
import torch

from circuitlang.circuit.intervene import Act, prepared
from circuitlang.circuit.mask import Mask, compact, keeping
from circuitlang.circuit.prune import every_node
from circuitlang.circuit.shared_prefix import Shared, in_order, stage, trace
from circuitlang.model import score
from circuitlang.model.transformer import unchanged
from circuitlang.site import PRUNED_PLACES, Node, Place, Site


@pytest.fixture(params=[0.25, 1.0])
def setting(request, make_model, make_batch, make_stand_ins):
    model = make_model(activations=request.param, layers=3)
    return model, make_batch(datapoints=6), make_stand_ins(model.config)


def test_stages_are_in_order_of_computation(setting):
    model = setting[0]
    stages = [stage(site) for site in model.config.sites()]
    assert stages == sorted(stages)
    assert stage(Site(1, Place.Q)) == stage(Site(1, Place.V)) < stage(Site(1, Place.ATTN_OUT))
    assert set(stages) == set(range(len(trace(model.config, None))))


def test_a_mask_that_keeps_all_is_no_mask(setting):
    model, _, mean = setting
    assert trace(model.config, keeping(every_node(model), model.config, mean).keep) == trace(
        model.config, None
    )
    assert len(set(trace(model.config, None))) == 1


@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])
def test_every_single_ablation_has_the_bits_of_a_run_of_its_own(setting, share, make_mask):
    """Of a circuit, compacted, and of the whole model; whether they are sorted or not."""
    model, batch, mean = setting
    nodes = make_mask(model.config, 1, share).nodes()
    masks = [keeping([n for n in nodes if n != node], model.config, mean) for node in nodes]
    masks += [keeping(nodes, model.config, mean), Mask({}, mean)]
    traces = [trace(model.config, mask.keep) for mask in masks]
    for order in (in_order(traces), torch.randperm(len(masks)).tolist()):
        runs = Shared(batch)
        for i in order:
            small = compact(model, masks[i])
            alone = score.answer_logits(small, batch, masks[i])
            assert torch.equal(runs.logits(small, masks[i], traces[i]), alone)
            assert torch.equal(alone, score.answer_logits(model, batch, masks[i]))


def test_values_that_are_put_in_are_part_of_the_trace(setting):
    model, batch, mean = setting
    runs = Shared(batch)
    for node in (Node(Site(2, Place.V), 1), Node(Site(1, Place.MLP_OUT), 3), Node(Site(0, Place.K), 0)):
        for value in (0.5, -2.0):
            small, edit = prepared(model, batch, [Act("set", (node,), value)], mean)
            done = trace(model.config, None, [(stage(node.site), str(value))])
            assert torch.equal(runs.logits(small, edit, done), score.answer_logits(small, batch, edit))


def test_what_is_shared_is_not_computed_again(setting, monkeypatch):
    model, batch, mean = setting
    computed: list[tuple[int, int]] = []
    linear = torch.nn.functional.linear
    monkeypatch.setattr(torch.nn.functional, "linear", lambda *a: computed.append(a[1].shape) or linear(*a))
    last = Site(2, Place.MLP_OUT)
    runs = Shared(batch)
    runs.logits(model, unchanged, trace(model.config, None))
    whole = len(computed)
    mask = keeping([n for n in every_node(model) if n != Node(last, 0)], model.config, mean)
    runs.logits(model, mask, trace(model.config, mask.keep))
    assert whole == 3 * 6 + 1
    assert len(computed) == whole + 1  # the unembedding alone


def test_a_site_that_lies_in_no_layer_has_no_stage(setting):
    """It once counted as the first of a layer, so that runs shared what they must not."""
    model = setting[0]
    final = Site(model.config.layers, Place.FINAL)
    with pytest.raises(ValueError, match="`final` lies in no layer"):
        stage(final)
    with pytest.raises(ValueError, match="`final` lies in no layer"):
        trace(model.config, {final: torch.zeros(model.config.width)})


@pytest.mark.parametrize("place", PRUNED_PLACES)
def test_a_mask_is_told_by_every_place_where_it_ablates(setting, place):
    model = setting[0]
    ablated = Site(1, place)
    keep = {ablated: torch.zeros(model.config.size(ablated))}
    done = trace(model.config, keep)
    assert [number for number, what in enumerate(done) if what] == [stage(ablated)]
