"""The mechanism: named by what is measured, drawn and written of any report, whatever stands in it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from circuitlang.circuit.graph import CircuitGraph
from circuitlang.claims.verdict import Outcome
from circuitlang.report.exhibit import BoxExhibit, Exhibit, pack_values
from circuitlang.report.hypothesis import ArrowResult, HypothesisResult, RoleResult
from circuitlang.report.junit import junit
from circuitlang.report.markdown import markdown
from circuitlang.report.mechanism import mechanism
from circuitlang.report.mechanism_lines import box_lines
from circuitlang.report.mechanism_svg import mechanism_svg
from circuitlang.report.page.write import page
from circuitlang.report.report import Report
from circuitlang.report.report_folder import badge
from circuitlang.report.terminal import terminal
from tests.report.conftest import make_exhibit, make_report, random_graph
from tests.report.test_hostile import HOSTILE, harmless

TAGS = {"svg", "style", "g", "title", "rect", "path", "circle", "text", "tspan"}


def with_hypothesis(report: Report, **bound: tuple[str, ...]) -> Report:
    """Two roles and an arrow each way that is claimed, and one that must not be."""
    hypothesis = HypothesisResult(
        roles=(
            RoleResult(name="detector", kind="neuron", doc="fires on either quote"),
            RoleResult(name="copier", kind="head", doc="copies its kind"),
        ),
        arrows=(
            ArrowResult(source="detector", target="copier.key"),
            ArrowResult(source="copier", target="answer", direct=False),
            ArrowResult(source="detector", target="answer", never=True),
        ),
    )
    assert report.circuit is not None
    seeds = tuple(one.model_copy(update={"roles": bound}) for one in report.per_seed)
    claim = report.claims[0].model_copy(
        update={"name": "needed", "text": "loss given drop(copier), keep(circuit) >= 0.15", "relation": ">="}
    )
    edge = claim.model_copy(
        update={
            "name": "by_key",
            "verdict": Outcome.FAIL,
            "text": "rise given drop(detector -> copier.key) >= 0.15",
        }
    )
    circuit = report.circuit.model_copy(update={"per_seed": seeds})
    return report.model_copy(
        update={"hypothesis": hypothesis, "circuit": circuit, "claims": (*report.claims, claim, edge)}
    )


BOUND = {"detector": ("0.neuron[279]", "0.neuron[863]"), "copier": ("1.q[1313]", "1.k[1313]", "1.v[1312]")}


def drawn(report: Report, exhibit: Exhibit | None) -> str:
    found = mechanism(report, exhibit)
    assert found is not None
    return mechanism_svg(found, report.spec)


def test_a_role_is_a_box_with_its_sentence_its_nodes_and_its_claims() -> None:
    report = with_hypothesis(make_report(), **BOUND)
    found = mechanism(report, make_exhibit(report))
    assert found is not None
    detector, copier = (next(box for box in found.boxes if box.title == name) for name in BOUND)
    assert (copier.name, copier.nodes, copier.is_role) == ("copies its kind", BOUND["copier"], True)
    assert [said.text for said in copier.claims] == [
        "needed: loss given drop(copier), keep(circuit) 0.121, needs >= 0.15"
    ]
    assert detector.claims == ()
    arrows = {(arrow.source, arrow.target): arrow for arrow in found.arrows if arrow.claimed}
    into = arrows[detector.key, copier.key]
    assert (into.label, [said.outcome for said in into.claims]) == ("the key", [Outcome.FAIL])
    assert arrows[copier.key, "answer"].label == "any path"
    assert arrows[detector.key, "answer"].never
    text = drawn(report, make_exhibit(report))
    for said in ("fires on either quote", "✗ → copier (the key): by_key:", "no → answer"):
        assert said in text


def test_a_role_whose_nodes_are_gone_is_drawn_and_says_so() -> None:
    report = with_hypothesis(make_report(), copier=BOUND["copier"])
    text = drawn(report, None)
    assert "no node plays it in this circuit" in text
    assert 'stroke-dasharray="4 4"' in text
    assert any("no node plays it" in more for box in box_lines(mechanism(report)) for more in box.more)  # type: ignore[arg-type]


def test_what_a_box_responds_to_is_measured() -> None:
    """A neuron that fires at one token, half as much in one of the cases, and is 0 everywhere else."""
    report = make_report()
    exhibit = make_exhibit(report)
    fires = {"double": 1.0, "single": 0.5}
    values = [fires[p.case] * (t == "t3") for p in exhibit.prompts for t in p.tokens]
    nodes = tuple(
        node.model_copy(update={"scale": 1.0, "circuit": pack_values(values, 1.0)})
        if node.node == "0.neuron[863]"
        else node
        for node in exhibit.nodes
    )
    found = mechanism(report, exhibit.model_copy(update={"nodes": nodes}))
    assert found is not None
    box = next(box for box in found.boxes if box.title == "neuron 0.863")
    assert (box.name, box.number) == ("responds to ‘t3’", "AUROC 1.00")
    assert "larger in double: AUROC 1.00" in box.facts
    marked = [[case.tokens[read.token] for read in case.reads if read.key == box.key] for case in found.cases]
    assert marked == [["t3"], ["t3"]]


def test_the_measured_effect_of_a_whole_box_stands_before_that_of_one_node() -> None:
    report = make_report()
    exhibit = make_exhibit(report)
    before = mechanism(report, exhibit)
    assert before is not None
    assert all(re.fullmatch(r"without \S+ alone: loss [+-]\d\.\d\d nats", box.effect) for box in before.boxes)
    boxes = tuple(BoxExhibit(nodes=box.nodes, rise=0.625) for box in before.boxes)
    after = mechanism(report, exhibit.model_copy(update={"boxes": boxes}))
    assert after is not None
    assert {box.effect for box in after.boxes} == {"without it: loss +0.62 nats"}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_text(text: str) -> None:
    report = with_hypothesis(make_report(text), **BOUND)
    exhibit = make_exhibit(report, text)
    svg = drawn(report, exhibit)
    harmless(svg)
    root = ElementTree.fromstring(svg)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= TAGS
    for element in root.iter():
        assert not any(name.startswith("on") or "href" in name for name in element.attrib)
    for found in (
        terminal(report, exhibit=exhibit),
        markdown(report, "circuit.svg", mechanism(report, exhibit)),
    ):
        harmless(found)


@pytest.mark.parametrize("size", [1, 60, 500])
@pytest.mark.parametrize("known", [True, False])
def test_it_fits_800_pixels_with_text_of_12(size: int, known: bool) -> None:
    report = make_report(graph=random_graph(size, seed=size, layers=8, channels=64))
    svg = drawn(report, make_exhibit(report) if known else None)
    root = ElementTree.fromstring(svg)
    assert root.get("width") == "800"
    assert set(re.findall(r"font(?:-size)?: (\d+)px", svg)) == {"12"}
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        left, width = float(rect.get("x", 0)), float(rect.get("width", 0))
        assert left >= 0
        assert left + width <= 800
    assert len(svg) < 120_000
    assert svg == drawn(report, make_exhibit(report) if known else None)


def test_a_circuit_of_no_node_has_no_mechanism() -> None:
    report = make_report(graph=CircuitGraph((), (), 5632))
    assert mechanism(report) is None
    assert 'id="mechanism"' not in page(report)
    assert "mechanism" not in terminal(report)


def test_a_report_of_an_earlier_version_has_one() -> None:
    """Without a hypothesis, warnings, or boxes in its exhibit; its roles are boxes all the same."""
    report = with_hypothesis(make_report(), **BOUND)
    data = report.model_dump(mode="json", by_alias=True)
    del data["hypothesis"], data["warnings"]
    shown = make_exhibit(report).model_dump(mode="json", by_alias=True)
    del shown["boxes"]
    found = mechanism(Report.model_validate(data), Exhibit.model_validate(shown))
    assert found is not None
    assert {box.title for box in found.boxes if box.is_role} == set(BOUND)


def test_a_check_without_controls_and_battery_says_so_everywhere() -> None:
    whole = make_report()
    said = "claims only: controls and battery not run"
    less = whole.model_copy(update={"controls": (), "battery": (), "warnings": ("length tells 80%",)})
    for text in (
        terminal(less, 200),
        markdown(less),
        junit(less, "a.cir"),
        page(less),
        less._repr_html_(),
        str(less),
    ):
        assert said in text
    assert "fail (claims only)" in badge(less)
    for text in (terminal(less, 200), markdown(less), junit(less, "a.cir"), page(less), less._repr_html_()):
        assert "length tells 80%" in text
    assert said not in terminal(whole, 200)
    assert "battery not run" in terminal(whole.model_copy(update={"battery": ()}), 200)
    assert 'tests="7"' in junit(less, "a.cir")


def test_a_report_is_a_few_lines_and_no_wider_than_its_cell() -> None:
    report = make_report()
    assert repr(report) == "<Report single_double_quote: fail; 13 nodes>"
    assert len(str(report).splitlines()) == 2 + len(report.claims)
    assert len(repr(report.circuit)) < 4000
    html = report.with_exhibit(make_exhibit(report))._repr_html_()
    assert html.startswith('<div style="max-width:100%;overflow-x:auto">')
    for said in ("named from 12 prompts", "controls", "battery", 'style="color:#b3261e'):
        assert said in html
    assert report.to_json() == report.with_exhibit(make_exhibit(report)).to_json()
