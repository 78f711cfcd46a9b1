"""A diff of two reports: nothing of equal ones, the mirror image the other way round, every change once."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.checking.status import diff
from circuitlang.claims.verdict import Outcome
from circuitlang.report.diff import PARTS, diff_data, diff_lines, diff_reports, line, same
from circuitlang.report.lock import Lock, LockedSpec
from circuitlang.report.report import Report
from circuitlang.report.saved import read_reports
from circuitlang.source.diagnostic import CommandError
from tests.report.conftest import make_report, random_graph

MIRROR = {"+": "-", "-": "+", "~": "~"}


@st.composite
def reports(draw):
    """A report of which something is left out, or is another."""
    report = make_report(graph=random_graph(draw(st.sampled_from([8, 12])), draw(st.integers(0, 2))))
    data = json.loads(report.to_json())
    for part in ("claims", "controls", "battery"):
        data[part] = [each for each in data[part] if draw(st.booleans())]
    for circuit in data["circuit"]["per_seed"]:
        circuit["roles"] = {
            role: ["0.neuron[1]"] for role in draw(st.sets(st.sampled_from(["reader", "writer"]), max_size=2))
        }
        circuit["loss_test"] = draw(st.sampled_from([None, 0.1, 0.1 + 1e-9, 0.2]))
    if data["claims"]:
        data["claims"][0]["value"] = draw(st.sampled_from([0.1213, 0.125]))
    data["provenance"]["hashes"]["code"] = draw(st.sampled_from(["a" * 64, "b" * 64]))
    data["verdict"] = "fail"
    return Report.from_json(json.dumps(data))


@settings(max_examples=40)
@given(reports(), reports())
def test_a_diff_mirrors_the_one_the_other_way_round(one, other):
    there, back = diff_reports(one, other), diff_reports(other, one)
    assert diff_reports(one, one).changes == ()
    assert (there.old, there.new) == (back.new, back.old)

    def key(change):
        return (change.part, change.seed, change.name)

    assert {key(c): (MIRROR[c.sign], c.new, c.old) for c in there.changes} == {
        key(c): (c.sign, c.old, c.new) for c in back.changes
    }
    assert len({key(c) for c in there.changes}) == len(there.changes)
    for change in there.changes:
        assert change.sign == "~" or (change.old is None) == (change.sign == "+") != (change.new is None)
        assert change.part in PARTS
        assert line(change).startswith(f"{change.sign} ")
    assert json.loads(json.dumps(diff_data([there]), allow_nan=False))["schema"] == 1
    assert list(diff_lines(there))


def test_each_kind_of_change_is_found_and_said():
    old = make_report()
    data = json.loads(old.to_json())
    gone = data["circuit"]["per_seed"][0]["graph"]["nodes"][0]["node"]
    graph = data["circuit"]["per_seed"][0]["graph"]
    graph["nodes"] = graph["nodes"][1:]
    graph["edges"] = [e for e in graph["edges"] if gone not in (e["source"], e["target"])]
    data["circuit"]["per_seed"][0]["nodes"] -= 1
    data["circuit"]["per_seed"][0]["roles"] = {"reader": [gone]}
    data["claims"][0] |= {"value": 0.2, "low": 0.19, "high": 0.21, "verdict": "fail"}
    data["claims"][4]["name"] = "tiny"
    data["controls"] = data["controls"][1:]
    data["battery"][0] |= {"verdict": "fail"}
    data["task"]["intervals"]["mass"]["value"] = 0.32
    data["provenance"]["hashes"]["model"] = "99ff"
    lines = [each.strip() for each in diff_lines(diff_reports(old, Report.from_json(json.dumps(data))))]
    for said in (
        "single_double_quote: fail, as before",
        "~ model: 77aa, now 99ff",
        "~ mass: 0.331 (0.312 … 0.350), now 0.320 (0.312 … 0.350)",
        f"- {gone}: cost 0.05",
        "+ reader: " + gone,
        "~ sufficient: pass 0.121 (0.112 … 0.131), now fail 0.200 (0.190 … 0.210)",
        "+ tiny: nodes <= 20: pass 12",
        "- small: nodes <= 20: pass 12",
        "- nonsense: nodes 45, edges 46, loss_at_size 0.35, ratio 3.75, reaches nothing",
        "~ agreement: pass 0.9985 (0.9951 … 1.0000), now fail 0.9985 (0.9951 … 1.0000)",
    ):
        assert said in lines, said


def test_digits_that_differ_between_machines_are_no_change():
    assert same({"a": [0.12345678, None]}, {"a": [0.12345679, None]})
    assert same(1e-9, -1e-9)
    assert not same(0.1234, 0.1236)
    assert not same({"a": 1.0}, {"b": 1.0})
    assert not same(None, 0.0)


def test_two_tasks_have_nothing_to_compare():
    other = make_report()
    other = other.model_copy(update={"task": other.task.model_copy(update={"name": "brackets"})})
    with pytest.raises(CommandError, match="different tasks, `single_double_quote` and `brackets`"):
        diff_reports(make_report(), other)


def test_reports_locks_and_folders_are_read(tmp_path):
    report = make_report()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "report.json").write_text(report.to_json())
    lock = tmp_path / "x.cir.lock"
    names = ("single_double_quote", "second")
    Lock(specs={name: LockedSpec.of(report.model_copy(update={"spec": name}), {}) for name in names}).write(
        lock
    )
    assert list(read_reports(lock)) == sorted(names)
    assert [each.changes for each in diff(tmp_path / "run", tmp_path / "run" / "report.json")] == [()]
    assert [each.changes for each in diff(lock, tmp_path / "run")] == [()]
    single = tmp_path / "y.cir.lock"
    Lock(specs={"second": LockedSpec.of(report.model_copy(update={"spec": "second"}), {})}).write(single)
    assert [each.changes for each in diff(lock, single)] == [()]
    third = tmp_path / "z.cir.lock"
    Lock(specs={n: LockedSpec.of(report, {}) for n in ("second", "third")}).write(third)
    signs = {(c.sign, c.part, c.name) for each in diff(lock, third) for c in each.changes}
    assert signs == {("-", "spec", "single_double_quote"), ("+", "spec", "single_double_quote")}


def edited(change):
    data = json.loads(make_report().to_json())
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is neither a report nor a lock: it is not JSON"),
        ("[]", "it has no `schema`"),
        ("[" * 100_000, "it is not JSON"),
        (
            edited(lambda d: d.update(schema=7)),
            "is a report of version 7, and this circuitlang reads version 1",
        ),
        (edited(lambda d: d.update(verdict="pass")), "the verdict cannot be pass"),
        (edited(lambda d: d.pop("task")), "is not as it was written: task"),
        (
            edited(lambda d: d["circuit"]["per_seed"][0].update(nodes=3)),
            "was edited: seed 0 is said to have 3 nodes",
        ),
        (edited(lambda d: d["claims"][0].update(value="much")), "is not as it was written: claims.0.value"),
    ],
)
def test_a_report_that_was_edited_is_refused_in_one_sentence(tmp_path, text, said):
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(CommandError) as caught:
        read_reports(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_said(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(CommandError, match=r"cannot read .*nothing/report\.json: No such file"):
        read_reports(tmp_path / "nothing")


def test_a_spec_that_only_one_lock_has():
    found = diff_reports(None, make_report())
    assert list(diff_lines(found)) == [
        "single_double_quote: only in the new one",
        "  specs",
        "    + single_double_quote: fail",
    ]
    assert found.new == ("single_double_quote", Outcome.FAIL.value)
