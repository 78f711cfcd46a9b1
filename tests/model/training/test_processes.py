"""Two processes train as one does: each with its rows of the same batches, with copies of the model or pieces of it."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from circuitlang.model.training import train as module
from circuitlang.model.training.processes import Processes
from circuitlang.model.training.train import Run, train
from circuitlang.source.diagnostic import CommandError

CPU = torch.device("cpu")
STEPS = 12

# Importing torch takes seconds, so it is done once: two forks of it do everything that the tests look at.
PAIR = """
import os, pickle, sys
from dataclasses import replace
from pathlib import Path
import torch
import torch.distributed as dist
import torch.distributed.fsdp
from torch.nn.parallel import DistributedDataParallel
from circuitlang.model.training import data, train
from circuitlang.model.training.machine import Machine
from circuitlang.model.training.processes import Processes
from circuitlang.source.diagnostic import CommandError
torch.set_num_threads(1)
recipe, text, folder = pickle.loads(Path(sys.argv[1]).read_bytes())
data.TOKENIZER_TEXT, data._BLOCK, train.CURVE_STEPS = 20_000, 12, 4
tokens = data.prepare(recipe, Path(), text, lambda stage, share: None)
usual = train.next_token_loss

def run(rank, name, machine, stop=None, changed=recipe):
    told = []
    try:
        report = lambda progress: told.append(progress.loss)
        cpu, group = torch.device("cpu"), Processes(rank, 2)
        done = train.train(changed, tokens, folder / name, cpu, report, stop, machine, group)
    except CommandError as error:
        return told, str(error)
    return told, done.curve, {n: t.numpy() for n, t in done.model.state_dict().items()}

def work(rank):
    store = dist.FileStore(str(folder / "store"), 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    found = {
        "copies": run(rank, "copies", Machine()),
        "rows": run(rank, "rows", Machine(rows=1)),
        "pieces": run(rank, "pieces", Machine(sharded=True, rows=1)),
        "stopped": run(rank, "continued", Machine(sharded=True), 7),
        "continued": run(rank, "continued", Machine()),
        "odd": run(rank, "odd", Machine(), None, replace(recipe, training=replace(recipe.training, batch=3))),
    }
    calls = []
    def diverging(*arguments):
        calls.append(None)
        return usual(*arguments) * (float("nan") if rank and len(calls) == 6 else 1)
    train.next_token_loss, train.SAVE_SECONDS = diverging, 0.0
    found["diverged"] = run(rank, "diverged", Machine(sharded=True))
    (folder / f"found{rank}").write_bytes(pickle.dumps(found))
    dist.destroy_process_group()

children = []
for rank in range(2):
    pid = os.fork()
    if pid == 0:
        try:
            work(rank)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    children.append(pid)
sys.exit(any([os.waitpid(pid, 0)[1] for pid in children]))
"""


@pytest.fixture(scope="module")
def folder(make_recipe, data, tmp_path_factory) -> Path:
    """What two processes did, and left."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    place = tmp_path_factory.mktemp("pair")
    (place / "arguments").write_bytes(pickle.dumps((make_recipe(steps=STEPS), place / "text", place)))
    done = subprocess.run(
        [sys.executable, "-c", PAIR, str(place / "arguments")],
        capture_output=True,
        text=True,
        cwd=Path.cwd(),
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def found(folder):
    return [pickle.loads((folder / f"found{rank}").read_bytes()) for rank in range(2)]


@pytest.fixture(scope="module")
def alone(make_recipe, folder, tmp_path_factory) -> tuple[list[float], Run]:
    from circuitlang.model.training.data import prepare

    losses: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CURVE_STEPS", 4)
        recipe = make_recipe(steps=STEPS)
        text = prepare(recipe, Path(), folder / "text", lambda stage, share: None)
        state = tmp_path_factory.mktemp("alone") / "state"
        run = train(recipe, text, state, CPU, lambda p: losses.append(p.loss))
    return losses, run


@pytest.mark.parametrize("way", ["copies", "rows", "pieces"])
def test_two_processes_are_one_but_for_rounding(found, alone, way):
    losses, run = alone
    told, curve, weights = found[0][way]
    assert told == pytest.approx(losses, rel=1e-5)
    assert [point["step"] for point in curve] == [point["step"] for point in run.curve]
    for name, tensor in run.model.state_dict().items():
        assert torch.allclose(torch.from_numpy(weights[name]), tensor, atol=1e-5), name


@pytest.mark.parametrize("way", ["copies", "rows", "pieces", "continued"])
def test_processes_have_the_same_bits_and_one_speaks(found, way):
    (told, curve, weights), (silent, other_curve, others) = found[0][way], found[1][way]
    assert len(told) == (STEPS - 7 if way == "continued" else STEPS)
    assert silent == []
    assert curve == other_curve
    for name, tensor in weights.items():
        assert (tensor == others[name]).all(), name


def test_a_run_in_pieces_is_continued_with_copies_and_alone(make_recipe, folder, found, alone, tmp_path):
    """Its checkpoint is one file, like any other's."""
    losses, run = alone
    assert found[0]["stopped"][0] == pytest.approx(losses[:7], rel=1e-5)
    assert found[0]["continued"][0] == pytest.approx(losses[7:], rel=1e-4)
    from circuitlang.model.training.data import prepare

    recipe = make_recipe(steps=STEPS)
    text = prepare(recipe, Path(), folder / "text", lambda stage, share: None)
    read = train(recipe, text, folder / "pieces", CPU, lambda p: pytest.fail("it was finished"))
    for name, tensor in read.model.state_dict().items():
        assert (tensor.numpy() == found[0]["pieces"][2][name]).all(), name
        assert torch.allclose(tensor, run.model.state_dict()[name], atol=1e-5), name


def test_divergence_of_one_ends_both_and_keeps_the_last_good_checkpoint(folder, found):
    for rank in range(2):
        assert "the loss is nan" in found[rank]["diverged"][1]
        assert "at step 5; the last good checkpoint is kept" in found[rank]["diverged"][1]
    with safe_open(folder / "diverged", "pt") as file:
        assert json.loads(file.metadata()["facts"])["step"] == 5
        assert all(torch.isfinite(file.get_tensor(name)).all() for name in file.keys())  # noqa: SIM118


def test_rows_that_cannot_be_divided_are_refused(found):
    for rank in range(2):
        assert found[rank]["odd"] == ([], "a batch of 3 rows cannot be divided among 2 processes")
    with pytest.raises(CommandError, match="a batch of 7 rows cannot be divided among 3 processes"):
        Processes(1, 3).share(torch.zeros(7, 2))


def test_shares_are_the_batch():
    rows = torch.arange(12).view(6, 2)
    assert torch.equal(torch.cat([Processes(rank, 3).share(rows) for rank in range(3)]), rows)
