"""A locked circuit over checkpoints: in the order of their steps, with what came to hold and what broke."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.planted.circuits import QUOTES, quotes
from circuitlang.checking.job import Job, Options
from circuitlang.checking.run import Done, check, update_locks
from circuitlang.checking.static import check_text
from circuitlang.claims.nulls import shuffled
from circuitlang.claims.verdict import Outcome
from circuitlang.model.checkpoint import save
from circuitlang.report.steps import Step, plot_steps, step_lines
from circuitlang.source.diagnostic import CommandError
from circuitlang.studies.drift import checkpoints, drift_over_steps

SPEC = """
spec quick {
  task = planted
  model = "step10"
  prune { loss = 0.4  ablate = zero  steps = 3 }
  verdict { samples = 64..128 }
  claim sufficient: loss given keep(circuit) <= 0.5
}
"""


def test_a_claim_over_three_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which the first and the last are the locked model with its weights elsewhere."""
    monkeypatch.chdir(tmp_path)
    planted = quotes(0.02).checkpoint
    Path("pyproject.toml").write_text("")
    other = shuffled(planted.model, 0)
    for name, model in (("step2", other), ("step10", planted.model), ("step100", other)):
        save(Path(name), model, planted.tokenizer, planted.reference, {})
    path = Path("quick.cir")
    path.write_text(QUOTES + SPEC)
    program = check_text([path], measure=True)[0][0]
    options = Options(cache=tmp_path / "cache", battery=False, controls=False)
    job = Job.of(program, program.specs["quick"], options)
    update_locks([Done(job, check(job), [])])
    steps, lines = drift_over_steps(path, None, "step*", None, options)
    assert [each.step for each in steps] == [2, 10, 100]
    assert [each.verdict is Outcome.PASS for each in steps] == [False, True, False]
    assert "sufficient: forms between 2 and 10; breaks between 10 and 100" in lines
    root = ElementTree.parse("runs/quick.steps.svg").getroot()
    assert len(root.findall("{*}circle")) == sum("sufficient" in each.claims for each in steps)


def test_names_without_steps_and_without_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="holds a model"):
        checkpoints(str(tmp_path / "step*"))
    planted = quotes(0.02).checkpoint
    for name in ("one", "a1", "b1"):
        save(tmp_path / name, planted.model, planted.tokenizer, planted.reference, {})
    with pytest.raises(CommandError, match="does not say its training step"):
        checkpoints(str(tmp_path / "one"))
    with pytest.raises(CommandError, match="are of one step"):
        checkpoints(str(tmp_path / "[ab]1"))


def test_a_hostile_name_is_text() -> None:
    step = Step(1, Outcome.FAIL, {"<script>": (Outcome.FAIL, None, None, None)})
    assert not ElementTree.fromstring(plot_steps([step])).findall(".//{*}script")
    assert step_lines([step])[-1] == "<script>: the same at all steps"
    assert "no model was competent" in plot_steps([Step(1, Outcome.FAIL, {})])
