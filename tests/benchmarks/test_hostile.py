"""No hostile text breaks a format, on a few mixtures; `python -m benchmarks.hostile` takes a thousand."""

from __future__ import annotations

import pytest

from benchmarks.hostile import FORMATS, texts
from tests.report.conftest import make_report
from tests.report.test_hostile import HOSTILE
from tests.report.test_page import MORE

KNOWN = len(HOSTILE) + len(MORE)


@pytest.mark.parametrize("name", FORMATS)
def test_mixtures_of_hostile_texts(name: str) -> None:
    found = list(texts(KNOWN + 12))
    assert found[:KNOWN] == [*HOSTILE.values(), *MORE.values()]
    assert len(set(found)) == len(found)
    cheap = name in ("lock", "diff", "status", "badge", "sarif")  # those that no other test has
    for text in found if cheap else found[KNOWN:]:
        FORMATS[name](make_report(text), text)
