"""What a training is said to cost: sizes by formulas, memory against what was taken, and nothing changed by asking."""

import math
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from circuitlang.model.training import cost
from circuitlang.model.training.cost import Pace, cost_lines, measured, require, size_of, utilisation, work_of
from circuitlang.model.training.machine import Machine
from circuitlang.model.training.processes import ALONE, Processes
from circuitlang.model.training.sparsity import count_nonzeros
from circuitlang.model.training.train import train
from circuitlang.source.diagnostic import CommandError

CPU = torch.device("cpu")

# The peak of a process's memory is set back before the steps, so that only theirs counts.
MEASURE = """
import ctypes, gc, pickle, sys
from pathlib import Path
import torch
from circuitlang.model.training.cost import size_of
from circuitlang.model.training.machine import Machine
from circuitlang.model.training.processes import ALONE
from circuitlang.model.training.train import Loop
torch.set_num_threads(1)
cpu = torch.device("cpu")
libc = ctypes.CDLL("libc.so.6")

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

def steps(recipe, machine):
    loop = Loop(recipe, None, cpu, machine, ALONE)
    shape = (recipe.training.batch, recipe.architecture.context + 1)
    for _ in range(2):
        loop.gradients(torch.randint(recipe.architecture.vocabulary, shape))
        loop.normalise()
        loop.update(0.5)
        loop.sparsify(1.0)

first, *jobs = pickle.loads(bytes.fromhex(sys.argv[1]))
steps(first, Machine())  # what libraries take once
for recipe, machine in jobs:
    said = size_of(recipe, cpu, machine, ALONE).memory
    gc.collect()
    libc.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    steps(recipe, machine)
    print(said, memory("VmHWM") - before)
"""


def large(recipe, **sizes):
    """Values and weights of tens of megabytes, so that they are what counts."""
    shape = {"layers": 3, "width": 128, "heads": 8, "mlp": 4, "context": 192, "vocabulary": 1024} | sizes
    return replace(
        recipe,
        architecture=replace(recipe.architecture, **shape),
        training=replace(recipe.training, batch=4),
    )


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no Linux")
def test_memory_is_as_was_said(make_recipe):
    """Where values count, and where weights do."""
    values = large(make_recipe()), Machine()
    weights = large(make_recipe(), width=256, context=64), Machine(rows=2)
    job = pickle.dumps((make_recipe(), values, weights)).hex()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, job],
        capture_output=True,
        text=True,
        cwd=Path.cwd(),
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    for line in done.stdout.splitlines():
        said, taken = map(int, line.split())
        assert abs(taken - said) <= cost.TOLERANCE * said, f"{taken / said:.2f} of what was said"
    assert len(done.stdout.splitlines()) == 2


def test_sizes_are_those_of_the_trained_model(make_recipe, data, tmp_path):
    recipe = make_recipe()
    run = train(recipe, data, tmp_path / "state", CPU, lambda progress: None)
    size = size_of(recipe, CPU, Machine(), ALONE)
    counts = count_nonzeros(run.model).values()
    dense = sum(zeros == 0 for zeros in (total - nonzero for nonzero, total in counts))
    assert dense < len(counts)
    assert (size.parameters, size.nonzeros) == (sum(n for _, n in counts), sum(n for n, _ in counts))
    assert (size.steps, size.tokens) == (40, 40 * 64)
    assert size.weights == size.gradients == 4 * size.parameters
    assert size.moments == 8 * size.parameters
    # the file of text is of the mixed corpus's size, the checkpoint has weights and moments
    assert 3 * size.weights <= (tmp_path / "state").stat().st_size < cost.disk_of(size)


def test_asking_changes_nothing(make_recipe, data, tmp_path):
    states = []
    for asks in (False, True):
        if asks:
            lines = measured(make_recipe(), CPU, Machine(), ALONE, tmp_path)
            assert any("of which" in line and "keeps the largest weights" in line for line in lines)
        run = train(make_recipe(), data, tmp_path / f"{asks}", CPU, lambda progress: None)
        states.append([p.detach().numpy().tobytes() for p in run.model.parameters()])
    assert states[0] == states[1]


def test_processes_and_rows_divide_what_they_divide(make_recipe):
    recipe = large(make_recipe())
    whole = size_of(recipe, CPU, Machine(), ALONE)
    pieces = size_of(recipe, CPU, Machine(sharded=True), Processes(0, 4))
    fewer = size_of(recipe, CPU, Machine(rows=1), ALONE)
    assert pieces.weights == math.ceil(whole.weights / 4)
    assert pieces.rows == fewer.rows == 1
    assert fewer.weights == whole.weights
    assert 3.9 < whole.activations / fewer.activations <= 4.1


def test_too_little_memory_is_said_before(make_recipe, tmp_path, monkeypatch):
    size = size_of(large(make_recipe()), CPU, Machine(), ALONE)
    require(replace(size, available=size.memory), CPU, tmp_path)
    require(replace(size, available=None), CPU, tmp_path)
    with pytest.raises(CommandError, match=r"takes about .* MB of memory .*fewer --rows at a time take less"):
        require(replace(size, available=size.memory // 2), CPU, tmp_path)
    with pytest.raises(CommandError, match="--shard divides the model among GPUs"):
        require(replace(size, available=1000), CPU, tmp_path)
    with pytest.raises(CommandError, match="of memory"):
        require(replace(size, available=size.memory), CPU, tmp_path, together=2)
    monkeypatch.setattr(cost, "memory_of", lambda device: 1000)
    with pytest.raises(CommandError, match="and 1 kB are there"):
        measured(make_recipe(), CPU, Machine(), ALONE, tmp_path)


def test_too_little_disk_is_said_before(make_recipe, tmp_path, monkeypatch):
    size = size_of(make_recipe(), CPU, Machine(), ALONE)
    monkeypatch.setattr(cost, "_free", lambda folder: 10)
    with pytest.raises(CommandError, match="of disk, and 10 bytes are free"):
        require(size, CPU, tmp_path / "not" / "there")


def test_work_is_six_per_weight_and_token(make_recipe):
    """By hand for one layer of width 16, 32 neurons, 300 tokens, a context of 16: matrices of 4 x 16 x 16, 2 x 16 x 32
    and 300 x 16, attention over 16 positions twice."""
    recipe = make_recipe()
    matrices = 4 * 16 * 16 + 2 * 16 * 32 + 300 * 16
    others = 4 * 16 + 32 + 16 + 3 * 16 + 2  # biases, gains, sinks: in the same formula, and of no weight
    size = size_of(recipe, CPU, Machine(), ALONE)
    assert size.parameters == matrices + others + 300 * 16
    assert work_of(recipe, size.parameters) == (6 * (matrices + others) + 12 * 16 * 16) * 64


def test_utilisation_is_the_share_of_the_peak():
    half, single = torch.bfloat16, torch.float32
    assert utilisation(989e12, 2.0, "NVIDIA H100 80GB HBM3", half) == pytest.approx(0.5)
    assert utilisation(989e12, 2.0, "NVIDIA H100 80GB HBM3", half, count=4) == pytest.approx(0.125)
    assert utilisation(756e12, 1.0, "NVIDIA H100 PCIe", half) == pytest.approx(1)
    assert utilisation(19.5e12, 1.0, "NVIDIA A100-SXM4-40GB", single) == pytest.approx(1)
    assert utilisation(362e12, 1.0, "NVIDIA L40S", half) == pytest.approx(1)
    assert utilisation(1e12, 1.0, "Some other", half) is None


def test_what_is_printed(make_recipe, tmp_path):
    recipe = make_recipe()
    size = replace(size_of(recipe, CPU, Machine(), Processes(0, 2)), available=10**9)
    lines = list(cost_lines(recipe, size, Pace(90.0, 0.034), CPU, Machine(), Processes(0, 2), tmp_path))
    assert lines[0] == f"tiny: {size.parameters:,} parameters, {size.nonzeros:,} of them not zero at the end"
    assert lines[1] == "  2,560 tokens in 40 steps of 4 rows of 16"
    assert "memory in each of 2 processes: about" in lines[2]
    assert "of 1 GB that are there" in lines[2]
    assert lines[4] == "  time: about 1.0 hours, 90 s a step, of which 3.4% keeps the largest weights"
