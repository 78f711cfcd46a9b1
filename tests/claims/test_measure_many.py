"""Many settings measured together give the bits of each measured alone, and an `each` claim its verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from benchmarks.planted.circuits import QUOTES, quotes
from benchmarks.planted.known import finder_of
from circuitlang.circuit.cut import Cut, EdgeCut
from circuitlang.circuit.extract import weight_edges
from circuitlang.circuit.intervene import Act, Kind
from circuitlang.claims.look import SCORES, SHARED_LOOKS
from circuitlang.claims.measure import Meter, Setting
from circuitlang.language.program.load import load_text
from circuitlang.site import Node, Place, Site
from circuitlang.source.diagnostic import Unmeasurable

SPEC = QUOTES + '\nspec planted { task = planted  model = "zoo:any"  claim c: nodes >= 1 }\n'
PLANTED = quotes()
NODES = tuple(sorted(PLANTED.nodes))
CIRCUIT = Act("keep", NODES)
VALUES: dict[str, float] = {"set": 0.7, "scale": 0.5}


def fresh() -> Meter:
    """Remembers nothing."""
    spec = load_text(SPEC, "planted.cir").specs["planted"]
    return Meter.of(finder_of(PLANTED, spec), spec.prune)


def of_every_kind() -> list[Setting]:
    found = [
        Setting((*base, Act(kind, (node,), VALUES.get(kind), at)))
        for kind in get_args(Kind)
        if kind != "change"  # a package's own, which is not computed together
        for base in ((), (CIRCUIT,))
        for at in (None, "open")
        for node in NODES[::2]
    ]
    edges = [
        EdgeCut(e.source, e.target)
        for e in weight_edges(PLANTED.checkpoint.model, NODES)
        if isinstance(e.source, Node) and isinstance(e.target, Node)
    ]
    found += [Setting(acts, edges=(edge,)) for acts in ((), (CIRCUIT,)) for edge in edges]
    found += [Setting((Act("swap", NODES[-1:]),), edges=tuple(edges[:1])), Setting(), Setting((CIRCUIT,))]
    found += [Setting(cuts=(Cut(NODES[:1], None),)), replace(found[0], split="select")]
    return found


@pytest.mark.parametrize("look", SHARED_LOOKS)
def test_together_has_the_bits_of_one_at_a_time(look) -> None:
    settings = of_every_kind()
    name = "loss" if look == SCORES else look.kind
    alone, together = fresh(), fresh()
    many = together.tables(settings, name, 40, look)
    for setting, table in zip(settings, many, strict=True):
        assert np.array_equal(table, alone.table(setting, name, 40, look)), setting
    assert together._found.keys() == alone._found.keys()
    for place, numbers in together._found.items():
        assert all(np.array_equal(numbers[n], alone._found[place][n], equal_nan=True) for n in numbers)


def test_what_cannot_be_measured_says_so_when_it_is_asked_for(monkeypatch) -> None:
    meter, bad, run = fresh(), Setting.drop(NODES[1:2]), Meter._run

    def refusing(self: Meter, setting: Setting, *rest):
        if setting == bad:
            raise Unmeasurable("no number for this")
        return run(self, setting, *rest)

    monkeypatch.setattr(Meter, "_run", refusing)
    meter.ahead([bad, Setting.drop(NODES[:1])], 32)
    assert {setting for setting, _, _ in meter._found} == {Setting.drop(NODES[:1])}
    with pytest.raises(Unmeasurable, match="no number for this"):
        meter.table(bad, "loss", 32)


def test_a_node_or_a_weight_that_is_not_there_is_a_bug() -> None:
    none = Node(Site(9, Place.V), 0)
    for setting in (Setting.drop((none,)), Setting(edges=(EdgeCut(NODES[0], NODES[0]),))):
        for measure in (lambda s: fresh().ahead([s], 32), lambda s: fresh().table(s, "loss", 32)):
            with pytest.raises(ValueError, match=r"no (node|weight)"):
                measure(setting)


def test_what_was_measured_ahead_is_not_measured_again(monkeypatch) -> None:
    meter = fresh()
    settings = [Setting.drop((node,)) for node in NODES]
    meter.ahead(settings, 64)
    monkeypatch.setattr(Meter, "_run", None)
    assert all(len(meter.table(setting, "choice", 64)) == 64 for setting in settings)
