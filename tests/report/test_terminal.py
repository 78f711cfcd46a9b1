"""What a terminal shows."""

import unicodedata
from typing import get_args

import pytest

from circuitlang.claims.verdict import Outcome
from circuitlang.language.program.spec import Ablate
from circuitlang.report.report import Report
from circuitlang.report.terminal import terminal
from circuitlang.report.words import ABLATIONS, LOCKED, meaning, remarks, spread


def test_the_whole_report(make, golden):
    golden("terminal.txt", terminal(make()))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_keeps_within_the_width(make, width):
    for line in terminal(make(), width).split("\n"):
        assert sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) <= width
        assert line == line.rstrip()


def test_colour_is_only_added(make):
    from circuitlang.report.escape import _ANSI

    coloured = terminal(make(), colour=True)
    assert "\x1b[1;32mpass" in coloured
    assert "\x1b" not in terminal(make())
    plain = "\n".join(line.rstrip() for line in _ANSI.sub("", coloured).split("\n"))
    assert plain == terminal(make())


def test_the_environment_changes_nothing(make, monkeypatch):
    usual = terminal(make())
    for name, value in {"COLUMNS": "20", "FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    assert terminal(make()) == usual


def test_a_control_of_the_lock_says_what_it_said_there(make):
    claim = make().claims[0]
    for control, said in (
        ("held", "no gating null passes it"),
        ("random", "passed by a null as well: random"),
    ):
        assert remarks(claim.model_copy(update={"control": control}))[-1] == said
        assert remarks(claim.model_copy(update={"control": control + LOCKED}))[-1] == said + LOCKED


def test_every_ablation_has_its_words():
    assert set(ABLATIONS) == set(get_args(Ablate))


def test_one_seed_needs_no_table(make):
    report = make()
    data = report.model_dump(by_alias=True)
    data["circuit"] |= {"seeds": [0], "per_seed": data["circuit"]["per_seed"][:1], "overlap": []}
    text = terminal(Report.model_validate(data))
    assert "answer set   target" not in text
    assert "loss with the circuit ablated 0.7012 nats" in text


def test_a_model_that_is_not_competent(make):
    report = make()
    data = report.model_dump(by_alias=True) | {"claims": [], "circuit": None, "controls": [], "battery": []}
    data["task"] |= {"outcome": Outcome.FAIL}
    data |= {"verdict": Outcome.FAIL, "note": "not competent: accuracy 0.576, needed > 0.9"}
    text = terminal(Report.model_validate(data))
    assert "competence: fail" in text
    assert "fail: not competent: accuracy 0.576, needed > 0.9" in text


def test_the_sentence_names_what_does_not_hold(make):
    assert meaning(make()) == "4 of 6 claims hold; fail: minimal; not measured: dilutes"


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ((0.1213, 0.1124, 0.1309), ("0.121", "0.112 … 0.131")),
        ((-0.5, -0.6, -0.4), ("-0.50", "-0.60 … -0.40")),
        ((12, 12, 12), ("12", "")),
        ((5632, 5632, 5632), ("5,632", "")),
        ((0.123456, 0.123456, 0.123456), ("0.1235", "")),
        ((1.0, 0.9865, 1.0), ("1.000", "0.987 … 1.000")),
        ((0.00012, 0.0001, 0.00014), ("0.000120", "0.000100 … 0.000140")),
        ((3.1e-9, 3.0e-9, 3.2e-9), ("3.1e-09", "3e-09 … 3.2e-09")),
    ],
)
def test_digits_follow_the_interval(numbers, shown):
    assert spread(*numbers) == shown
