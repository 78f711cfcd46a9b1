"""The report as data: its JSON, its schema, and that it is never better than its parts."""

import json
import math
from pathlib import Path

import jsonschema
import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitlang.claims.verdict import Interval, Outcome, Verdict
from circuitlang.report.exhibit import Exhibit
from circuitlang.report.report import Report
from circuitlang.report.results import ClaimResult, Measured, TaskResult, overall_outcome

DOCS = Path(__file__).parents[2] / "docs"


def test_json_comes_back(make):
    report = make()
    text = report.to_json()
    again = Report.from_json(text)
    assert again.to_json() == text
    assert again.verdict is Outcome.FAIL
    assert again.circuit.plain_graph() == report.circuit.plain_graph()
    assert text.isascii()
    assert text.endswith("}\n")


def test_the_schema_is_published_and_holds(make, golden):
    golden(DOCS / "report.schema.json", Report.schema_text())
    schema = json.loads(Report.schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(make().to_json()))


def test_the_exhibits_schema_is_published_and_holds(make, show, golden):
    golden(DOCS / "exhibit.schema.json", Exhibit.schema_text())
    schema = json.loads(Exhibit.schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(show(make()).to_json()))


def test_the_fields_that_are_promised(make):
    data = json.loads(make().to_json())
    assert {"schema", "spec", "verdict", "task", "circuit", "claims", "controls", "battery"} <= set(data)
    assert {"provenance", "seconds", "cached"} <= set(data)
    assert {"accuracy", "loss", "prompts"} <= set(data["task"])
    assert {"nodes", "edges", "total_nodes", "loss", "seeds"} <= set(data["circuit"])
    wanted = {"name", "text", "verdict", "value", "low", "high", "prompts", "line", "control"}
    assert all(wanted <= set(claim) for claim in data["claims"])
    assert {"command", "versions", "hashes", "seed", "device", "threads"} <= set(data["provenance"])


def test_numbers_have_six_digits_and_order_is_fixed(make):
    data = json.loads(make().to_json())
    assert data["circuit"]["per_seed"][0]["loss_without"] == 0.701235
    assert list(data["provenance"]["versions"]) == ["circuitlang", "python", "torch"]
    assert list(data["provenance"]["hashes"]) == ["model", "spec", "task"]


def test_without_timings_equal_inputs_give_equal_bytes(make):
    report = make()
    other = report.model_copy(update={"seconds": {"load": 99.0}, "cached": True})
    assert report.to_json() != other.to_json()
    assert report.to_json(timings=False) == other.to_json(timings=False)
    assert "seconds" not in report.to_json(timings=False)


def test_a_report_of_another_schema_is_refused(make):
    text = make().to_json()
    for wrong in (
        text.replace('"schema": 1', '"schema": 2'),
        text.replace('"spec"', '"sepc"', 1),
        "{}",
        "[",
        "NaN",
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            Report.from_json(wrong)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_a_number_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        Measured(value=bad, low=0, high=1, datapoints=1, method="x")


def test_the_verdict_is_no_better_than_its_parts(make):
    report = make()
    with pytest.raises(ValueError, match="the verdict cannot be pass when its parts come to fail"):
        Report.model_validate({**report.model_dump(by_alias=True), "verdict": "pass"})
    worse = Report.model_validate({**report.model_dump(by_alias=True), "verdict": "fail"})
    assert worse.exit_status == 1


def test_overall(make):
    report = make()
    passing = [claim for claim in report.claims if claim.verdict is Outcome.PASS]
    assert overall_outcome(report.task, passing) is Outcome.PASS
    assert overall_outcome(report.task, report.claims) is Outcome.FAIL
    assert overall_outcome(report.task, []) is Outcome.NOT_MEASURED
    incompetent = report.task.model_copy(update={"outcome": Outcome.FAIL})
    assert overall_outcome(incompetent, []) is Outcome.FAIL
    gate = report.battery[0].model_copy(update={"verdict": Outcome.VOID})
    assert overall_outcome(report.task, passing, [gate]) is Outcome.VOID
    assert overall_outcome(report.task, passing, [gate.model_copy(update={"gates": False})]) is Outcome.PASS


def test_a_claim_shows_its_worst_seed():
    def verdict(seed, outcome, high):
        return Verdict(
            "c", "t", 3, outcome, Interval(0.1, 0.05, high, 512, "m"), "<=", 0.15, "0.15", seed=seed
        )

    claim = ClaimResult.over_seeds(
        [verdict(0, Outcome.PASS, 0.12), verdict(1, Outcome.UNDECIDED, 0.2), verdict(2, Outcome.PASS, 0.14)],
        2,
    )
    assert (claim.verdict, claim.seed, claim.high, claim.prompts) == (Outcome.UNDECIDED, 1, 0.2, 1024)
    assert [one.seed for one in claim.seeds] == [0, 1, 2]


def test_a_task_that_could_not_be_measured_has_no_zero_in_it():
    task = TaskResult.of("t", "m", Outcome.NOT_MEASURED, 0, {})
    assert (task.accuracy, task.loss, task.mass) == (None, None, None)


def test_the_circuits_of_all_seeds(make, quotes):
    circuit = make().circuit
    assert (circuit.nodes, circuit.edges, circuit.seeds) == (13, 10, (0, 1))
    assert [(o.seeds, o.nodes, o.edges) for o in circuit.overlap] == [((0, 1), 1.0, 1.0)]
    assert isinstance(circuit.graph(), networkx.DiGraph)
    assert "1.attn_out[83]" in circuit.graph(seed=1)
    assert circuit.diagram().source.startswith("digraph")
    with pytest.raises(ValueError, match="no graph for seed 7"):
        circuit.graph(seed=7)


@given(st.text(st.characters(categories=None), max_size=20))
def test_any_text_can_be_written_and_read_back(text):
    task = TaskResult.of(text, text, Outcome.PASS, 1, {})
    again = TaskResult.model_validate_json(task.model_dump_json())
    assert again == task
    again.model_dump_json().encode("utf-8")
