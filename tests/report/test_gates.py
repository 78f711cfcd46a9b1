"""What counts in the verdict beside the claims stands in every format: nothing fails without a line that says why."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from circuitlang.claims.battery.check_result import Check
from circuitlang.claims.verdict import Control, Interval, Outcome
from circuitlang.report.annotations import concise, github
from circuitlang.report.battery import BatteryResult, ControlResult
from circuitlang.report.junit import junit
from circuitlang.report.markdown import markdown
from circuitlang.report.report import Report
from circuitlang.report.results import overall_outcome
from circuitlang.report.sarif import sarif
from circuitlang.report.terminal import terminal
from circuitlang.source.diagnostic import Source
from tests.report.conftest import Make

CHECK = Check(
    "attention",
    "",
    True,
    Outcome.FAIL,
    {"worst head": Interval(0.6, 0.5, 0.7, 256, "betting")},
    "uniform: 2.head[6]",
)
SMALL = Control("nonsense", "", False, True, 60, 80, 0.2, 1.2, close=True, note="under the margin of 2")


@pytest.fixture
def failed(make: Make) -> Report:
    """A report whose claims all hold, and which fails by a check and by a null that is too small."""
    made = make()
    held = tuple(claim for claim in made.claims if claim.verdict is Outcome.PASS)
    passed = made.model_copy(update={"claims": held})
    battery, controls = (BatteryResult.of(CHECK),), (ControlResult.of(SMALL),)
    verdict = overall_outcome(passed.task, passed.claims, battery, controls)
    return passed.model_copy(update={"battery": battery, "controls": controls, "verdict": verdict})


def test_every_format_says_what_failed(failed: Report) -> None:
    assert failed.verdict is Outcome.FAIL
    texts = {
        "terminal": terminal(failed),
        "markdown": markdown(failed),
        "github": github(failed, "a.cir"),
        "concise": concise(failed, "a.cir"),
        "junit": junit(failed, "a.cir"),
        "sarif": sarif([], {}, "1", [(failed, Source("a.cir", "spec a {}"))]),
    }
    for name, text in texts.items():
        assert "attention" in text, name
        assert "2.head[6]" in text, name
        assert "under the margin of 2" in text, name


def test_junit_counts_them(failed: Report) -> None:
    suite = ElementTree.fromstring(junit(failed, "a.cir"))
    assert suite.get("failures") == "2"
    names = {case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None}
    assert names == {"attention", "control nonsense"}


def test_a_small_null_fails_only_a_strict_spec() -> None:
    assert ControlResult.of(SMALL).verdict is Outcome.FAIL
    assert ControlResult.of(replace(SMALL, gates=False)).verdict is None
