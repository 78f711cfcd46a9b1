"""A metric that a package adds is measured by the function that its row names."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from circuitlang.claims.kind import kind_of
from circuitlang.claims.metrics import METRICS, View, measured
from circuitlang.language.program import vocabulary
from circuitlang.language.program.spec import Quantity

WORDS = """
from circuitlang.language.program.signature import Metric

MARGIN = Metric("margin", "nats", "loss below chance", low=None, measure="plugged_margin:margin")
HALF = Metric("half", "share", "half of the right choices", measure="plugged_margin:half")


def margin(view, n):
    return 0.5 - view.loss(n)


def half(view, n):
    return view.accuracy(n) / 2
"""


class Seen:
    """Of a View, what the package's functions ask for."""

    def loss(self, n: int) -> np.ndarray:
        return np.arange(n) / 10

    def accuracy(self, n: int) -> np.ndarray:
        return np.ones(n)


def test_what_the_vocabulary_calls_built_is_measured() -> None:
    rows = vocabulary.METRICS.values()
    built = {row.name for row in rows if row.built and "spec" in row.blocks and not row.counts}
    assert built == set(METRICS)


def test_a_row_s_function_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "plugged_margin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged-margin\nVersion: 1.0\n")
    entries = "[circuitlang.metrics]\nmargin = plugged_margin:MARGIN\nhalf = plugged_margin:HALF\n"
    (info / "entry_points.txt").write_text(entries)
    (tmp_path / "plugged_margin.py").write_text(WORDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "plugged_margin", raising=False)
    function = measured("margin")
    view: View = Seen()  # pyright: ignore[reportAssignmentType]
    assert function(view, 3).tolist() == [0.5, 0.4, 0.3]
    assert kind_of(Quantity("margin"), 2) == "real"
    function = measured("half")
    assert function(view, 2).tolist() == [0.5, 0.5]
    assert kind_of(Quantity("half"), 2) == "share"
