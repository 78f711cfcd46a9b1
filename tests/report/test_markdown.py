"""report.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from circuitlang.report.escape import visible
from circuitlang.report.markdown import code, markdown
from circuitlang.report.words import shortened


def test_the_whole_report(make, golden):
    golden("report.md", markdown(make(), "circuit.svg"))


def test_without_a_picture_there_is_no_link_to_one(make):
    assert "![" not in markdown(make())


def test_a_pictures_name_cannot_leave_its_brackets(make):
    assert "](x___http___evil_)" in markdown(make(), "x) (http://evil)").replace("y", "")


@given(st.text(max_size=30))
def test_a_code_span_shows_exactly_its_text(text):
    """Read back by a Markdown parser, in a table's cell, there is one code span, and it holds the text."""
    page = f"| head | other |\n|---|---|\n| {code(text)} | x |\n"
    cells = [t for t in MarkdownIt("commonmark").enable("table").parse(page) if t.type == "inline"][2:]
    assert len(cells) == 2
    (span,) = cells[0].children
    assert span.type == "code_inline"
    shown = visible(text).replace("|", "∣")
    if shown.strip(" "):
        assert span.content == shown
    else:
        assert span.content.strip("‘’").strip(" ") == ""


@pytest.mark.parametrize("text", ["`", "``", "a`", "`a", " a", "a ", "```a``", "", "  "])
def test_code_spans_at_their_edges(text):
    (block,) = [t for t in MarkdownIt("commonmark").parse(code(text)) if t.type == "inline"]
    assert [child.type for child in block.children] == ["code_inline"]


@given(st.integers(1, 400))
def test_a_long_list_shows_its_first_and_how_many_more_there_are(count):
    names = [f"3.neuron[{number}]" for number in range(count)]
    said, after = shortened(", ".join(names) + "; what is said of them").split("; ")
    assert after == "what is said of them"
    listed, _, more = said.partition(", and ")
    shown = listed.split(", ")
    assert shown == names[: len(shown)]
    assert len(shown) <= 24
    assert len(shown) + int(more.split()[0] if more else 0) == count
