"""Bridges: what holds for all models; crossing where nothing is lost is the model itself, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.model.bridge_maps import (
    Bridge,
    Joined,
    load_bridge,
    measured_over,
    require_fit,
    save_bridge,
    site_name,
    sites_of,
    streams,
)
from circuitlang.model.config import Config
from circuitlang.model.transformer import Transformer
from circuitlang.site import Node, Place, Site
from circuitlang.source.diagnostic import CommandError, Unmeasurable

SIZES = {"layers": 2, "width": 16, "heads": 4, "context": 24, "hidden": 32, "vocabulary": 40}


def drawn(seed: int, **sizes: Any) -> Transformer:
    """A model whose every parameter is drawn, and shows in the logits."""
    model = Transformer(Config(**{**SIZES, **sizes}))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator) * 0.5
            parameter.copy_(1 + noise / 2 if "norm" in name else noise)
    return model.requires_grad_(False)


def identity(model: Transformer, tokens: torch.Tensor) -> Bridge:
    """The bridge between a model and itself that changes nothing."""
    width = model.config.width
    bridge = Bridge(width, width, sites_of(model.config.layers, "sublayers"), 1.0)
    bridge.initialise(torch.Generator().manual_seed(0))
    bridge.measure(Joined(model, model), tokens)
    with torch.no_grad():
        for linear in (*bridge.encoders, *bridge.decoders):
            linear.weight.copy_(torch.eye(width))  # pyright: ignore
    return bridge.requires_grad_(False)


seeds = st.integers(0, 2**16)
shapes = st.fixed_dictionaries(
    {
        "sink": st.booleans(),
        "bigram": st.booleans(),
        "activations": st.sampled_from([0.25, 1.0]),
        "layers": st.integers(1, 3),
        "smear": st.integers(0, 1),
    }
)


def text(seed: int, rows: int = 3) -> torch.Tensor:
    return torch.randint(40, (rows, 12), generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(seeds, shapes)
def test_the_streams_are_those_of_the_pass_and_a_pass_goes_on_from_each(seed: int, shape: dict) -> None:
    model, tokens = drawn(seed, **shape), text(seed)
    logits, found = streams(model, tokens)
    assert len(found) == 2 * model.config.layers + 1
    assert torch.equal(logits, model(tokens))
    for number, h in enumerate(found):
        assert torch.equal(model(tokens, entry=(number, h)), logits)


@settings(max_examples=25, deadline=None)
@given(seeds, shapes)
def test_the_identity_between_equal_models_is_the_model(seed: int, shape: dict) -> None:
    model, tokens = drawn(seed, **shape), text(seed)
    bridge, joined = identity(model, tokens), Joined(model, model)
    for number in bridge.sites:
        for way in ("to_sparse", "to_dense"):
            assert torch.equal(bridge.cross(way, number, joined, tokens), model(tokens))
    for found in measured_over(bridge, joined, tokens).values():
        for name in ("encoder_error", "decoder_error", "to_sparse", "to_dense"):
            assert not found[name].any(), name
        assert float(found["explained_sparse"]) == float(found["explained_dense"]) == 1


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(0, 4))
def test_crossing_by_an_exact_inverse_is_the_model(seed: int, number: int) -> None:
    """The sparse model is the dense one with its channels in another order and twice as large at the site."""
    model, tokens = drawn(seed), text(seed)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(seed))
    bridge = identity(model, tokens)
    with torch.no_grad():
        there = 2 * torch.eye(16)[order]
        bridge.encoders[number].weight.copy_(there)  # pyright: ignore
        bridge.decoders[number].weight.copy_(there.T / 4)  # pyright: ignore
    _, found = streams(model, tokens)
    back = bridge.decode(number, bridge.encode(number, found[number]))
    assert torch.equal(back, found[number])
    assert torch.equal(model(tokens, entry=(number, back)), model(tokens))


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(0, 1), st.sampled_from([Place.ATTN_IN, Place.MLP_IN]), st.integers(0, 15))
def test_the_direction_between_equal_models_is_the_channel(
    seed: int, layer: int, place: Place, index: int
) -> None:
    model = drawn(seed)
    found = identity(model, text(seed)).direction(Joined(model, model), Node(Site(layer, place), index))
    torch.testing.assert_close(found, torch.eye(16)[index])


def test_the_direction_is_in_the_scale_of_what_is_read() -> None:
    """A dense stream ten times as large is read no larger, so the direction is the same."""
    model, tokens = drawn(3), text(3)
    bridge, large = identity(model, tokens), identity(model, tokens)
    with torch.no_grad():
        large.dense_rms.mul_(10)
        for linear in large.decoders:
            linear.weight.mul_(10)  # pyright: ignore
    node = Node(Site(1, Place.MLP_IN), 5)
    one, other = (each.direction(Joined(model, model), node) for each in (bridge, large))
    torch.testing.assert_close(one, other)


def test_what_steers_reads_the_stream() -> None:
    model = drawn(1)
    bridge = identity(model, text(1))
    for place in (Place.NEURON, Place.Q, Place.ATTN_OUT, Place.FINAL):
        with pytest.raises(Unmeasurable, match="attn_in and mlp_in do"):
            bridge.direction(Joined(model, model), Node(Site(1, place), 0))
    with torch.no_grad():
        model.mlp[1].norm.weight[5] = 0  # pyright: ignore
    with pytest.raises(Unmeasurable, match="multiplies its channel with 0"):
        bridge.direction(Joined(model, model), Node(Site(1, Place.MLP_IN), 5))
    with pytest.raises(Unmeasurable, match="has no site 7"):
        bridge.cross("to_dense", 7, Joined(model, model), text(1))


def test_sites() -> None:
    assert sites_of(2, "sublayers") == (0, 1, 2, 3, 4)
    assert sites_of(2, "layers") == (0, 2, 4)
    assert [site_name(n, 1) for n in range(3)] == ["0.attn_in", "0.mlp_in", "final"]


def test_models_that_do_not_fit_are_named_all_at_once() -> None:
    def model(digest: str, **sizes: int) -> Any:
        tokenizer = SimpleNamespace(digest=digest)
        return SimpleNamespace(model=drawn(0, **sizes), tokenizer=tokenizer, name=f"m{digest}")

    require_fit(model("a"), model("a", width=32))
    with pytest.raises(CommandError) as error:
        require_fit(model("a"), model("b", layers=3, context=12))
    for said in ("layers = 2, the sparse one 3", "context = 24, the sparse one 12", "tokenizers differ"):
        assert said in str(error.value)


def test_a_stream_that_is_no_number_is_refused() -> None:
    model, tokens = drawn(0), text(0)
    with torch.no_grad():
        model.embed[int(tokens[0, 0])] = torch.nan
    with pytest.raises(CommandError, match="constant, or not a number"):
        identity(model, tokens)


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., tuple[Path, Bridge]]:
    def store(**values: float) -> tuple[Path, Bridge]:
        bridge = identity(drawn(0), text(0))
        with torch.no_grad():
            for name, value in values.items():
                getattr(bridge, name)[0] = value
        save_bridge(tmp_path / "bridge.safetensors", bridge, ("one", "two"), text(0))
        return tmp_path / "bridge.safetensors", bridge

    return store


def test_what_is_stored_comes_back(stored: Callable[..., tuple[Path, Bridge]]) -> None:
    path, bridge = stored()
    again, reference = load_bridge(path, ("one", "two"), (16, 16))
    assert torch.equal(reference, text(0))
    assert (again.sites, again.activations) == (bridge.sites, bridge.activations)
    state = again.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in bridge.state_dict().items())


def test_bad_files(stored: Callable[..., tuple[Path, Bridge]], tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="train it first"):
        load_bridge(tmp_path / "nowhere" / "bridge.safetensors", (), (16, 16))
    path, _ = stored()
    with pytest.raises(CommandError, match="between other models"):
        load_bridge(path, ("one", "three"), (16, 16))
    with pytest.raises(CommandError, match="cannot read the bridge"):
        load_bridge(path, ("one", "two"), (16, 8))
    path, _ = stored(dense_rms=float("nan"))
    with pytest.raises(CommandError, match="not a finite number"):
        load_bridge(path, ("one", "two"), (16, 16))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CommandError, match="cannot read the bridge"):
        load_bridge(path, ("one", "two"), (16, 16))
