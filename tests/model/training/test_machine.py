"""How a training uses the machine changes no more than rounding, and what it changes is recorded."""

import json

import pytest
import torch
from safetensors import safe_open

from circuitlang.interfaces.cli.compute_commands import Precision
from circuitlang.model.training.card import make_card
from circuitlang.model.training.machine import PRECISIONS, Machine
from circuitlang.model.training.train import precision, train
from circuitlang.source.diagnostic import CommandError

CPU = torch.device("cpu")


def losses(recipe, data, state, machine=Machine(), **options):  # noqa: B008
    told: list[float] = []
    return told, train(recipe, data, state, CPU, lambda p: told.append(p.loss), machine=machine, **options)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_fewer_rows_at_a_time_are_the_same_mathematics(make_recipe, data, tmp_path, rows):
    """Three rows at a time: the last part of a batch of four has one, and counts for as much as it has."""
    told, run = losses(make_recipe(steps=24), data, tmp_path / "whole")
    parts, other = losses(make_recipe(steps=24), data, tmp_path / "parts", Machine(rows=rows))
    assert parts == pytest.approx(told, rel=1e-5)
    for name, tensor in run.model.state_dict().items():
        assert torch.allclose(other.model.state_dict()[name], tensor, atol=1e-5), name


def test_as_many_rows_as_there_are_have_the_same_bits(make_recipe, data, tmp_path):
    told, _ = losses(make_recipe(steps=12), data, tmp_path / "whole")
    assert losses(make_recipe(steps=12), data, tmp_path / "parts", Machine(rows=99))[0] == told


def test_a_chosen_precision_is_used_and_recorded(make_recipe, data, tmp_path):
    recipe, machine = make_recipe(steps=12), Machine("bfloat16")
    told, _ = losses(recipe, data, tmp_path / "single", Machine("float32"))
    rough, run = losses(recipe, data, tmp_path / "half", machine)
    assert rough != told
    assert rough == pytest.approx(told, rel=0.02)
    assert all(p.dtype == torch.float32 for p in run.model.parameters())
    card = make_card(recipe, data, run, CPU, {}, machine)
    assert card["machine"]["precision"] == "bfloat16"
    assert "compiled" not in card["machine"]
    card = make_card(recipe, data, run, CPU, {}, Machine(compiled=True, sharded=True), 2)
    assert (card["machine"]["compiled"], card["machine"]["processes"], card["machine"]["sharded"]) == (
        True,
        2,
        True,
    )
    json.dumps(card, allow_nan=False)


@pytest.mark.skipif(
    precision(CPU) != torch.float32, reason="bfloat16 is the usual precision of this processor"
)
def test_a_run_goes_on_in_its_precision_only(make_recipe, data, tmp_path):
    state = tmp_path / "state"
    losses(make_recipe(), data, state, Machine("bfloat16"), stop_after=3)
    with pytest.raises(CommandError, match="the checkpoint of another recipe, corpus, precision"):
        losses(make_recipe(), data, state)
    losses(make_recipe(), data, state, Machine("bfloat16"), stop_after=4)
    losses(make_recipe(), data, tmp_path / "usual", Machine("float32"), stop_after=3)
    losses(make_recipe(), data, tmp_path / "usual", Machine(rows=1), stop_after=4)
    with safe_open(tmp_path / "usual", "pt") as file:
        assert file.metadata()["key"] == f"{data.digest} {make_recipe().text}"


def test_a_compiled_model_is_the_same_but_for_rounding(make_recipe, data, tmp_path, monkeypatch):
    """With torch.compile's own tracing, and plain torch behind it: what a compiler makes of it is not ours to test."""
    usual = torch.compile
    compiled = []

    def traced(model):
        compiled.append(model)
        return usual(model, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", traced)
    told, run = losses(make_recipe(steps=8), data, tmp_path / "plain")
    assert not compiled
    others, other = losses(make_recipe(steps=8), data, tmp_path / "compiled", Machine(compiled=True))
    assert len(compiled) == 1
    assert others == pytest.approx(told, rel=1e-5)
    assert list(other.model.state_dict()) == list(run.model.state_dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "float64"}, "precision is one of auto, float32, bfloat16, not `float64`"),
        ({"rows": 0}, "at least 1 row must be in memory at a time, not 0"),
    ],
    ids=str,
)
def test_what_a_machine_cannot_be(options, message):
    with pytest.raises(CommandError, match=message):
        Machine(**options)


def test_a_full_disk_is_said_in_one_sentence_and_leaves_the_checkpoint(
    make_recipe, data, tmp_path, monkeypatch
):
    from circuitlang.model.training import state as writing

    state = tmp_path / "state"
    losses(make_recipe(), data, state, stop_after=3)
    before = state.read_bytes()

    def full(*_):
        raise writing.SafetensorError("No space left on device (os error 28)")

    monkeypatch.setattr(writing, "save_file", full)
    with pytest.raises(CommandError, match=r"cannot write .*No space left"):
        losses(make_recipe(), data, state, stop_after=5)
    assert state.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_the_command_takes_the_precisions_that_there_are():
    assert tuple(each.value for each in Precision) == PRECISIONS
