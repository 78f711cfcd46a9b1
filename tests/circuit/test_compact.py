"""The compacted model is the masked model, bit for bit, with less to compute."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.circuit.mask import Constant, Mask, active_sublayers, compact, keeping
from circuitlang.site import PRUNED_PLACES, Node, Place, Site

VARIANTS = [
    {},
    {"sink": True, "activations": 0.25},
    {"bigram": True, "sink": True},
    {"positions": "concatenated", "position_width": 3, "norm": "layer", "shift": True},
]
SITES = [Site(layer, place) for layer in range(2) for place in PRUNED_PLACES]
WRITES = [site for site in SITES if site.place in (Place.ATTN_OUT, Place.MLP_OUT)]
some_sites = st.one_of(st.sets(st.sampled_from(WRITES)), st.sets(st.sampled_from(SITES)))


def tokens_of(seed: int) -> torch.Tensor:
    return torch.randint(0, 40, (3, 10), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 1), some_sites)
def test_equals_the_masked_model(make_model, make_mask, variant, seed, share, idle):
    model = make_model(seed % 3, **variant)
    mask = make_mask(model.config, seed, share, sorted(idle))
    small = compact(model, mask)
    tokens, at = tokens_of(seed), torch.tensor([3, 9, 0])
    assert torch.equal(small(tokens, mask), model(tokens, mask))
    assert torch.equal(small(tokens, mask, at), model(tokens, mask, at))
    dead = {site for site in WRITES if not mask.keep[site].any()}
    assert dead >= {site for site in idle if site in WRITES}
    assert active_sublayers(small) == 4 - len(dead)
    assert active_sublayers(model) == 4


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), some_sites)
def test_it_serves_every_mask_that_keeps_less(make_model, make_mask, seed, idle):
    model = make_model(sink=True)
    mask = make_mask(model.config, seed, 0.7, sorted(idle))
    less = make_mask(model.config, seed + 1, 0.5)
    less = Mask({site: part * mask.keep[site] for site, part in less.keep.items()}, mask.mean)
    tokens = tokens_of(seed)
    assert torch.equal(compact(model, mask)(tokens, less), model(tokens, less))


def test_one_node_leaves_one_sublayer(make_model, make_stand_ins):
    model = make_model()
    mean = make_stand_ins(model.config)
    assert active_sublayers(compact(model, keeping([], model.config, mean))) == 0
    assert active_sublayers(compact(model, keeping([Node(WRITES[2], 3)], model.config, mean))) == 1
    reads = [Node(Site(0, place), 0) for place in (Place.ATTN_IN, Place.Q, Place.V, Place.NEURON)]
    assert active_sublayers(compact(model, keeping(reads, model.config, mean))) == 0
    assert active_sublayers(compact(model, Mask({}, {}))) == 4, "a site without an entry is left alone"


def test_sites_of_which_nothing_is_kept_are_not_computed(make_model, make_stand_ins):
    model = make_model()
    nodes = [Node(Site(0, Place.V), 1), Node(Site(0, Place.ATTN_OUT), 2), Node(Site(1, Place.MLP_OUT), 3)]
    nodes.append(Node(Site(1, Place.Q), 0))  # of a sub-layer that writes nothing
    mask = keeping(nodes, model.config, make_stand_ins(model.config))
    seen = []
    compact(model, mask)(tokens_of(0), lambda site, x: (seen.append(site), mask(site, x))[1])
    assert [str(site) for site in seen] == ["0.v", "0.attn_out", "1.mlp_out", "final"]


def test_the_model_stays_as_it_was_and_weights_are_shared(make_model, make_stand_ins):
    model = make_model(sink=True).train()
    modules, tokens = list(model.modules()), tokens_of(0)
    plain = model(tokens)
    small = compact(model, keeping([Node(WRITES[2], 3)], model.config, make_stand_ins(model.config)))
    assert [id(m) for m in model.modules()] == [id(m) for m in modules]
    assert all(m.training for m in modules)
    assert not any(getattr(m, "fixed", None) for m in modules)
    assert torch.equal(model(tokens), plain)
    assert small.embed is model.embed
    assert small.attention[1].out.weight is model.attention[1].out.weight
    assert isinstance(small.attention[0], Constant)
    assert not isinstance(model.attention[0], Constant)


def test_gradients_of_the_compacted_model_are_the_masked_model_s(make_model, make_mask):
    """Elimination ranks nodes by them."""
    model = make_model()
    mask = make_mask(model.config, 3, 0.6, [WRITES[0], WRITES[3]])
    slopes = []
    for run in (compact(model, mask), model):
        keep = {site: part.clone().requires_grad_() for site, part in mask.keep.items()}
        run(tokens_of(0), Mask(keep, mask.mean)).pow(2).sum().backward()
        slopes.append(keep)
    for site in slopes[0]:
        if slopes[0][site].grad is not None:
            assert torch.allclose(slopes[0][site].grad, slopes[1][site].grad, rtol=1e-4, atol=1e-4), site
