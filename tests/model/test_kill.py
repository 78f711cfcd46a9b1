"""A training process killed without warning, twice, ends with the weights of one that was not."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from circuitlang.model.train import train

CPU = torch.device("cpu")

CHILD = """
import pickle, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from circuitlang.model import data, train as module
recipe, folder, state = pickle.loads(Path(sys.argv[1]).read_bytes())
data.TOKENIZER_TEXT, data._BLOCK, module.SAVE_SECONDS = 20_000, 12, 0.0
tokens = data.prepare(recipe, Path(), folder, lambda stage, share: None)
module.train(recipe, tokens, state, torch.device("cpu"), lambda progress: print(progress.step, flush=True))
"""


@pytest.mark.slow
def test_killed_twice_is_uninterrupted(make_recipe, tmp_path):
    import pickle

    from circuitlang.model.data import prepare

    recipe, state = make_recipe(steps=300), tmp_path / "state"
    data = prepare(recipe, Path(), tmp_path / "data", lambda stage, share: None)
    arguments = tmp_path / "arguments"
    arguments.write_bytes(pickle.dumps((recipe, tmp_path / "data", state)))
    chance = random.Random(0)
    reached = [0]
    for _ in range(2):
        command = [sys.executable, "-c", CHILD, str(arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if int(line) >= reached[-1] + 20:
                    break
            time.sleep(chance.uniform(0, 0.02))  # anywhere in a step, or in the writing of a checkpoint
            child.kill()
            told = [int(line), *map(int, child.stdout.read().split())]
        assert child.returncode == -9
        assert reached[-1] < told[-1] < 300
        reached.append(told[-1])
    steps: list[int] = []
    run = train(recipe, data, state, CPU, lambda progress: steps.append(progress.step))
    assert reached[-1] <= steps[0] <= reached[-1] + 2
    whole = train(recipe, data, tmp_path / "whole", CPU, lambda progress: None)
    assert all(
        torch.equal(a, b) for a, b in zip(run.model.parameters(), whole.model.parameters(), strict=True)
    )
    assert run.curve == whole.curve
