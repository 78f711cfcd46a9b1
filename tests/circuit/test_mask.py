"""Masks: keeping everything is the model, keeping nothing is blind to what came before, and nothing is left behind."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.circuit.mask import Mask, keeping
from circuitlang.site import Node, Place, Site

VARIANTS = [{}, {"sink": True, "activations": 0.25}, {"bigram": True, "activations": 0.5}]


def tokens_of(seed: int) -> torch.Tensor:
    return torch.randint(0, 40, (3, 10), generator=torch.Generator().manual_seed(seed))


def all_nodes(config) -> list[Node]:
    return [Node(site, i) for site in config.sites() for i in range(config.size(site))]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_the_full_mask_is_the_model(make_model, make_stand_ins, variant, seed):
    model = make_model(seed, **variant)
    mask = keeping(all_nodes(model.config), model.config, make_stand_ins(model.config, seed))
    tokens = tokens_of(seed)
    assert torch.equal(model(tokens, mask), model(tokens))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_the_empty_mask_knows_the_last_token_and_constants_only(make_model, make_stand_ins, variant, seed):
    """The token's own embedding is no node: what remains is it plus every sub-layer's stand-in."""
    model = make_model(seed, **variant)
    mean = make_stand_ins(model.config, seed)
    mask = keeping([], model.config, mean)
    tokens = tokens_of(seed)
    other = tokens_of(seed + 1)
    other[:, -1] = tokens[:, -1]
    assert not torch.equal(other, tokens)
    logits = model(tokens, mask)
    assert torch.equal(model(other, mask)[:, -1], logits[:, -1])
    writes = [mean[Site(layer, place)] for layer in range(2) for place in (Place.ATTN_OUT, Place.MLP_OUT)]
    residual = model.embed[tokens] + torch.stack(writes).sum(0)
    expected = F.linear(model.norm(residual), model.unembed)
    if model.bigram is not None:
        expected = expected + model.bigram[tokens]
    assert torch.allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize("place", [place for place in Place if place is not Place.FINAL])
def test_a_node_out_of_the_circuit_has_its_stand_in_at_every_token(make_model, make_stand_ins, place):
    model = make_model(activations=0.5)
    mean = make_stand_ins(model.config)
    node = Node(Site(1, place), 5)
    mask = keeping([n for n in all_nodes(model.config) if n != node], model.config, mean)
    seen = {}

    def edit(site, x):
        seen[site] = (x, mask(site, x))
        return seen[site][1]

    model(tokens_of(0), edit)
    for site, (before, after) in seen.items():
        if site == node.site:
            assert torch.all(after[..., 5] == mean[site][5])
            others = torch.arange(before.shape[-1]) != 5
            assert torch.equal(after[..., others], before[..., others])
        else:
            assert torch.equal(after, before)


def test_masks_leave_the_model_and_themselves_alone(make_model, make_mask):
    model = make_model(sink=True)
    mask = make_mask(model.config, 0, 0.5)
    parts = [*model.state_dict().values(), *mask.keep.values(), *mask.mean.values()]
    before = [part.clone() for part in parts]
    tokens = tokens_of(0)
    plain = model(tokens)
    model(tokens, mask)
    assert all(torch.equal(a, b) for a, b in zip(before, parts, strict=True))
    assert torch.equal(model(tokens), plain)


def test_gradients_reach_keep(make_model, make_stand_ins):
    model = make_model(sink=True)
    config = model.config
    keep = {site: torch.full((config.size(site),), 0.7, requires_grad=True) for site in config.sites()}
    model(tokens_of(0), Mask(keep, make_stand_ins(config))).pow(2).sum().backward()
    for site, part in keep.items():
        assert part.grad is not None, site
        assert float(part.grad.abs().min()) > 0, site
    assert all(p.grad is None for p in model.parameters())


def test_between_keep_and_drop_it_is_linear(make_model, make_stand_ins):
    model = make_model()
    mean = make_stand_ins(model.config)
    site, x = Site(0, Place.V), torch.randn(2, 3, 16)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        mask = Mask({site: torch.full((16,), share)}, mean)
        assert torch.allclose(mask(site, x), share * x + (1 - share) * mean[site], atol=1e-6)
    assert mask(Site(1, Place.V), x) is x


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 1))
def test_the_complement_keeps_the_rest(make_model, make_mask, seed, share):
    config = make_model().config
    mask = make_mask(config, seed, share)
    rest = mask.complement()
    assert {*mask.nodes(), *rest.nodes()} == set(all_nodes(config))
    assert len(mask.nodes()) + len(rest.nodes()) == config.total_nodes
    assert rest.complement().nodes() == mask.nodes()
    assert rest.mean is mask.mean


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 1))
def test_nodes_and_keeping_are_inverse(make_model, make_mask, seed, share):
    config = make_model().config
    mask = make_mask(config, seed, share)
    nodes = mask.nodes()
    assert list(nodes) == sorted(nodes)
    again = keeping(reversed(nodes), config, mask.mean)
    assert all(torch.equal(again.keep[site], part) for site, part in mask.keep.items())
    assert again.nodes() == nodes


@pytest.mark.parametrize(
    "node",
    [
        Node(Site(0, Place.Q), 16),
        Node(Site(0, Place.Q), -1),
        Node(Site(2, Place.Q), 0),
        Node(Site(2, Place.FINAL), 0),
        Node(Site(0, Place.NEURON), 32),
    ],
    ids=str,
)
def test_nodes_that_the_model_does_not_have_are_refused(make_model, make_stand_ins, node):
    config = make_model().config
    with pytest.raises(ValueError, match="the model has no node"):
        keeping([node], config, make_stand_ins(config))
