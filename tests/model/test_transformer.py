"""The forward pass: causal, blind to padding, one call per site in order, and each part does what it is for."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.model.checkpoint import load
from circuitlang.model.config import Config
from circuitlang.model.locate import locate
from circuitlang.model.transformer import Transformer, abs_top_k
from circuitlang.site import PRUNED_PLACES, Place, Site

VARIANTS = [
    {},
    {"sink": True},
    {"activations": 0.25},
    {"bigram": True},
    {"sink": True, "bigram": True, "activations": 0.25},
    {
        "positions": "added",
        "shift": True,
        "activations": 0.25,
        "activations_at": (Place.ATTN_IN, Place.NEURON),
    },
    {"positions": "concatenated", "position_width": 4, "activations": 0.5, "sink": True},
    {"norm": "layer", "nonlinearity": "gelu_tanh", "positions": "added"},
    {"nonlinearity": "relu"},
    {"smear": 1, "activations": 0.5},
    {"smear": 3, "positions": "added", "sink": True},
]


def tokens_of(seed: int, rows: int = 3, length: int = 12) -> torch.Tensor:
    return torch.randint(0, 40, (rows, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_sites_are_called_once_each_in_order_with_their_shapes(make_model, variant):
    model = make_model(**variant)
    seen: list[Site] = []

    def edit(site, x):
        units = 32 if site.place is Place.NEURON else 16
        if site.place in (Place.ATTN_IN, Place.MLP_IN):
            units += variant.get("position_width", 0)
        assert x.shape == (3, 12, units)
        seen.append(site)
        return x

    model(tokens_of(0), edit)
    expected = [Site(layer, place) for layer in range(2) for place in PRUNED_PLACES] + [Site(2, Place.FINAL)]
    assert seen == expected == sorted(expected)
    assert tuple(seen[:-1]) == model.config.sites()


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_what_an_edit_returns_is_used_instead(make_model, variant):
    model = make_model(**variant)
    tokens = tokens_of(0)
    plain = model(tokens)
    assert torch.equal(model(tokens, lambda _site, x: x.clone()), plain)

    def slanted(x):  # a layer norm takes off what all channels have in common
        return x + torch.linspace(0.1, 1, x.shape[-1])

    reached = [
        site
        for site in (*model.config.sites(), Site(2, Place.FINAL))
        if not torch.allclose(
            model(tokens, lambda s, x, site=site: slanted(x) if s == site else x), plain, atol=1e-4
        )
    ]
    # a constant added to all keys moves every score of a query alike: only a sink, which is not moved, shows it
    blind = set() if model.config.sink else {Site(layer, Place.K) for layer in range(2)}
    assert set(reached) == {*model.config.sites(), Site(2, Place.FINAL)} - blind


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 1000), where=st.integers(1, 11))
def test_later_tokens_change_nothing_earlier(make_model, variant, seed, where):
    model = make_model(**variant)
    tokens = tokens_of(seed)
    other = tokens.clone()
    other[:, where:] = (other[:, where:] + 7) % 40
    before, after = model(tokens), model(other)
    assert torch.allclose(before[:, :where], after[:, :where], atol=1e-5)
    assert not torch.allclose(before[:, where:], after[:, where:], atol=1e-2)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_padding_on_the_right_changes_nothing(make_model, variant):
    model = make_model(**variant)
    tokens = tokens_of(1)
    padded = F.pad(tokens, (0, 9), value=0)
    assert torch.allclose(model(padded)[:, :12], model(tokens), atol=1e-5)
    end = torch.tensor([11, 11, 11])
    assert torch.allclose(model(padded, at=end), model(tokens, at=end), atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@settings(max_examples=12, deadline=None)
@given(at=st.lists(st.integers(0, 11), min_size=3, max_size=3), seed=st.integers(0, 1000))
def test_at_is_an_index_into_the_logits(make_model, variant, at, seed):
    model, tokens, where = make_model(**variant), tokens_of(seed), torch.tensor(at)
    whole = model(tokens)
    assert whole.shape == (3, 12, 40)
    some = model(tokens, at=where)
    assert some.shape == (3, 40)
    assert torch.allclose(some, whole[torch.arange(3), where], atol=1e-5)


def test_rows_do_not_see_each_other(make_model):
    model, tokens = make_model(sink=True, activations=0.5), tokens_of(2)
    together = model(tokens)
    for row in range(3):
        assert torch.allclose(model(tokens[row : row + 1])[0], together[row], atol=1e-5)


def test_the_bigram_table_adds_the_last_tokens_row(make_model):
    model, tokens = make_model(bigram=True), tokens_of(3)
    table = model.bigram
    model.bigram = None
    without = model(tokens)
    model.bigram = table
    expected = torch.stack([without[r, p] + table[tokens[r, p]] for r in range(3) for p in range(12)])
    assert torch.equal(model(tokens).flatten(0, 1), expected)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 1000),
    shares=st.lists(st.sampled_from((0.0, 0.25, 1.0, -2.0)), min_size=2, max_size=2),
)
def test_smear_mixes_each_embedding_with_those_before(make_model, seed, shares):
    model, tokens = make_model(smear=2), tokens_of(seed)
    with torch.no_grad():
        model.smear[:, 3] = torch.tensor(shares)
    rows = model.embed[tokens][..., 3]
    expected = rows * (1 - sum(shares))
    for back, share in enumerate(shares, 1):
        expected[:, back:] += rows[:, :-back] * share
    assert torch.allclose(model.start(tokens)[..., 3], expected, atol=1e-5)


def test_a_smear_over_more_tokens_than_there_are_sees_none(make_model):
    model = make_model(smear=4)
    alone, among = torch.tensor([[7]]), torch.tensor([[7, 8, 9]])
    assert torch.allclose(model.start(alone), model.embed[7] * (1 - model.smear.sum(0)), atol=1e-5)
    assert torch.allclose(model(alone)[0, 0], model(among)[0, 0], atol=1e-5)


def test_shares_of_nothing_are_no_smear(make_model):
    model, tokens = make_model(smear=2), tokens_of(4)
    smeared = model(tokens)
    with torch.no_grad():
        model.smear.zero_()
    unmixed = model(tokens)
    model.smear = None
    assert torch.equal(unmixed, model(tokens))
    assert not torch.allclose(unmixed, smeared, atol=1e-2)


@pytest.mark.parametrize(("width", "smear", "each"), [(16, 1, 5), (16, 2, 4), (8, 6, 1), (4, 6, 1)])
def test_at_first_channels_are_of_one_token_each(width, smear, each):
    config = Config(layers=1, width=width, heads=1, context=8, hidden=8, vocabulary=300, smear=smear)
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(0))
    assert model.smear is not None
    assert set(model.smear.flatten().tolist()) <= {0.0, 1.0}
    assert int(model.smear.sum(0).max()) == 1
    assert model.smear.sum(1).tolist() == [
        float(each if (back + 1) * each <= width else 0) for back in range(smear)
    ]


def test_the_forward_pass_is_the_paper_s_formula(make_model):
    """One layer without attention's output, written out by hand."""
    model = make_model(layers=1)
    with torch.no_grad():
        model.attention[0].out.weight.zero_()
        model.attention[0].out.bias.zero_()

    def norm(x, gain):
        return x / (x.pow(2).mean() + 1e-6).sqrt() * gain

    mlp, token = model.mlp[0], 5
    x = model.embed[token]
    hidden = mlp.up.weight @ norm(x, mlp.norm.weight) + mlp.up.bias
    active = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
    x = x + mlp.down.weight @ active + mlp.down.bias
    assert torch.allclose(
        model(torch.tensor([[token]]))[0, 0], model.unembed @ norm(x, model.norm.weight), atol=1e-5
    )


def test_initialise_follows_the_paper():
    config = Config(
        layers=3, width=64, heads=4, context=8, hidden=256, vocabulary=300, sink=True, bigram=True
    )
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(0))
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            spread = 0.02 / math.sqrt(6) if name.endswith(("out.weight", "down.weight")) else 0.02
            assert math.isclose(float(parameter.detach().std()), spread, rel_tol=0.05), name
        else:
            assert torch.all(parameter == (1 if "norm" in name else 0)), name
    again = Transformer(config)
    again.initialise(torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    again.initialise(torch.Generator().manual_seed(1))
    assert not torch.equal(model.embed, again.embed)


def test_the_shipped_models_compute_the_same_bits_as_before_there_were_options():
    """The forward pass as it was, operation by operation; equal to the last bit on whatever machine this runs."""
    found = load(locate("zoo:python-small", Path()), "zoo:python-small")
    model, tokens = found.model, found.reference[:3]
    fraction = model.config.activations

    def norm(part, x):
        return abs_top_k(F.rms_norm(x, (model.config.width,), part.norm.weight, 1e-6), fraction)

    residual = F.embedding(tokens, model.embed)
    for attention, mlp in zip(model.attention, model.mlp, strict=True):
        x = norm(attention, residual)
        q, k, v = (abs_top_k(m(x), fraction) for m in (attention.query, attention.key, attention.value))
        residual = residual + abs_top_k(attention.out(attention.mix(q, k, v)), fraction)
        x = abs_top_k(F.gelu(mlp.up(norm(mlp, residual))), fraction)
        residual = residual + abs_top_k(mlp.down(x), fraction)
    logits = F.linear(F.rms_norm(residual, (model.config.width,), model.norm.weight, 1e-6), model.unembed)
    if model.bigram is not None:
        logits = logits + F.embedding(tokens, model.bigram)
    assert torch.equal(model(tokens), logits)
