"""Steering and crossing on prompts, between the shipped model and itself, where what has to come out is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.intervene import Act, record
from circuitlang.claims.bridge_claims import Bridged, BridgeMeter, Cross, Pair, Steer
from circuitlang.claims.measure import UNTOUCHED, Meter, Setting
from circuitlang.language.program.load import load
from circuitlang.model.bridge_maps import Bridge, Joined, sites_of
from circuitlang.model.checkpoint import load as load_model
from circuitlang.model.locate import ZOO
from circuitlang.model.transformer import unchanged
from circuitlang.prompts.generate import Generator
from circuitlang.site import Node, Place, Site
from circuitlang.storage.cache import Cache

ROOT = Path(__file__).parents[2]
NODE = Node(Site(3, Place.ATTN_IN), 5)


@pytest.fixture(scope="module")
def meters() -> tuple[BridgeMeter, Meter]:
    """A bridge that changes nothing, and what measures swaps."""
    found = load_model(ZOO / "python_small", "zoo:python-small")
    width, joined = found.model.config.width, Joined(found.model, found.model)
    bridge = Bridge(width, width, sites_of(found.model.config.layers, "sublayers"), 1.0)
    bridge.initialise(torch.Generator().manual_seed(0))
    bridge.measure(joined, found.reference[:2])
    with torch.no_grad():
        for linear in (*bridge.encoders, *bridge.decoders):
            linear.weight.copy_(torch.eye(width))  # pyright: ignore
    pair = Pair(found, found, {"bridge": bridge.requires_grad_(False)}, found.reference[:2])
    generator = Generator(load(ROOT / "tasks" / "python.task").tasks["single_double_quote"], 0)
    config = found.model.config
    zeros = Ablation({site: torch.zeros(config.size(site)) for site in config.sites()})
    return (
        BridgeMeter(found, generator, Ablation({}), Cache(None), "", pair=pair),
        Meter(found, generator, zeros, Cache(None), ""),
    )


def nodes(meter: BridgeMeter) -> list[Node]:
    """Of two sites, the channel whose value differs most between the cases, if its norm's gain is not 0."""
    model, batch = meter.checkpoint.model, meter.prompts("test", (), 0)
    sites = {Site(1, Place.MLP_IN), Site(3, Place.ATTN_IN)}
    found = record(model, batch, unchanged, sites)
    return [
        Node(s, int((found[s][0::2, -3:] - found[s][1::2, -3:]).abs().amax((0, 1)).argmax())) for s in sites
    ]


def test_strength_0_and_no_crossing_cost_change_nothing(meters: tuple[BridgeMeter, Meter]) -> None:
    meter, _ = meters
    before = meter.table(UNTOUCHED, "loss", 32)
    assert np.array_equal(meter.table(Bridged(steers=(Steer(NODE, 0.0),)), "loss", 32), before)
    for way in ("to_sparse", "to_dense"):
        for number in (0, 3, 8):
            assert np.array_equal(meter.table(Bridged(cross=Cross(way, number)), "loss", 32), before)


def test_steering_a_model_by_itself_is_a_swap(meters: tuple[BridgeMeter, Meter]) -> None:
    meter, plain = meters
    before, moved = meter.table(UNTOUCHED, "loss", 32), 0
    for node in nodes(meter):
        steered = meter.table(Bridged(steers=(Steer(node, 1.0),)), "loss", 32)
        swapped = plain.table(Setting((Act("swap", (node,)),)), "loss", 32)
        np.testing.assert_allclose(steered, swapped, rtol=1e-3, atol=1e-4)
        moved += not np.allclose(steered, before, atol=1e-4)
    assert moved


def test_other_directions_are_as_long(meters: tuple[BridgeMeter, Meter]) -> None:
    pair = meters[0].pair
    assert pair is not None
    own = pair.direction(NODE, "bridge")
    for name in ("random 0", "random 1", "channel 7"):
        other = pair.direction(NODE, name)
        assert float(other.norm()) == pytest.approx(float(own.norm()), rel=1e-5)
        assert not torch.allclose(other, own)
