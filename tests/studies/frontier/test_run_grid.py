"""The command: models trained, pruned and compared; continued where it stopped; refused before anything is trained."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from circuitlang.language.program.load import load
from circuitlang.language.program.spec import PruneSettings
from circuitlang.model.checkpoint import load as load_model
from circuitlang.model.locate import WEIGHTS
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.cache import Cache
from circuitlang.studies.frontier import run_grid as sizes
from circuitlang.studies.frontier.run_grid import Grid, frontier, run

MODEL = """\
circuitlang 1

corpus small {
  "Strings of either quote."
  draw a = "x" | "y"
  rule word = "hi" | "you" | "me" | "all" | "we"
  rule line = a " = " ("'" word "'" | '"' word '"') " end\\n"
  rule text = line line line
  document text
}

model small {
  "Seconds on a processor."
  architecture { layers = 1  width = 32  heads = 2  context = 32  vocabulary = 262 }
  sparsity { weights = 1/4  embeddings = 1/2  activations = 1/2  floor = 1 }
  train { corpus = small  tokens = 40K  batch = 16  learning_rate = 0.0128  seed = 0  validation = 2000 }
}
"""
TASK = """\
circuitlang 1

task quote {
  "Close the string."
  draw a = "x" | "y"
  draw one, two, three = "hi" | "you" | "me" | "all" | "we"
  prompt "{a} = {open}{one}{open} end\\n{a} = {open}{two}"
  case double with open = '"' answer '"'
  case single with open = "'" answer "'"
}

task unasked {
  "Two tokens: no model can be asked."
  draw a = "x" | "y"
  draw one, two, three = "hi" | "you" | "me" | "all" | "we"
  prompt "{a} = {open}{one}{two}{three}"
  case double with open = '"' answer "hi you"
  case single with open = "'" answer "you hi"
}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frontier")
    (folder / "pyproject.toml").touch()
    (folder / "models.cir").write_text(MODEL)
    (folder / "tasks").mkdir()
    (folder / "tasks" / "all.task").write_text(TASK)
    return folder


def grid(**changes) -> Grid:
    settings = replace(PruneSettings(), loss=0.3, steps=40)
    return replace(Grid((32,), (11_600,), (0,), 32, settings), **changes)


@pytest.fixture(scope="module")
def done(project):
    """The models and sizes of one seed."""
    said = []
    base = load(project / "models.cir").recipes["small"]
    tasks = list(load(project / "tasks" / "all.task").tasks.values())
    cache = Cache(project / "cache")
    found = run(base, project, tasks, grid(), project / "out", "cpu", cache, lambda *told: said.append(told))
    return base, tasks, cache, found, said


def test_sparse_and_dense_are_compared_at_equal_loss(done, project):
    *_, found, _ = done
    sparse, *dense = found.models
    assert sparse.nonzeros == 11_600
    assert sparse.kept == pytest.approx(11_600, rel=0.02)
    assert [model.nonzeros for model in dense] == [None] * len(dense)
    assert {model.width for model in dense} <= {16, 32}
    for model in found.models:
        assert (project / "out" / "models" / model.name / WEIGHTS).is_file()
        assert model.able == ("quote",)
    for each in found.comparisons:
        assert each.able == ("quote",)
    assert len(found.comparisons) + len(found.unmatched) == 1
    stored = json.loads((project / "out" / "frontier.json").read_text())
    assert [model["name"] for model in stored["models"]] == [model.name for model in found.models]
    assert (project / "out" / "frontier.svg").read_text().startswith("<svg")


def test_a_second_run_trains_and_searches_nothing(done, project, monkeypatch):
    base, tasks, cache, found, _ = done

    def refuse(*_args, **_kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr("circuitlang.studies.frontier.run_grid.train", refuse)
    monkeypatch.setattr("circuitlang.circuit.find.prune", refuse)
    again = run(base, project, tasks, grid(), project / "out", "cpu", cache, lambda *_: None)
    assert again.to_json() == found.to_json()


def test_the_stricter_ablation_with_everything_kept_is_the_model(done, project):
    """With a target that any model meets, few nodes do; with one that only the model meets, all of them at most."""
    _, tasks, cache, found, _ = done
    checkpoint = load_model(project / "out" / "models" / found.models[0].name, "m")
    easy = sizes.measure(checkpoint, tasks[0], replace(grid().prune, loss=5.0), 0, cache, lambda *_: None)
    assert easy.resampled is not None
    assert easy.resampled.nodes <= 1
    hard = sizes.measure(checkpoint, tasks[0], grid().prune, 0, cache, lambda *_: None)
    total = checkpoint.model.config.total_nodes
    assert hard.resampled is None or hard.resampled.nodes <= total
    impossible = sizes.measure(
        checkpoint, tasks[0], replace(grid().prune, loss=1e-6), 0, cache, lambda *_: None
    )
    assert impossible.mean is None
    assert impossible.resampled is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": [33]}, "a width of 33 is not a multiple of the 16 channels"),
        ({"most": 40}, "a width of 40 is not a multiple"),
        ({"nonzeros": [99999999]}, "99999999 nonzeros are more than a model of width 32 has"),
        ({"target": 0}, "a target of 0 nats cannot be reached"),
        ({"tasks": [Path("models.cir")]}, "there are no tasks to find circuits for"),
        ({"tasks": [Path("nowhere")]}, "nowhere"),
        ({"name": "large"}, "large"),
    ],
    ids=str,
)
def test_a_wrong_wish_trains_nothing(changes, message, project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    asked = {"name": None, "out": tmp_path / "out", "told": lambda *_: None, **changes}
    with pytest.raises(CommandError, match=message):
        frontier(Path("models.cir"), **asked)
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_is_wrong_and_ends(project):
    command = [sys.executable, "-m", "circuitlang", "frontier", "models.cir", "--width", "33"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: a width of 33 is not a multiple")
