"""A training process killed without warning, again and again, ends with the weights of one that was not."""

import json
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from circuitlang.model.training.data import prepare
from circuitlang.model.training.train import train

KILLS = 3
CPU = torch.device("cpu")

# Importing torch takes seconds, so it is done once: each of its forks trains until it is killed.
TRAINERS = """
import os, pickle, sys
from pathlib import Path
import torch
from safetensors import safe_open
from circuitlang.model.training import data, train
torch.set_num_threads(1)
recipe, folder, state, kills = pickle.loads(Path(sys.argv[1]).read_bytes())
train.SAVE_SECONDS = 0.0
data.TOKENIZER_TEXT = 20_000
tokens = data.prepare(recipe, Path(), folder, lambda stage, share: None)
for _ in range(kills):
    pid = os.fork()
    if pid == 0:
        print("pid", os.getpid(), flush=True)
        train.train(recipe, tokens, state, torch.device("cpu"), lambda p: print("step", p.step, flush=True))
        os._exit(0)
    print("ended", os.waitpid(pid, 0)[1], flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_is_uninterrupted(make_recipe, tmp_path):
    recipe, state, arguments = make_recipe(steps=80), tmp_path / "state", tmp_path / "arguments"
    data = prepare(recipe, Path(), tmp_path / "data", lambda stage, share: None)
    arguments.write_bytes(pickle.dumps((recipe, tmp_path / "data", state, KILLS)))
    chance, reached, pid, ends = random.Random(0), 0, 0, []
    command = [sys.executable, "-c", TRAINERS, str(arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as trainers:
        assert trainers.stdout is not None
        wanted = chance.randint(3, 15)
        for line in trainers.stdout:
            what, number = line.split()
            if what == "pid":
                pid = int(number)
            elif what == "ended":
                ends.append(int(number))
                wanted = reached + chance.randint(3, 15)
            else:
                reached = max(reached, int(number))
                if pid and reached >= wanted:
                    time.sleep(
                        chance.uniform(0, 0.02)
                    )  # anywhere in a step, or in the writing of a checkpoint
                    os.kill(pid, signal.SIGKILL)
                    pid = 0
    assert ends == [signal.SIGKILL] * KILLS
    assert 9 <= reached < 80
    steps: list[int] = []
    run = train(recipe, data, state, CPU, lambda progress: steps.append(progress.step))
    assert reached <= steps[0] <= reached + 2, "it goes on where the last one was killed"
    whole = train(recipe, data, tmp_path / "whole", CPU, lambda progress: None)
    assert all(
        torch.equal(a, b) for a, b in zip(run.model.parameters(), whole.model.parameters(), strict=True)
    )
    assert run.curve == whole.curve


PROGRAM = """
corpus c { rule line = ("x" | "y") " = " 0..99 "\\n"  rule p = line{3..9}  document p }
model tiny {
  architecture { layers = 1  width = 8  heads = 2  context = 16  vocabulary = 300 }
  train { corpus = c  tokens = 10M  batch = 4  validation = 1000 }
}
"""


@pytest.mark.slow
def test_the_command_keeps_its_last_step_on_sigterm_and_goes_on_there(tmp_path):
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "m.cir").write_text(PROGRAM)
    command = [sys.executable, "-m", "circuitlang", "train", "m.cir", "tiny"]

    def until_terminated() -> tuple[int, list[str]]:
        """The exit status, and what a log of it holds; ended after the first line about a step."""
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=tmp_path
        ) as run:
            assert run.stderr is not None
            lines = []
            for line in run.stderr:
                lines.append(line)
                if "  step " in line:
                    run.terminate()
        return run.returncode, lines

    def step() -> int:
        with safe_open(tmp_path / "models" / "tiny" / "work" / "state.safetensors", "pt") as file:
            return json.loads(file.metadata()["facts"])["step"]

    status, lines = until_terminated()
    first = step()
    assert (status, lines[-1]) == (2, "stopped; the same command goes on where it was\n")
    status, lines = until_terminated()
    said = [
        int(re.sub(r"\D", "", line.split("  step ")[1].split("/")[0])) for line in lines if "  step " in line
    ]
    assert first < said[0] <= step()
    assert status == 2
