"""What is right and not measured yet: silent for what is built, a warning where nothing runs, else refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from circuitlang.checking import static as module
from circuitlang.checking.static import check_text, unbuilt, unbuilt_bridge
from circuitlang.language.program.load import load_text
from circuitlang.language.program.vocabulary import FEATURES, INTERVENTIONS, METRICS
from circuitlang.source.diagnostic import ProgramError

ROOT = Path(__file__).parents[2]
LANGUAGE = ROOT / "tests" / "language"
SPEC = """use "good.task"
spec s {
  task = brackets
  model = "zoo:any"
  circuit {
    role n = neuron
    role h = head
    n -> h.key -> answer
  }
  claim one: loss given keep(circuit) <= 0.15
  claim two: flip given swap(n, at=row) >= 0.9
  claim three: rise given drop(n -> h), drop(each edge) >= kl given keep(n)
}
"""


def said(text: str) -> list[tuple[int, str]]:
    (spec,) = load_text(text, "s.cir", LANGUAGE).specs.values()
    return [(d.span.line, d.message.partition(": ")[2]) for d in unbuilt(spec, "warning")]


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing but the loss under `keep(circuit)` were built."""
    metrics = {name: replace(row, built=name in ("loss", "rise")) for name, row in METRICS.items()}
    acts = {name: replace(row, built=("circuit",)) for name, row in INTERVENTIONS.items()}
    monkeypatch.setattr(module, "FEATURES", {n: replace(row, built=False) for n, row in FEATURES.items()})
    monkeypatch.setattr(module, "metric_row", metrics.__getitem__)
    monkeypatch.setattr(module, "intervention_row", acts.__getitem__)


@pytest.mark.usefixtures("nothing")
def test_each_thing_is_named_at_its_place() -> None:
    assert said(SPEC) == [
        (5, "finding the nodes that a circuit block's arrows join"),
        (11, "flip"),
        (11, "swap(ROLE)"),
        (11, "swap(…, at=…)"),
        (12, "drop(ROLE -> ROLE)"),
        (12, "drop(each edge)"),
        (12, "several interventions at once"),
        (12, "kl"),
        (12, "keep(ROLE)"),
    ]


def test_a_row_that_is_built_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = {name: replace(row, built=True) for name, row in METRICS.items()}
    acts = {name: replace(row, built=(*row.forms, "at", "to")) for name, row in INTERVENTIONS.items()}
    monkeypatch.setattr(module, "FEATURES", {n: replace(row, built=True) for n, row in FEATURES.items()})
    monkeypatch.setattr(module, "metric_row", metrics.__getitem__)
    monkeypatch.setattr(module, "intervention_row", acts.__getitem__)
    assert said(SPEC) == []


@pytest.mark.parametrize("path", sorted((ROOT / "specs").glob("*.cir")), ids=lambda path: path.name)
def test_what_ships_is_measured(path: Path) -> None:
    programs, _ = check_text([path], measure=True)
    assert programs


def test_a_bridge_is_checked() -> None:
    text = (LANGUAGE / "bridge.cir").read_text(encoding="utf-8").rpartition("---\n")[2]
    (bridge,) = load_text(text, "b.cir", LANGUAGE).bridges.values()
    assert unbuilt_bridge(bridge, "error") == []
    assert (bridge.coupling.sites, bridge.coupling.activations) == ("layers", 0.125)
    assert (bridge.loss.pretraining, bridge.loss.encoder, bridge.loss.to_dense) == (0.0, 1.0, 2.0)
    assert bridge.spec is not None
    steers = bridge.claims[2].left
    assert (steers.interventions[0].value, steers.interventions[0].to) == (0.2, "nested")
    assert steers.arguments == {"to": "nested"}  # as `steer` names it


@pytest.mark.usefixtures("nothing")
def test_a_check_refuses_what_a_check_without_running_warns_of(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "good.task").write_text((LANGUAGE / "good.task").read_text(encoding="utf-8"))
    path = tmp_path / "s.cir"
    path.write_text(
        'use "good.task" spec s { task = brackets  model = "zoo:python-small"'
        " claim a: flip given swap(random) >= 0.9 }"
    )
    _, warnings = check_text([path])
    assert [(d.code, d.severity) for d in warnings] == [("CIR-099", "warning")] * 2
    with pytest.raises(ProgramError) as error:
        check_text([path], measure=True)
    assert [(d.code, d.severity) for d in error.value.diagnostics] == [("CIR-099", "error")] * 2


def test_the_layers_of_a_shipped_model_are_known_before_it_runs(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "good.task").write_text((LANGUAGE / "good.task").read_text(encoding="utf-8"))
    path = tmp_path / "s.cir"
    head = 'use "good.task"\nspec {} {{ task = brackets  model = "zoo:python-small"\n  {}\n}}\n'
    outside = "circuit { role a = neuron in layer 2..4  a -> answer } claim a: loss given keep(a) <= 1"
    late = "circuit { role a = neuron in layer 3  role b = head  a -> b } claim a: loss given keep(a) <= 1"
    act = "circuit { role a = neuron in layer 3  role b = head  a -> answer } claim a: loss given drop(a -> b) <= 1"
    for text, code in ((outside, "CIR-105"), (late, "CIR-112"), (act, "CIR-112")):
        path.write_text(head.format("s", text))
        load_text(path.read_text(), "s.cir", tmp_path)  # right, as long as nobody looks at the model
        with pytest.raises(ProgramError) as error:
            check_text([path])
        assert code in {d.code for d in error.value.diagnostics}, text
