"""Hostile text in every text field of every format: it is shown, and it does nothing."""

import json
import re
import unicodedata
from functools import cache
from xml.etree import ElementTree

import jsonschema
import pygraphviz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from circuitlang.report import report_folder
from circuitlang.report.diagram import dot
from circuitlang.report.escape import harmless_to_ci, lone_surrogates_spelled, visible
from circuitlang.report.markdown import markdown
from circuitlang.report.render import Picture, svg
from circuitlang.report.report import Report
from circuitlang.report.report_folder import contents
from circuitlang.report.terminal import terminal

HOSTILE = {
    "rich markup": "[bold red]x[/bold red] [/] [link=http://evil]y[/link] :smile:",
    "escape sequences": "\x1b[31mred\x1b]8;;http://evil\x07link\x1b]8;;\x07 \x9b2J \x1b[2K\r\x08\x0c\x7f",
    "line ends": "a\nb\r\nc\u2028d\u2029e\x85f\vg",
    "bidi": "\u202eevil\u202c \u2066x\u2069 \u200e\u200f\u061c",
    "zero width": "a\u200bb\u200dc\ufeffd\u00ade\u2060f\U000e0041g",
    "workflow command": "::error file=x::y",
    "workflow command after a line end": "x\n::set-output name=a::b\n  ::add-mask::c",
    "old workflow command": "x ##[error]y ##[add-mask]z",
    "commands to other runners": "x ##vso[task.setvariable variable=a]b\n##teamcity[message text='c'] ##Vso[x]",
    "tags": "<script>alert(1)</script><img src=x onerror=alert(1)><a href='javascript:x'>y</a>",
    "attribute end": "\"'><svg onload=alert(1)>",
    "entities": "&lt;script&gt; &amp;lt; &#60;b&#62; &nbsp; &",
    "xml": "]]> <![CDATA[x]]> <!-- y --> <?php z ?> <!DOCTYPE a>",
    "markdown": "](http://evil) **b** _i_ # h\n\n# h2\n\n- l\n\n> q\n\n***\n\n    code",
    "table": "| a | b |\n|---|---|\n\\| \\\\| x",
    "backticks": "` `` ``` x ```` \\`",
    "mention": "@everyone #1 https://evil.example www.evil.example evil@example.com GH-1",
    "dot": '"]; evil [label="x", URL="http://evil"]; "a" -> "b',
    "dot escapes": "\\N \\G \\E \\T \\l \\r \\n \\\\ \\",
    "dot record": "{a|<p>b} <<b>x</b>>",
    "surrogates": "\udc80\ud800 \udfff",
    "not characters": "\x00\ufffe\uffff\U0001ffff\x01",
    "wide": "漢字カナ 👩‍👩‍👧 🏳️‍🌈 e\u0301\u0301\u0301",
    "long": "x" * 5000,
    "spaces": "   ",
    "a node's name": "1.neuron[37]",
}


def structure(page):
    """The kinds of blocks and spans of a Markdown page, in order; not their text."""
    blocks = MarkdownIt("commonmark").enable("table").parse(page)
    return [(b.type, [child.type for child in b.children or []], sorted(b.attrs)) for b in blocks]


def harmless(text, colour=False):
    if colour:
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in text)
    assert not any(line.lstrip().startswith("::") for line in text.split("\n"))
    assert not re.search(r"##\w*\[", text)


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE.keys())
def text(request):
    return request.param


def test_terminal(make, text):
    for width in (40, 80):
        harmless(terminal(make(text), width))
    harmless(terminal(make(text), colour=True), colour=True)
    shown = re.sub(r"\s", "", terminal(make(text), 6000))
    wanted = re.sub(r"\s", "", visible(lone_surrogates_spelled(text)))
    assert wanted in shown or harmless_to_ci(wanted) in shown


def test_markdown_has_the_same_structure_whatever_the_text(make, text):
    page = markdown(make(text), "circuit.svg")
    harmless(page)
    assert structure(page) == structure(markdown(make("x"), "circuit.svg"))


def test_json_reads_back(make, text):
    report = make(text)
    written = report.to_json()
    assert written.isascii()
    harmless(written)
    data = json.loads(written)
    jsonschema.Draft202012Validator(json.loads(Report.schema_text())).validate(data)
    said = lone_surrogates_spelled(text)
    assert data["spec"] == data["claims"][0]["text"] == data["provenance"]["command"][2] == said
    assert Report.from_json(written).to_json() == written


def test_a_graph_reads_back(make, text):
    graph = make(text).circuit.plain_graph()
    assert text in {edge.source for edge in graph.edges}
    assert type(graph).from_json(graph.to_json()) == graph


def dot_parts(text, quotes):
    """Nodes and edges with the names of their attributes."""
    source = dot(quotes(text, text + "2"), text, [text])
    harmless(source)
    graph = pygraphviz.AGraph(string=source)
    nodes = {node: sorted(node.attr) for node in graph.nodes()}
    return nodes, sorted(graph.edges()), sorted(graph.graph_attr)


def test_dot_has_the_same_structure_whatever_the_text(text, quotes):
    """Only labels may differ."""
    assert dot_parts(text, quotes) == dot_parts("x", quotes)


@cache
def svg_parts(text, quotes):
    """Elements with the names of their attributes, and all that is written."""
    root = ElementTree.fromstring(svg(dot(quotes(text, text + "2"), text, [text])))
    texts = [element.text or "" for element in root.iter() if element.tag.endswith("}text")]
    return {(element.tag, *sorted(element.attrib)) for element in root.iter()}, texts


def test_svg_has_the_same_elements_whatever_the_text(text, quotes):
    shapes, texts = svg_parts(text, quotes)
    usual, _ = svg_parts("x", quotes)
    assert shapes <= usual
    assert {tag.rpartition("}")[2] for tag, *_ in shapes} <= {"svg", "g", "title", "polygon", "path", "text"}
    shown = "".join("".join(texts).split())
    assert "".join(visible(text).split())[:3000] in shown.replace("\xa0", "")


def test_every_file_can_be_written(make, text, monkeypatch):
    monkeypatch.setattr(report_folder, "draw", lambda source: Picture(source.encode()))
    made, _ = contents(make(text))
    for content in made.values():
        if isinstance(content, str):
            content.encode("utf-8")


@settings(max_examples=15)
@given(st.text(st.characters(categories=None), min_size=1, max_size=40))
def test_any_text_at_all(make_report_of_text, text):
    report = make_report_of_text(text)
    harmless(terminal(report))
    page = markdown(report)
    harmless(page)
    assert structure(page) == structure(markdown(make_report_of_text("x")))
    assert Report.from_json(report.to_json()).to_json() == report.to_json()


@pytest.fixture(scope="module")
def make_report_of_text():
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    spec = spec_from_file_location("report_samples", Path(__file__).with_name("conftest.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_report


@given(st.text(st.characters(categories=None)))
def test_visible_is_one_line_of_plain_characters(text):
    harmless("x" + visible(text))
    assert "\n" not in visible(text)
    visible(text).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b", "a b"),
        ("\t\n\r\x1b", r"\t\n\r\e"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("\u202e", r"\u202e"),
        ("\U000e0041", r"\U000e0041"),
        ("é漢", "é漢"),
        ("x ##[error]", r"x ##\x5berror]"),
    ],
)
def test_visible(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("lines", "harmless_lines"),
    [
        ("::error::x", r"\x3a:error::x"),
        ("a\n  ::error::x", "a\n  \\x3a:error::x"),
        ("a ::error::x", "a ::error::x"),
        ("\x1b[1m::error::x\x1b[0m", "\x1b[1m\\x3a:error::x\x1b[0m"),
        ("x[::2] ##[group]", r"x[::2] ##\x5bgroup]"),
    ],
)
def test_commands_to_a_ci_runner(lines, harmless_lines):
    assert harmless_to_ci(lines) == harmless_lines
