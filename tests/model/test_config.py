"""Sizes: refused when they do not fit together, counted as the paper counts, the same after a trip through JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitlang.model.config import Config
from circuitlang.site import Place, Site

GOOD = {"layers": 2, "width": 12, "heads": 3, "context": 8, "hidden": 40, "vocabulary": 300}


@pytest.mark.parametrize(
    ("change", "message"),
    [(({name: 0}), f"{name} must be at least 1, not 0") for name in GOOD]
    + [
        ({"heads": 5}, "5 heads do not divide a width of 12"),
        ({"activations": 0.0}, r"activations must lie in \(0, 1\], not 0"),
        ({"activations": 1.5}, r"activations must lie in \(0, 1\], not 1.5"),
        ({"activations": float("nan")}, "not nan"),
        ({"epsilon": 0.0}, r"epsilon must lie in \(0, 1\)"),
        ({"norm": "batch"}, "norm must be one of rms, layer, not 'batch'"),
        ({"nonlinearity": "silu"}, "nonlinearity must be one of gelu, gelu_tanh, relu"),
        ({"positions": "rotary"}, "positions must be one of none, added, concatenated"),
        ({"positions": "concatenated"}, "a position width of 0 for positions concatenated"),
        ({"position_width": 4}, "a position width of 4 for positions none"),
        ({"smear": -1}, "a smear over -1 tokens for a context of 8"),
        ({"smear": 8}, "a smear over 8 tokens for a context of 8"),
        ({"activations_at": (Place.FINAL,)}, "AbsTopK is not applied at final"),
    ],
)
def test_sizes_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Config(**{**GOOD, **change})


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.floats(0.01, 1), st.booleans(), st.booleans()
)
def test_json_and_back(layers, heads, head, activations, sink, bigram):
    config = Config(layers, heads * head, heads, 16, 7, 300, activations, sink, bigram)
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert config.head_width == head


def test_what_other_people_s_models_ask_for_survives_json():
    config = Config(
        **GOOD,
        epsilon=2.0**-23,
        norm="layer",
        nonlinearity="relu",
        positions="concatenated",
        position_width=3,
        activations_at=(Place.ATTN_IN, Place.NEURON),
        shift=True,
    )
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert (config.kept(Place.ATTN_IN), config.kept(Place.Q)) == (config.activations, 1.0)
    assert [config.size(Site(0, place)) for place in (Place.ATTN_IN, Place.Q, Place.MLP_OUT)] == [15, 12, 12]


def test_a_trained_model_s_file_does_not_name_them():
    """Its bytes, and so its digest, are those of before there were such options."""
    assert Config(**GOOD).to_json() == {**GOOD, "activations": 1.0, "sink": False, "bigram": False}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {**GOOD, "activations_at": ["nowhere"]},
        {**GOOD, "extra": 1},
        {**GOOD, "width": "12"},
        [],
        None,
        {**GOOD, "width": -1},
    ],
)
def test_what_is_no_config_is_refused(data):
    with pytest.raises((TypeError, ValueError)):
        Config.from_json(data)


def test_nodes_are_counted_as_in_the_paper():
    """layers x (7 widths + hidden); 11 x width x layers with four neurons per channel."""
    config = Config(**{**GOOD, "hidden": 48})
    assert config.total_nodes == 11 * 12 * 2
    assert len(config.sites()) == 16
    assert all(site.place is not Place.FINAL for site in config.sites())
    assert config.size(Site(0, Place.NEURON)) == 48
    assert config.size(Site(1, Place.Q)) == 12
