"""Metrics and interventions of installed packages: found by name, and never imported unless a program names them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from circuitlang.checking.static import unbuilt
from circuitlang.language.program.load import load_text
from circuitlang.source.diagnostic import Diagnostic, ProgramError

LANGUAGE = Path(__file__).parent.parent.parent / "language"
WORDS = """
from circuitlang.language.program.signature import InterventionKind, Metric, Parameter

MARGIN = Metric("margin", "nats", "loss below chance", low=None, measure="plugged_words:margin")
DEPTH = Metric("depth", "share", "of a role", parameters=(
    Parameter("role", "role", "which", kinds=("neuron",)), Parameter("over", "number", "how far", required=False)),
    measure="plugged_words:margin")
PLAN = Metric("plan", "share", "nothing measures it")
TOTAL = Metric("total", "count", "not for others to count", given="never")
BLUR = InterventionKind("blur", "replace by the mean of neighbours", ("role", "each node"))
NUMBER = 3


def margin(view, n):
    return 0.6931471805599453 - view.loss(n)
"""
ENTRIES = """
[circuitlang.metrics]
margin = plugged_words:MARGIN
depth = plugged_words:DEPTH
plan = plugged_words:PLAN
total = plugged_words:TOTAL
other = plugged_words:MARGIN
number = plugged_words:NUMBER
absent = plugged_words:ABSENT
raises = plugged_broken:X
loss = plugged_broken:X
[circuitlang.interventions]
blur = plugged_words:BLUR
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "plugged_words-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged-words\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    (tmp_path / "plugged_words.py").write_text(WORDS)
    (tmp_path / "plugged_broken.py").write_text("raise ValueError('out of order')")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("plugged_words", "plugged_broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def spec(claim: str) -> str:
    circuit = "circuit { role n = neuron  role h = head  n -> h }"
    return (
        f'use "good.task"\nspec s {{ task = brackets  model = "zoo:any"  {circuit}\nclaim a: {claim}\n'
        "claim used: loss given drop(h) >= 0.5 }"
    )


def refused(claim: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(ProgramError) as error:
        load_text(spec(claim), "s.cir", LANGUAGE)
    return error.value.diagnostics


@pytest.mark.usefixtures("package")
def test_words_of_a_package_are_checked_like_others() -> None:
    (checked,) = load_text(spec("margin given blur(n) >= 0.1"), "s.cir", LANGUAGE).specs.values()
    assert checked.claims[0].left.metric == "margin"
    assert checked.claims[0].left.interventions[0].kind == "blur"
    assert [d.message for d in unbuilt(checked, "error") if d.span.line == 3] == ["not built yet: blur(ROLE)"]
    assert {d.code for d in refused("margin(x) >= 0.1")} == {"CIR-093"}
    assert {d.code for d in refused("depth(h) >= 0.1")} == {"CIR-121"}
    assert {d.code for d in refused("depth(n, over=open) >= 0.1")} == {"CIR-120"}
    assert {d.code for d in refused("margin given blur(circuit) >= 0.1")} == {"CIR-130"}


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("claim", "missing"),
    [
        ("margin >= 0.1", []),
        ("depth(n, over=2) >= 0.1", []),
        ("plan >= 0.1", ["plan"]),
    ],
)
def test_what_can_be_measured_is_not_refused(claim: str, missing: list[str]) -> None:
    (checked,) = load_text(spec(claim), "s.cir", LANGUAGE).specs.values()
    said = [d.message.partition(": ")[2] for d in unbuilt(checked, "error") if d.span.line == 3]
    assert said == missing


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("claim", "code", "words"),
    [
        ("other >= 0.1", "CIR-136", "no Metric of the name `other`"),
        ("number >= 0.1", "CIR-136", "no Metric of the name `number`"),
        ("absent >= 0.1", "CIR-136", "AttributeError"),
        ("raises >= 0.1", "CIR-136", "ValueError: out of order"),
        ("total >= 1", "CIR-136", "counts itself"),
        ("mragin >= 0.1", "CIR-030", "unknown metric `mragin`"),
    ],
)
def test_a_package_that_does_not_work_is_a_message(claim: str, code: str, words: str) -> None:
    (found,) = refused(claim)
    assert found.code == code
    assert words in found.message
    if code == "CIR-030":
        assert found.hint == "did you mean `margin`?"


@pytest.mark.usefixtures("package")
def test_nothing_is_imported_for_a_word_of_the_language() -> None:
    load_text(spec("loss given keep(circuit) <= 0.15"), "s.cir", LANGUAGE)
    assert "plugged_broken" not in sys.modules  # which also says that it is called `loss`
    assert "plugged_words" not in sys.modules
