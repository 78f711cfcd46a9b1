"""Claims as tests: what is collected, what becomes of each outcome, and one check for all tests of a spec."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import circuitlang.checking.frozen
import circuitlang.checking.run
import circuitlang.circuit.parallel  # now, as pytester forgets what is imported in a session within this one
from circuitlang.claims.verdict import Interval, Outcome, Verdict
from circuitlang.interfaces.pytest_plugin.items import result_of
from circuitlang.report.battery import BatteryResult
from circuitlang.report.report import Report
from circuitlang.report.results import (
    CircuitResult,
    ClaimResult,
    ControlResult,
    Counterexample,
    Provenance,
    SeedCircuit,
    TaskResult,
    overall_outcome,
)

pytest_plugins = "pytester"
ROOT = Path(__file__).parents[2]
INSTALLED = any(each.name == "circuitlang" for each in entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "circuitlang.interfaces.pytest_plugin.plugin")
"""Where the package is not installed, only on the path."""

TASK = """
task t {
  draw name = 0..9999999
  prompt "{name} {x}"
  case a with x = "(" answer ")"
  case b with x = "[" answer "]"
}
"""
SPEC = """
spec NAME {
  task = t
  model = "zoo:python-small"
  claim sufficient: loss given keep(circuit) <= 0.15
  claim necessary:  loss given drop(circuit) >= 0.5
  claim faithful:   agreement given keep(circuit) >= 95%
  claim small:      nodes <= 20
}
"""
CLAIMS = ("sufficient", "necessary", "faithful", "small")
ALL_PASS = dict.fromkeys((*CLAIMS, "competence", "battery", "controls"), Outcome.PASS)


def report_of(outcomes: dict[str, Outcome]) -> Report:
    """A report whose claims and gates came out so."""

    def claim(number: int, name: str) -> ClaimResult:
        outcome = outcomes[name]
        found = None if outcome is Outcome.NOT_MEASURED else Interval(0.25, 0.125, 0.5, 64, "count")
        broken = None
        if outcome is Outcome.FAIL:
            broken = Counterexample(prompt="7 (", expected=")", model_answer=")", circuit_answer="]")
        verdict = Verdict(
            name, f"{name} as claimed", number, outcome, found, "<=", 0.15, "0.15", note="a note", seed=0
        )
        return ClaimResult.over_seeds([verdict], 2, counterexample=broken)

    task = TaskResult.of("t", "zoo:python-small", outcomes["competence"], 128, {})
    claims = tuple(claim(number, name) for number, name in enumerate(CLAIMS, 12))
    battery = (BatteryResult(name="attention", gates=True, verdict=outcomes["battery"], note="two heads"),)
    nulls = {Outcome.PASS: None}
    controls = (
        ControlResult(name="nonsense", verdict=nulls.get(outcomes["controls"], outcomes["controls"])),
    )
    size = SeedCircuit(seed=0, nodes=3, edges=2, reached=True, loss_select=0.1)
    return Report(
        spec="one",
        verdict=overall_outcome(task, claims, battery, controls),
        confidence=0.99,
        task=task,
        circuit=CircuitResult.of([size], 100, 0.15),
        claims=claims,
        controls=controls,
        battery=battery,
        provenance=Provenance(command=(), versions={}, hashes={}, seed=0, device="cpu", threads=1),
    )


FAKE = """
from pathlib import Path
import circuitlang.checking.run
from circuitlang.report.report import Report

def check_file(path, name, options):
    with Path("ran").open("a") as file:
        file.write(f"{path.name} {name} {options.model} {options.fresh}\\n")
    return Report.from_json(Path("report.json").read_text())
"""
"""In place of a check: gives the report of `report.json`, and leaves a line in `ran` each time."""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a spec, whose check is made up."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.path.joinpath("one.cir").write_text(TASK + SPEC.replace("NAME", "one"))
    pytester.path.joinpath("report.json").write_text(report_of(ALL_PASS).to_json())
    names: dict[str, Any] = {}
    exec(FAKE, names)
    monkeypatch.setattr(circuitlang.checking.run, "check_file", names["check_file"])
    return pytester


def come_out(project: pytest.Pytester, **outcomes: Outcome) -> None:
    project.path.joinpath("report.json").write_text(report_of({**ALL_PASS, **outcomes}).to_json())


def ran(project: pytest.Pytester) -> list[str]:
    path = project.path / "ran"
    return path.read_text().splitlines() if path.exists() else []


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess(*PLUGIN, "-p", "no:cacheprovider", *arguments)


def run_elsewhere(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """In processes of its own."""
    project.makeconftest(FAKE + "\ncircuitlang.checking.run.check_file = check_file\n")
    return project.runpytest_subprocess(*PLUGIN, "-p", "no:cacheprovider", *arguments)


def test_nothing_is_collected_unless_asked(project: pytest.Pytester) -> None:
    assert run(project).ret == pytest.ExitCode.NO_TESTS_COLLECTED
    project.makeini("[pytest]\ncircuits = auto\n")
    run(project).assert_outcomes(passed=7)
    project.makeini("[pytest]\ncircuits = sometimes\n")
    found = run(project)
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    found.stderr.fnmatch_lines(["*circuits = sometimes: it can be off, auto, frozen*"])


def test_collecting_runs_nothing_and_loads_no_torch(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import sys

        def pytest_sessionfinish():
            assert "torch" not in sys.modules
        """
    )
    found = project.runpytest_subprocess(*PLUGIN, "--circuits", "--co", "-q")
    assert found.ret == 0
    found.stdout.fnmatch_lines(
        [f"one.cir::{name}" for name in ("[[]competence]", *CLAIMS, "[[]controls]", "[[]battery]")]
    )
    assert ran(project) == []


def test_one_check_for_all_tests_of_a_spec(project: pytest.Pytester) -> None:
    run(project, "--circuits", "--circuits-fresh", "--circuits-model", "zoo:python-small").assert_outcomes(
        passed=7
    )
    assert ran(project) == ["one.cir one zoo:python-small True"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_every_outcome_is_its_own_and_only_a_pass_is_green(
    project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    come_out(
        project,
        sufficient=Outcome.FAIL,
        necessary=Outcome.UNDECIDED,
        faithful=Outcome.NOT_MEASURED,
        small=Outcome.VOID,
    )
    found = (run_elsewhere if workers else run)(project, "--circuits", *workers)
    assert found.ret == pytest.ExitCode.TESTS_FAILED
    text = found.stdout.str()
    last = text.splitlines()[-1]
    for count in ("1 failed", "3 passed", "1 void", "1 undecided", "1 not measured"):
        assert count in last
    assert ran(project) == ["one.cir one None False"], "one check for all workers"
    for part in (
        "one.cir:12:3: error[fail]: sufficient: sufficient as claimed; 0.25 (0.12 … 0.50)",
        "  12 |   claim sufficient: loss given keep(circuit) <= 0.15",
        "breaks on: 7 (",
        "expected ); the model says ), the circuit ]",
        "one.cir:13:3: error[undecided]: necessary",
        "one.cir:14:3: error[not measured]: faithful",
        "one.cir:15:3: error[void]: small",
    ):
        assert part in text
    assert "Traceback" not in text


@pytest.mark.parametrize("outcome", [Outcome.UNDECIDED, Outcome.NOT_MEASURED, Outcome.VOID])
def test_without_a_failure_too_what_does_not_pass_is_not_green(
    project: pytest.Pytester, outcome: Outcome
) -> None:
    come_out(project, small=outcome)
    assert run(project, "--circuits").ret == pytest.ExitCode.TESTS_FAILED


def test_the_usual_choices(project: pytest.Pytester) -> None:
    come_out(project, sufficient=Outcome.FAIL, small=Outcome.FAIL)
    run(project, "--circuits", "-k", "small or faithful").assert_outcomes(passed=1, failed=1)
    run(project, "--circuits", "-x").assert_outcomes(passed=1, failed=1)
    run(project, "--circuits", "one.cir::faithful").assert_outcomes(passed=1)
    run(project, "--circuits", "--deselect", "one.cir::small").assert_outcomes(passed=5, failed=1)


def test_numbers_are_in_junit(project: pytest.Pytester) -> None:
    come_out(project, battery=Outcome.FAIL)
    found = run(project, "--circuits", "--junitxml", "out.xml")
    assert found.ret == pytest.ExitCode.TESTS_FAILED
    found.stdout.fnmatch_lines(["*error[[]fail]: [[]battery]: attention: fail*", "*two heads*"])
    cases = {each.get("name"): each for each in ElementTree.parse(project.path / "out.xml").iter("testcase")}

    def properties(name: str) -> dict[str | None, str | None]:
        return {each.get("name"): each.get("value") for each in cases[name].iter("property")}

    assert properties("small") == {
        "value": "0.25",
        "low": "0.125",
        "high": "0.5",
        "prompts": "128",
        "verdict": "pass",
    }
    assert properties("[battery]") == {"attention": "fail", "verdict": "fail"}


def test_mistakes_are_the_files_error_all_at_once(project: pytest.Pytester) -> None:
    wrong = (
        (TASK + SPEC).replace("NAME", "one").replace("nodes <=", "nods <=").replace("loss given", "los given")
    )
    project.path.joinpath("one.cir").write_text(wrong)
    found = run(project, "--circuits")
    assert found.ret == pytest.ExitCode.INTERRUPTED
    found.assert_outcomes(errors=1)
    text = found.stdout.str()
    assert text.count("unknown") == 3
    assert "nods" in text
    assert "Traceback" not in text


def test_several_specs_of_a_file(project: pytest.Pytester) -> None:
    both = TASK + SPEC.replace("NAME", "one") + SPEC.replace("NAME", "two")
    project.path.joinpath("one.cir").write_text(both)
    found = run(project, "--circuits", "-v", "one.cir::two")
    found.assert_outcomes(passed=7)
    found.stdout.fnmatch_lines(["one.cir::two::sufficient PASSED*"])
    assert ran(project) == ["one.cir two None False"]


def test_without_a_lock_a_frozen_test_says_what_to_do(project: pytest.Pytester) -> None:
    found = run(project, "--circuits-frozen", "-x")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*--update-lock*"])
    assert "Traceback" not in found.stdout.str()
    assert ran(project) == []


def test_a_bug_of_ours_keeps_its_traceback(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    def check_file(*_: object) -> None:
        raise AssertionError("our own mistake")

    monkeypatch.setattr(circuitlang.checking.run, "check_file", check_file)
    found = run(project, "--circuits", "-k", "small")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(
        ["*AssertionError: our own mistake", "*test_pytest_plugin.py:*: AssertionError"]
    )


@given(st.fixed_dictionaries({name: st.sampled_from(Outcome) for name in ALL_PASS}))
def test_a_session_is_green_exactly_where_a_check_passes(outcomes: dict[str, Outcome]) -> None:
    report = report_of(outcomes)
    tests = ("[competence]", *CLAIMS, "[controls]", "[battery]")
    green = all(result_of(report, name).outcome is Outcome.PASS for name in tests)
    assert green == (report.verdict is Outcome.PASS)
