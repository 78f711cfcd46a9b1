"""The card of a training, and the text that goes with a model."""

import json
from pathlib import Path

import torch

from circuitlang.language.program.recipe import Files
from circuitlang.model.training.card import make_card, reference_text
from circuitlang.model.training.data import prepare
from circuitlang.model.training.train import train


def test_the_reference_is_text_kept_out_of_training(make_recipe, tmp_path):
    (tmp_path / "code").mkdir()
    for number in range(30):
        (tmp_path / "code" / f"{number:02}.txt").write_text(f"x = {number}\n" * 60)
    recipe = make_recipe(files=(Files("code/*.txt", 0.5),))
    data = prepare(recipe, tmp_path, tmp_path / "data", lambda stage, share: None)
    rows = reference_text(recipe, data)
    assert rows.dtype == torch.int64
    assert rows.shape[1] == 16
    counts = [min(64, len(stream.validation) // 16) for stream in data.streams]
    assert len(rows) == sum(counts)
    for stream, part in zip(data.streams, rows.split(counts), strict=True):
        assert part.flatten().tolist() == stream.validation[: part.numel()].tolist()


def test_the_card_says_what_was_done(make_recipe, data, tmp_path):
    recipe = make_recipe()
    cpu = torch.device("cpu")
    run = train(recipe, data, tmp_path / "state", cpu, lambda progress: None)
    card = make_card(recipe, data, run, cpu, {"task": 0.5})
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert (card["name"], card["recipe"], card["data"]) == (recipe.name, recipe.text, data.digest)
    assert (card["steps"], card["tokens"]) == (40, 40 * 64)
    assert card["competence"] == {"task": 0.5}
    everything = sum(p.numel() for p in run.model.parameters())
    nonzero = sum(int((p != 0).sum()) for p in run.model.parameters())
    assert card["parameters"] == {"nonzero": nonzero, "all": everything}
    assert card["machine"]["precision"] in ("float32", "bfloat16")
    assert 0 < card["validation_loss"]["rules"] < 7
    assert Path(card["machine"]["device"]).name
