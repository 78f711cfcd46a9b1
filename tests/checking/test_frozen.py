"""A lock, and its circuit judged again: the same numbers, a refusal that names what differs, and no false green."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from benchmarks.planted.circuits import QUOTES, quotes
from circuitlang.checking.job import Job, Options, jobs_of
from circuitlang.checking.run import Done, check, check_and_write, check_frozen, update_locks
from circuitlang.checking.static import check_text
from circuitlang.checking.status import status
from circuitlang.circuit.find import Finder
from circuitlang.claims.verdict import Outcome
from circuitlang.interfaces.cli.compute_commands import _against_lock
from circuitlang.model.checkpoint import load, save
from circuitlang.model.locate import digest_of, locate
from circuitlang.model.transformer import Transformer
from circuitlang.report.compare import against_lock
from circuitlang.report.drift import CircuitDrift, ClaimDrift, Drift, Reading
from circuitlang.report.junit import junit
from circuitlang.report.lock import Lock, LockedSpec, beside, read_lock
from circuitlang.report.markdown import markdown
from circuitlang.report.report import Report
from circuitlang.report.terminal import terminal
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import alone_in

PLANTED = quotes(0.02)
SPEC = """
spec quick {
  task = planted
  model = "planted"
  prune { loss = 0.07  ablate = mean  steps = 30 }
  verdict { samples = 64..256 }
  circuit {
    role detector = neuron in layer 0
    role kind = neuron in layer 0
    role copier = head in layer 1
    detector -> copier.key
    kind -> copier.value
  }
  claim sufficient: loss given keep(circuit) <= 0.2
  claim impossible: accuracy given drop(circuit) >= 100%
  claim counted: nodes >= 1
  claim causal: flip given swap(kind) >= 80%
  claim luck: loss given keep(circuit) < loss given keep(random)
}
"""


def quickly(**options) -> Options:
    return Options(battery=False, controls=False, **options)


@dataclass(frozen=True)
class Locked:
    """A project with a lock, and what the check found that made it."""

    spec: Path
    report: Report
    cache: Path

    @property
    def lock(self) -> Path:
        return beside(self.spec)

    def entry(self) -> LockedSpec:
        return read_lock(self.lock).specs["quick"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Locked:
    """A whole check, with controls and battery, of a model so small that it takes seconds; one for the whole file."""
    folder, cache = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("cache")
    (folder / "pyproject.toml").write_text("")
    planted = PLANTED.checkpoint
    save(folder / "planted", planted.model, planted.tokenizer, planted.reference, {})
    path = folder / "quick.cir"
    path.write_text(QUOTES + SPEC)
    program = check_text([path], measure=True)[0][0]
    spec = program.specs["quick"]
    job = Job.of(program, spec, Options(cache=cache))
    report = check(job)
    assert update_locks([Done(job, report, [])]) == [f"lock in {beside(path)}"]
    return Locked(path, report, cache)


@pytest.fixture
def project(made: Locked, tmp_path: Path) -> Locked:
    """A copy to change."""
    shutil.copytree(made.spec.parent, tmp_path / "project")
    return replace(made, spec=tmp_path / "project" / "quick.cir")


def relock(project: Locked, **changes: object) -> None:
    """The lock with other parts of its report."""
    entry = project.entry()
    parts = {name: getattr(entry.report, name) for name in Report.model_fields}
    report = Report.model_validate({**parts, **changes})
    Lock(specs={"quick": entry.model_copy(update={"report": report})}).write(project.lock)


def rows(report: Report) -> list[tuple]:
    return [
        (c.name, c.verdict, c.value, c.low, c.high, c.prompts, c.member, c.hardest) for c in report.claims
    ]


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A model's folder: the planted one with other weights."""
    planted = PLANTED.checkpoint

    def build(change: Callable[[Transformer], Transformer]) -> Path:
        folder = tmp_path_factory.mktemp("model")
        with torch.no_grad():
            save(folder, change(planted.model), planted.tokenizer, planted.reference, {})
        return folder

    return build


def scaled(by: float) -> Callable[[Transformer], Transformer]:
    def change(model: Transformer) -> Transformer:
        other = Transformer(model.config)
        other.load_state_dict({name: value * by for name, value in model.state_dict().items()})
        return other

    return change


def test_a_frozen_check_finds_what_was_locked_without_a_search(
    made: Locked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Finder, "find", lambda *_, **__: pytest.fail("a search was begun"))
    found = check_frozen(made.spec, options=Options(fresh=True))
    assert rows(found) == rows(made.report)
    assert found.exit_status == made.report.exit_status
    assert found.circuit is not None
    assert made.report.circuit is not None
    assert found.circuit.plain_graph().weights == made.report.circuit.plain_graph().weights
    assert found.circuit.per_seed[0].loss_select == pytest.approx(made.report.circuit.per_seed[0].loss_select)
    assert found.circuit.per_seed[0].reached == made.report.circuit.per_seed[0].reached
    drift = found.drift
    assert drift is not None
    assert (drift.frozen, drift.same_model, drift.changed, drift.note) == (True, True, (), "")
    assert {row.drift for row in drift.circuits[0].claims} == {drift.circuits[0].drift} == {"unchanged"}
    assert [each.counterexample for each in found.claims] == [
        each.counterexample for each in made.report.claims
    ]
    assert any(each.counterexample for each in found.claims)
    assert found.circuit.roles() == made.report.circuit.roles() != {}
    again, first = (
        [each.model_dump(exclude={"locked"}) for each in (*report.battery, *report.controls)]
        for report in (found, Report.from_json(made.report.to_json()))
    )
    assert again == first
    assert all(each.locked for each in (*found.battery, *found.controls))
    assert {claim.control for claim in found.claims} == {"held, as locked"}
    two = check_frozen(made.spec, options=Options(fresh=True, jobs=2))
    assert two.to_json(timings=False) == found.to_json(timings=False)


def test_what_failed_or_was_void_when_it_was_locked_is_not_green(project: Locked) -> None:
    report = project.entry().report
    failing = report.battery[0].model_copy(update={"verdict": Outcome.FAIL})
    claims = tuple(
        claim.model_copy(update={"control": "random", "verdict": Outcome.VOID})
        if claim.name == "counted"
        else claim
        for claim in report.claims
    )
    relock(project, battery=(failing, *report.battery[1:]), claims=claims, verdict=Outcome.FAIL)
    found = check_frozen(project.spec, options=Options(cache=project.cache))
    assert found.verdict is Outcome.FAIL
    assert found.battery[0].verdict is Outcome.FAIL
    by_name = {claim.name: claim for claim in found.claims}
    assert (by_name["counted"].verdict, by_name["counted"].control) == (Outcome.VOID, "random, as locked")
    assert "the control random, as locked, reaches it too" in by_name["counted"].note
    for text in (terminal(found, width=200), markdown(found), junit(found, "quick.cir")):
        assert "as locked, not run this time" in text
    left_out = check_frozen(project.spec, options=quickly(cache=project.cache))
    assert left_out.battery == left_out.controls == ()


def test_a_number_that_moved_and_a_verdict_that_is_worse_are_said(project: Locked) -> None:
    fits, first, impossible, counted, *rest = project.entry().report.claims
    assert impossible.verdict is not Outcome.PASS
    value, low, high = first.value, first.low, first.high
    assert value is not None
    assert low is not None
    assert high is not None
    moved = first.model_copy(update={"value": value + 0.01, "low": low + 0.01, "high": high + 0.01})
    better = impossible.model_copy(update={"verdict": Outcome.PASS, "counterexample": None})
    relock(project, claims=(fits, moved, better, counted, *rest))
    found = check_frozen(project.spec, options=Options(cache=project.cache))
    assert found.drift is not None
    said = {row.name: row.drift for row in found.drift.circuits[0].claims}
    assert said["sufficient"] == "moved"
    assert said["impossible"] == found.drift.circuits[0].drift == "broken"
    assert said["counted"] == "unchanged"
    assert found.exit_status != 0


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("<= 0.2", "<= 0.21", ["spec"]),
        ("steps = 30", "steps = 31", ["prune", "spec"]),
        ("samples = 64..256", "samples = 64..512", ["spec", "verdict"]),
        ("hold out first 25%", "hold out first 26%", ["task"]),
        ("rule letter = ", "rule  letter  =  ", []),
        ("claim counted", "# a comment\n  claim counted", []),
    ],
)
def test_a_frozen_check_refuses_where_something_else_went_in(
    project: Locked, old: str, new: str, names: list[str]
) -> None:
    text = project.spec.read_text()
    assert text.count(old) == 1
    project.spec.write_text(text.replace(old, new))
    (standing,) = (each for each in status([project.spec]) if each.spec == "quick")
    assert [each.name for each in standing.changed] == names
    assert standing.state == ("out of date" if names else "up to date")
    if not names:
        return
    with pytest.raises(CommandError) as caught:
        check_frozen(project.spec, options=Options(cache=project.cache))
    assert all(f"{name} was " in str(caught.value) for name in names)
    assert all(f"and is {each.new[:12]}" in str(caught.value) for each in standing.changed if each.new)
    assert "--update-lock" in str(caught.value)


def test_a_frozen_check_needs_its_lock_as_it_was_written(project: Locked) -> None:
    other = read_lock(project.lock)
    project.lock.write_text(project.lock.read_text().replace("sufficient", "suffixient", 1))
    with pytest.raises(CommandError, match="was changed after it was written"):
        check_frozen(project.spec, options=Options(cache=project.cache))
    assert [each.state for each in status([project.spec])] == ["unreadable"]
    Lock(specs={"other": other.specs["quick"]}).write(project.lock)
    with pytest.raises(CommandError, match="has no spec `quick`, only other"):
        check_frozen(project.spec, options=Options(cache=project.cache))
    assert [(each.spec, each.state) for each in status([project.spec])] == [
        ("quick", "out of date"),
        ("other", "no spec"),
    ]
    project.lock.unlink()
    with pytest.raises(CommandError, match="there is no lock"):
        check_frozen(project.spec, options=Options(cache=project.cache))
    assert [each.state for each in status([project.spec])] == ["no lock"]


def test_a_lock_without_its_spec_file_is_named(project: Locked) -> None:
    project.spec.rename(project.spec.with_name("renamed.cir"))
    states = {(Path(each.path).name, each.state) for each in status([project.spec.parent])}
    assert states == {("renamed.cir", "no lock"), ("quick.cir.lock", "no spec")}


def test_the_seed_is_the_locks(project: Locked) -> None:
    with pytest.raises(CommandError, match="made with --seed 0, not 3"):
        check_frozen(project.spec, options=Options(cache=project.cache, seed=3))


def test_the_digest_of_a_models_files_is_that_of_the_model() -> None:
    folder = locate("zoo:python-small", Path())
    assert digest_of(folder) == load(folder, "zoo:python-small").digest


def test_the_locked_circuit_in_another_model(project: Locked, another: Callable[..., Path]) -> None:
    """Nearly the same weights: the claims are as they were, by their intervals; of controls and battery nothing."""
    model = another(scaled(1.0001))
    found = check_frozen(project.spec, options=Options(cache=project.cache, model=str(model)))
    assert found.drift is not None
    assert not found.drift.same_model
    assert [each.name for each in found.drift.changed] == ["model"]
    assert found.battery == found.controls == ()
    assert {claim.control for claim in found.claims} == {None}
    assert {row.drift for row in found.drift.circuits[0].claims} == {"unchanged"}
    assert found.circuit is not None
    kept = project.entry().report.circuit
    assert kept is not None
    assert found.circuit.plain_graph().kept == kept.plain_graph().kept


def test_a_model_that_is_not_competent_breaks_every_claim(
    project: Locked, another: Callable[..., Path]
) -> None:
    model = another(scaled(0.0))
    found = check_frozen(project.spec, options=Options(cache=project.cache, model=str(model)))
    assert found.verdict is Outcome.FAIL
    assert found.claims == ()
    assert found.drift is not None
    said = {row.name: row.drift for row in found.drift.circuits[0].claims}
    assert {said[claim.name] for claim in project.report.claims} == {"broken"}


def test_a_model_of_other_sizes_has_none_of_the_nodes(project: Locked, another: Callable[..., Path]) -> None:
    def narrower(model: Transformer) -> Transformer:
        other = Transformer(replace(model.config, hidden=16))
        other.initialise(torch.Generator().manual_seed(0))
        return other

    with pytest.raises(CommandError, match="hidden 16 in place of 32"):
        check_frozen(project.spec, options=Options(cache=project.cache, model=str(another(narrower))))


def test_a_whole_check_of_another_model_tells_of_both_circuits(
    project: Locked, another: Callable[..., Path]
) -> None:
    options = Options(cache=project.cache, model=str(another(scaled(1.0001))))
    program = check_text([project.spec], measure=True, model=options.model)[0][0]
    found = check(Job.of(program, program.specs["quick"], options), project.entry())
    assert found.drift is not None
    assert not found.drift.frozen
    locked, fresh = found.drift.circuits
    assert (locked.circuit, fresh.circuit) == ("locked", "fresh")
    assert {row.drift for row in locked.claims} == {"unchanged"}
    numbers = [row.new.value for row in fresh.claims if row.new and row.name == "sufficient"]
    assert numbers == [claim.value for claim in found.claims if claim.name == "sufficient"]
    (shared,) = found.drift.overlap
    assert 0 < shared.nodes <= 1
    same = check(
        Job(project_spec(project), project.spec.parent, quickly(cache=project.cache)), project.entry()
    )
    assert same.drift is None


def project_spec(project: Locked):
    return check_text([project.spec], measure=True)[0][0].specs["quick"]


def test_a_spec_without_a_circuit_is_not_locked(project: Locked) -> None:
    program = check_text([project.spec], measure=True)[0][0]
    spec = program.specs["quick"]
    hard = replace(spec, verdict=replace(spec.verdict, mass=0.99))
    job = Job.of(program, hard, quickly(cache=project.cache))
    report = check(job)
    before = project.lock.read_bytes()
    assert update_locks([Done(job, report, [])]) == [
        "spec quick is not locked: it has no circuit",
        f"{project.lock} was not written",
    ]
    assert project.lock.read_bytes() == before


def test_a_whole_check_says_that_the_lock_is_out_of_date(project: Locked, tmp_path: Path) -> None:
    project.spec.write_text(project.spec.read_text().replace("<= 0.2", "<= 0.21"))
    program = check_text([project.spec], measure=True)[0][0]
    job = Job.of(program, program.specs["quick"], quickly(cache=project.cache), "look")
    job = replace(job, folder=tmp_path / "out")
    notes = check_and_write(job).notes
    assert notes[-1].startswith(f"{project.lock} is out of date (spec)")
    project.lock.write_text("x")
    notes = check_and_write(job).notes
    assert notes[-1].startswith(f"the lock was left aside: {project.lock} is not a lock")
    notes = check_and_write(replace(job, lock="renew")).notes
    assert not [note for note in notes if "lock" in note]
    with (
        alone_in(tmp_path / "out"),
        pytest.raises(CommandError, match=f"another check is writing into {tmp_path / 'out'}"),
    ):
        check_and_write(job)


def test_where_no_lock_can_be_written_it_is_said_before_anything_is_computed(
    project: Locked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(30, "Read-only file system")

    program = check_text([project.spec], measure=True)[0][0]
    monkeypatch.setattr(os, "fsync", refuse)
    before = project.lock.read_bytes()
    with pytest.raises(CommandError, match="Read-only file system"):
        jobs_of([program], Options(), "renew", None)
    with pytest.raises(CommandError, match=f"cannot write {project.lock}: Read-only file system"):
        update_locks([Done(Job.of(program, program.specs["quick"], Options()), project.report, [])])
    assert project.lock.read_bytes() == before
    assert not list(project.spec.parent.glob("*.part"))


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "circuitlang", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_what_has_a_lock_is_judged_and_the_rest_is_said_at_its_place(
    project: Locked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUITLANG_CACHE", str(project.cache))
    folder = project.spec.parent
    (folder / "other.cir").write_text(project.spec.read_text().replace("spec quick", "spec other"))
    both = run("check", "other.cir", "quick.cir", "--frozen", "--format", "github", cwd=folder)
    assert both.returncode == (1 if project.report.exit_status == 1 else 2)
    assert "title=CIR-215" in both.stdout or "CIR-215" in both.stdout
    assert (folder / "runs" / "quick.frozen" / "report.json").exists()
    assert not (folder / "runs" / "other.frozen").exists()


@pytest.mark.parametrize(
    ("then", "now", "kind"),
    [
        ("fail", "fail", "same"),
        ("pass", "fail", "worse"),
        ("fail", "pass", "better"),
        ("undecided", "pass", "better"),
    ],
)
def test_a_baseline_is_what_the_lock_says(project: Locked, then: str, now: str, kind: str) -> None:
    old, new = Outcome(then), Outcome(now)
    reading = [Reading(verdict=each) for each in (old, new)]
    moved = "unchanged" if old is new else "broken" if new.severity > old.severity else "mended"
    claim = ClaimDrift(name="a", drift=moved, old=reading[0], new=reading[1])
    circuit = CircuitDrift(circuit="locked", drift=moved, verdict=new, claims=(claim,))
    drift = Drift(frozen=True, same_model=True, locked_verdict=old, circuits=(circuit,))
    report = project.report.model_copy(update={"verdict": new, "drift": drift})
    assert against_lock(report) == kind
    assert _against_lock(report, strict=False) == (1 if kind == "worse" else 0)
    assert _against_lock(report, strict=True) == (kind != "same")


def test_the_commands(project: Locked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUITLANG_CACHE", str(project.cache))
    folder = project.spec.parent
    done = run("check", "quick.cir", "--frozen", cwd=folder)
    assert done.returncode == project.report.exit_status, done.stderr
    assert "the locked circuit in this model: 8 unchanged" in done.stdout
    assert "files in runs/quick.frozen" in done.stdout
    same = run("diff", "quick.cir.lock", "runs/quick.frozen", cwd=folder)
    assert (same.returncode, same.stdout) == (
        0,
        f"quick: {project.report.verdict.value}, as before\n  no difference\n",
    )
    assert run("status", cwd=folder).returncode == 0
    project.spec.write_text(project.spec.read_text().replace("<= 0.2", "<= 0.21"))
    stale = run("status", "--format", "json", cwd=folder)
    assert stale.returncode == 1
    assert [each["name"] for each in json.loads(stale.stdout)[0]["changed"]] == ["spec"]
    refused = run("check", "quick.cir", "--frozen", cwd=folder)
    assert (refused.returncode, refused.stdout) == (2, "")
    line = project.spec.read_text().splitlines().index("spec quick {") + 1
    said = f"quick.cir:{line}:1: error[CIR-215]: the lock of spec `quick` is of something else"
    assert said in refused.stderr
    assert "it was made under" not in refused.stderr
    was = project.report.ablation
    text = project.spec.read_text()
    project.spec.write_text(text.replace(f"ablate = {was}", "ablate = zero"))
    assert project.spec.read_text() != text
    other = run("check", "quick.cir", "--frozen", cwd=folder)
    assert (other.returncode, other.stdout) == (2, "")
    assert f"it was made under `ablate = {was}`, not `zero`" in other.stderr
    both = run("check", "quick.cir", "--frozen", "--update-lock", cwd=folder)
    assert (both.returncode, both.stdout) == (2, "")
    assert "it cannot go with --frozen" in both.stderr
    nowhere = run("check", "quick.cir", "--frozen", "--model", "zoo:nothing", cwd=folder)
    assert nowhere.returncode == 2
    assert "there is no model `zoo:nothing`" in nowhere.stderr
    shutil.copy(project.spec, folder / "second.cir")
    twice = run("check", "quick.cir", "second.cir", cwd=folder)
    assert twice.returncode == 2
    assert "two of these specs have one name" in twice.stderr
