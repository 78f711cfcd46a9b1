"""The badge says the name and the verdict, whatever the name holds."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitlang.claims.verdict import Outcome
from circuitlang.report.report_folder import _COLOURS, badge
from circuitlang.source.visible import visible


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb or #rgb (WCAG 2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    linear = []
    for place in (0, 2, 4):
        share = int(digits[place : place + 2], 16) / 255
        linear.append(share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("outcome", Outcome)
def test_a_badge_can_be_read(make, outcome: Outcome) -> None:
    found = badge(make().model_copy(update={"verdict": outcome}))
    root = ElementTree.fromstring(found)
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["single_double_quote", outcome.value]
    assert 1.05 / (luminance(_COLOURS[outcome]) + 0.05) >= 4.5


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_name_is_only_text(make, name: str) -> None:
    root = ElementTree.fromstring(badge(make().model_copy(update={"spec": name})))
    kinds = {each.tag.partition("}")[2] for each in root.iter()}
    assert kinds == {"svg", "title", "rect", "g", "text"}
    short = name if len(name) <= 40 else name[:39] + "…"
    assert next(root.iter("{http://www.w3.org/2000/svg}text")).text == visible(short)
