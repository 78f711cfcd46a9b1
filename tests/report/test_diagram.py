"""The picture of a circuit: its DOT text, and that Graphviz draws all of it."""

import os
import re
import sys
from xml.etree import ElementTree

import pygraphviz
import pytest

from circuitlang.circuit.graph import ANSWER, CircuitGraph, GraphEdge, GraphNode
from circuitlang.report import render
from circuitlang.report.diagram import Diagram, cost_colours, dot, quote
from circuitlang.report.render import draw, svg
from circuitlang.site import Node, Place, Site

SVG = "{http://www.w3.org/2000/svg}"


def test_every_node_and_edge_is_drawn_once(circuit):
    graph = circuit(30, seed=1)
    drawn = pygraphviz.AGraph(string=dot(graph))
    names = {str(node.node) for node in graph.nodes}
    assert names <= set(drawn.nodes())
    between = {
        frozenset((str(e.source), str(e.target)))
        for e in graph.edges
        if isinstance(e.source, Node) and isinstance(e.target, Node)
    }
    found = [frozenset(edge) for edge in drawn.edges() if names >= set(edge)]
    assert len(found) == len(set(found)) == len(between)
    assert set(found) == between


def test_it_is_the_same_text_every_time(circuit):
    graph = circuit(30, seed=2)
    again = CircuitGraph(graph.nodes[::-1], graph.edges[::-1], graph.total_nodes)
    assert (
        dot(graph, "t", ["n"])
        == dot(again, "t", ["n"])
        == dot(CircuitGraph.from_json(graph.to_json()), "t", ["n"])
    )


def test_layers_stand_one_above_the_other(circuit):
    """No two layers' frames overlap in height, and later ones are higher."""
    picture = pygraphviz.AGraph(string=dot(circuit(30, seed=1)))
    picture.layout(prog="dot")
    boxes = {}
    for frame in picture.subgraphs():
        if re.fullmatch(r"cluster \d+", frame.name or ""):
            left, bottom, right, top = map(float, frame.graph_attr["bb"].split(","))
            assert left < right
            boxes[frame.name] = (bottom, top)
    ordered = [boxes[name] for name in sorted(boxes)]
    assert len(ordered) >= 3
    for (_, below), (above, _) in zip(ordered, ordered[1:], strict=False):  # noqa: RUF007
        assert below <= above


def test_nodes_say_where_they_are_and_what_they_cost(quotes):
    text = dot(quotes())
    assert r'label="1.k[1313]\nchannel 1   +0.09"' in text
    assert r'label="0.neuron[863]\n+0.12"' in text
    assert r'label="1.attn_in[985]\n±0"' in text
    assert 'label="head 82"' in text
    assert 'label="layer 1"' in text


def test_weights_show_as_width_and_colour(quotes):
    text = dot(quotes())
    assert '"1.attn_in[985]" -> "1.k[1313]" [color="#2166ac", penwidth="4.00"]' in text
    assert re.search(r'"1.attn_in\[460\]" -> "1.v\[1312\]" \[color="#c1440e", penwidth="1.92"\]', text)
    assert '"0.mlp_out[985]" -> "1.attn_in[985]" [color="#8a8a8a", penwidth="1", style="dashed"]' in text
    assert (
        '"1.q[1313]" -> "1.k[1313]" [arrowhead="none", color="#7b3fa0", penwidth="1.8", style="dotted"]'
        in text
    )


def test_only_the_strongest_tokens_are_spelled_out(quotes):
    read = GraphNode(Node(Site(0, Place.MLP_IN), 3), 0.1, 0.0)
    edges = tuple(GraphEdge(f"t{i}", read.node, i - 4.5, "embedding") for i in range(10))
    text = dot(CircuitGraph((read,), edges, 9))
    assert r'label="“t0” -4.5\n“t9” +4.5\n“t1” -3.5\nand 7 more"' in text


def test_a_write_reaches_the_answer_without_known_weights():
    write = GraphNode(Node(Site(0, Place.MLP_OUT), 3), 0.1, 0.0)
    text = dot(CircuitGraph((write,), (GraphEdge(write.node, ANSWER, 1, "residual"),), 9))
    assert '"0.mlp_out[3]" -> "answer"' in text


@pytest.mark.parametrize("cost", [-5.0, 0.0, 0.0009, 0.001, 0.02, 0.05, 0.2, 0.3, 7.0])
def test_text_on_colour_can_be_read(cost):
    """Contrast of at least 4.5 to 1 (WCAG 2, AA)."""

    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    fill, text = map(light, cost_colours(cost))
    assert (max(fill, text) + 0.05) / (min(fill, text) + 0.05) >= 4.5


def test_dearer_nodes_are_darker():
    fills = [cost_colours(cost)[0] for cost in (0.0, 0.005, 0.02, 0.05, 0.2, 0.5)]
    assert len(set(fills)) == 6
    assert fills == sorted(fills, reverse=True)


def test_an_empty_circuit_is_drawn_too():
    assert svg(dot(CircuitGraph((), (), 9))) is not None


def test_svg(quotes):
    picture = svg(dot(quotes(), "single_double_quote: pass", ["13 nodes"]))
    root = ElementTree.fromstring(picture)
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert "single_double_quote: pass" in words
    assert "0.neuron[863]" in words
    assert Diagram(dot(quotes()))._repr_svg_() is not None


def test_png(quotes):
    assert draw(dot(quotes()), "png").data.startswith(b"\x89PNG")


def test_no_graphviz_is_a_note(quotes, monkeypatch):
    monkeypatch.setattr(render, "which", lambda name: None)
    monkeypatch.setattr(render, "find_spec", lambda name: None)
    found = draw(dot(quotes()))
    assert (found.data, "pip install 'circuitlang[diagrams]'" in found.note) == (None, True)
    assert svg(dot(quotes())) is None


def test_a_systems_dot_comes_first(quotes, monkeypatch, tmp_path):
    fake = tmp_path / "dot"
    fake.write_text('#!/bin/sh\ncat > /dev/null\necho "<svg>$*</svg>"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert svg(dot(quotes())) == "<svg>-Kdot -Tsvg</svg>\n"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("exit 3", "ended with 3 and said: nothing"),
        ("echo bad >&2; exit 1", "ended with 1 and said: bad"),
        ("cat > /dev/null", "ended with 0 and said: nothing"),
        ("kill -SEGV $$", "ended with -11"),
        ("sleep 60", "took longer than 0 s"),
    ],
)
def test_a_graphviz_that_fails_is_a_note(program, said, quotes, monkeypatch, tmp_path):
    fake = tmp_path / "dot"
    fake.write_text(f"#!/bin/sh\n{program}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = draw(dot(quotes()), seconds=0.3 if "sleep" in program else 30)
    assert found.data is None
    assert said in found.note


def test_a_graphviz_that_cannot_be_run_is_a_note(monkeypatch, tmp_path):
    (tmp_path / "dot").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(render, "which", lambda name: "dot")
    assert "Permission denied" in draw("digraph {}").note


def test_text_that_is_no_graph_is_a_note(monkeypatch):
    monkeypatch.setattr(render, "which", lambda name: None)
    assert draw("digraph {").data is None
    assert sys.executable


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('a"b', r'"a\"b"'),
        ("a\\", r'"a\\"'),
        ("a\nb", r'"a\nb"'),
        ("\\N", r'"\\N"'),
        ("&lt;", '"&amp;lt;"'),
        ("<b>", '"<b>"'),
        ("\x00\u202e", r'"\\x00\\u202e"'),
    ],
)
def test_quoting(text, quoted):
    assert quote(text) == quoted
