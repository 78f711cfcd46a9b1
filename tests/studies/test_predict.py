"""What an untouched model predicts after a text and in the cases of a task is what its logits say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import circuitlang as cl
from circuitlang.interfaces.cli.app import app
from circuitlang.interfaces.cli.models import predict  # noqa: F401  (adds the command to the app)
from circuitlang.source.diagnostic import CommandError, ProgramError
from circuitlang.studies.predict import TOP, predict_task, predict_text

ROOT = Path(__file__).parents[2]
ZOO = "zoo:python-small"


def test_the_tokens_after_a_text_are_those_of_the_highest_logits() -> None:
    model = cl.load_model(ZOO)
    text = "def f(x):\n    return"
    chances = model.run(text)[0, -1].softmax(0)
    found = predict_text(ZOO, text)["tokens"]
    assert [row["token"] for row in found] == [
        model.tokenizer.decode([int(i)]) for i in chances.topk(TOP).indices
    ]
    assert [row["probability"] for row in found] == pytest.approx(chances.topk(TOP).values.tolist())


def test_of_every_case_it_is_said_how_often_it_is_right_and_what_comes_instead() -> None:
    found = predict_task(ZOO, ROOT / "tasks" / "python.task", "bracket_counting", 32)
    assert [row["case"] for row in found["cases"]] == ["flat", "nested"]
    for row in found["cases"]:
        assert row["prompts"] == 32
        assert 0 < row["probability"] <= row["mass"] <= 1
        assert row["instead"], "the comma is likelier than a bracket"
        likeliest = predict_text(ZOO, row["example"])["tokens"][0]["token"]
        assert likeliest in [each["token"] for each in row["instead"]]
    assert torch.is_grad_enabled()


def test_what_it_cannot_be_asked_is_said_at_its_place(tmp_path: Path) -> None:
    task = tmp_path / "rare.task"
    rare = 'draw word = "a" weight 300 | "b" | "c" | "d" | "e" | "f" | "g" | "h"  prompt "{word} ="'
    task.write_text(f'task rare {{ {rare}  case one answer " x" case two answer " and so on" }}\n')
    with pytest.raises(ProgramError) as raised:
        predict_task(ZOO, task, None, 4)
    assert raised.value.diagnostics[0].code == "CIR-210"
    with pytest.raises(CommandError, match="context is 256"):
        predict_text(ZOO, "x " * 400)


def test_the_command_prints_both(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["predict", ZOO, "--prompt", "import", "--format", "json"])
    assert ended.value.code == 0
    assert len(json.loads(capsys.readouterr().out)["tokens"]) == TOP
    with pytest.raises(CommandError, match="either --prompt"):
        app(["predict", ZOO], standalone_mode=False)
