"""Positions and edits: laws over every kind of character and line end, in every unit an editor may count in."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from circuitlang.interfaces.lsp import protocol
from circuitlang.interfaces.lsp.positions import Encoding, Text, units
from circuitlang.source.diagnostic import Diagnostic, Source, Span

ENCODINGS = get_args(Encoding)
TEXTS = st.text(st.sampled_from('ab{"é\u0301🎨\n\r\u2028\x0b\x85'), max_size=40)


@given(TEXTS, st.sampled_from(ENCODINGS), st.data())
def test_an_offset_and_its_position_are_the_same_place(
    text: str, encoding: Encoding, data: st.DataObject
) -> None:
    offset = data.draw(st.integers(0, len(text)))
    found = Text(text, encoding)
    position = found.position(offset)
    between = text[offset - 1 : offset + 1] == "\r\n"  # no position lies inside a line end
    assert found.offset(position) == offset - between
    lines = text[:offset].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert position.line == len(lines) - 1 - between
    if not between:
        assert position.character == units(lines[-1], encoding)


@given(TEXTS, st.sampled_from(ENCODINGS), st.integers(0, 9), st.integers(0, 99))
def test_every_position_is_some_place(text: str, encoding: Encoding, line: int, character: int) -> None:
    offset = Text(text, encoding).offset(types.Position(line, character))
    assert 0 <= offset <= len(text)


@given(TEXTS, st.sampled_from(ENCODINGS), st.data())
def test_edits_one_after_the_other_make_the_text_that_was_meant(
    text: str, encoding: Encoding, data: st.DataObject
) -> None:
    meant, changes = text, []
    for _ in range(data.draw(st.integers(0, 4))):
        new = data.draw(TEXTS)
        start = data.draw(st.integers(0, len(meant)))
        end = data.draw(st.integers(start, len(meant)))
        if "\r\n" in (meant[start - 1 : start + 1], meant[end - 1 : end + 1]):
            continue
        where = Text(meant, encoding).range(start, end)
        changes.append(types.TextDocumentContentChangePartial(range=where, text=new))
        meant = meant[:start] + new + meant[end:]
    assert Text(text, encoding).changed(changes).text == meant
    whole = types.TextDocumentContentChangeWholeDocument("whole")
    assert Text(text, encoding).changed([*changes, whole]).text == "whole"


@pytest.mark.parametrize(("encoding", "length"), [("utf-8", 4), ("utf-16", 2), ("utf-32", 1)])
def test_units(encoding: Encoding, length: int) -> None:
    assert units("🎨", encoding) == length
    assert Text("a🎨b", encoding).offset(types.Position(0, 1 + length)) == 2


def test_the_other_places_that_a_message_speaks_of_are_shown() -> None:
    here = Source("a.task", "🎨 twice", Path("/a.task"))
    there = Source("b.task", "🎨 once", Path("/b.task"))
    said = ((Span(there, 2, 6), "first declared here"), (Span(Source("no file", "x"), 0, 1), "nowhere to go"))
    shown = protocol.diagnostic(
        Diagnostic("CIR-031", "declared twice", Span(here, 2, 7), related=said), "utf-16"
    )
    (place,) = shown.related_information or []
    assert (place.message, place.location.uri) == ("first declared here", "file:///b.task")
    assert (place.location.range.start.character, shown.range.start.character) == (3, 3)
