"""`circuitlang view OLD NEW`: one page that says what moved between two reports of one task."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.browser import browser, find_browser
from circuitlang.circuit.graph import CircuitGraph
from circuitlang.report.page.compare import compare_page
from circuitlang.report.report_folder import write_files
from circuitlang.report.saved import comparison_of
from circuitlang.site import Node
from circuitlang.source.diagnostic import CommandError
from tests.report.conftest import make_report, random_graph
from tests.report.test_hostile import HOSTILE
from tests.report.test_page import MORE, Page

BOX = re.compile(r'<g class="node (both|old|new)"><title>([^<]*)</title>')


def part_of(graph: CircuitGraph, kept: set[Node]) -> CircuitGraph:
    nodes = tuple(one for one in graph.nodes if one.node in kept)
    edges = tuple(
        edge
        for edge in graph.edges
        if all(not isinstance(end, Node) or end in kept for end in (edge.source, edge.target))
    )
    return CircuitGraph(nodes, edges, graph.total_nodes)


@given(st.data())
@settings(max_examples=15)
def test_every_node_is_there_once_and_said_to_be_where_it_is(data: st.DataObject) -> None:
    whole = random_graph(20)
    sides = [set(data.draw(st.lists(st.sampled_from(whole.kept)))) for _ in range(2)]
    old, new = (make_report(graph=part_of(whole, kept)) for kept in sides)
    found = BOX.findall(compare_page(old, new, "a.html", "b.html"))
    assert len(found) == len(sides[0] | sides[1])
    for side, names in (
        ("both", sides[0] & sides[1]),
        ("old", sides[0] - sides[1]),
        ("new", sides[1] - sides[0]),
    ):
        assert {name for kind, name in found if kind == side} == set(map(str, names))


def test_a_report_and_itself_do_not_differ() -> None:
    report = make_report()
    text = compare_page(report, report, "a.html", "a.html")
    assert "no difference" in text
    assert {side for side, _ in BOX.findall(text)} == {"both"}


def test_roles_say_which_nodes_stayed_left_and_joined() -> None:
    sides = []
    for nodes in (("1.v[1312]", "1.attn_out[83]"), ("1.v[1312]", "0.mlp_in[7]")):
        report = make_report()
        assert report.circuit is not None
        played = tuple(one.model_copy(update={"roles": {"mover": nodes}}) for one in report.per_seed)
        sides.append(
            report.model_copy(update={"circuit": report.circuit.model_copy(update={"per_seed": played})})
        )
    row = re.search(r"<tr><td>mover</td>(.*?)</tr>", compare_page(*sides, "a.html", "b.html"))
    assert row is not None
    assert re.findall(r"<td>(.*?)</td>", row[1]) == ["1.v[1312]", "1.attn_out[83]", "0.mlp_in[7]"]


@pytest.mark.parametrize("name", HOSTILE | MORE)
def test_text_is_text(name: str) -> None:
    text = (HOSTILE | MORE)[name]
    usual, hostile = make_report("x"), make_report(text)
    pages = [Page(compare_page(one, one, "a.html", "b.html")) for one in (usual, hostile)]
    assert pages[0].elements == pages[1].elements


def test_view_of_two_writes_it_beside_the_second(tmp_path: Path) -> None:
    report = make_report()
    for name in ("before it", "after"):
        write_files(tmp_path / name, {"report.json": report.to_json()})
    path = comparison_of(tmp_path / "before it", tmp_path / "after" / "report.json")
    assert path == tmp_path / "after" / "compared.html"
    links = re.findall(r'href="([^"]*)"', path.read_text())
    assert links == ["../before%20it/report.html", "report.html"]
    assert all((path.parent / link.replace("%20", " ")).is_file() for link in links)
    program = find_browser()
    if program is not None:
        with browser(program) as opened:
            opened.window(390, 844, mobile=True)
            opened.open(path.as_uri())
            assert opened.said == []
            assert opened.run("document.documentElement.scrollWidth") <= 390


def test_two_tasks_are_not_compared(tmp_path: Path) -> None:
    report = make_report()
    other = report.model_copy(update={"task": report.task.model_copy(update={"name": "other"})})
    for name, one in (("a", report), ("b", other)):
        write_files(tmp_path / name, {"report.json": one.to_json()})
    with pytest.raises(CommandError, match="about different tasks"):
        comparison_of(tmp_path / "a", tmp_path / "b")
    assert not (tmp_path / "b" / "compared.html").exists()
