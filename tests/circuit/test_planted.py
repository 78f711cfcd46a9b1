"""Circuits written into the weights by hand: they do their task, nothing else does it, and pruning finds them."""

from __future__ import annotations

import math

import pytest

from benchmarks.planted.circuits import CIRCUITS, Planted
from circuitlang.circuit.find import Finder
from circuitlang.claims.measure import UNTOUCHED, Meter, Setting
from circuitlang.language.program.spec import PruneSettings
from circuitlang.prompts.generate import Generator
from circuitlang.storage.cache import Cache

SETTINGS = PruneSettings(ablate="mean", loss=0.07, steps=30)
NOISE = 0.02


@pytest.fixture(scope="module", params=CIRCUITS, ids=lambda make: make.__name__)
def planted(request: pytest.FixtureRequest) -> Planted:
    return request.param(NOISE, 0)


@pytest.fixture(scope="module")
def finder(planted: Planted) -> Finder:
    return Finder(planted.checkpoint, Generator(planted.program.tasks["planted"], 0), Cache(None), "")


def test_the_planted_nodes_do_the_task_and_nothing_else_does(planted: Planted, finder: Finder) -> None:
    meter = Meter.of(finder, SETTINGS)
    nodes = tuple(sorted(planted.nodes))
    assert (meter.table(UNTOUCHED, "choice", 128) == 0).all()
    assert meter.table(UNTOUCHED, "mass", 128).mean() > 0.05
    assert meter.table(Setting.keep(nodes), "loss", 128).mean() < 0.07
    assert meter.table(Setting.drop(nodes), "loss", 128).mean() > 0.9 * math.log(2)


def test_pruning_finds_the_planted_nodes(planted: Planted, finder: Finder) -> None:
    """None is missing; of what is found besides, nothing is a decoy, and there is at most one node in ten."""
    found = finder.find(SETTINGS, 0).pruned
    nodes = set(found.nodes)
    assert found.reached
    assert nodes >= planted.nodes
    assert not nodes & planted.decoys
    assert len(nodes - planted.nodes) <= len(planted.nodes) / 10
