"""What a training will cost: memory and disk by reckoning, time by a few steps that are thrown away."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from circuitlang.language.program.recipe import Recipe
from circuitlang.model.config import Config
from circuitlang.model.hardware import memory_of
from circuitlang.model.training.data import Stream, TokenData
from circuitlang.model.training.machine import Machine
from circuitlang.model.training.processes import Processes
from circuitlang.model.training.sparsity import kept_of, sparse_parameters
from circuitlang.model.training.train import Loop, config_of, next_token_loss, precision, steps_of
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.tokenizer import train_tokenizer
from circuitlang.source.diagnostic import CommandError

NUMBER = 4
"""Bytes of a weight, a gradient, a moment, a value in float32."""
TOLERANCE = 0.25
"""The memory that a training takes lies within so much of what was reckoned (tests/model/training/test_cost.py)."""
PASSING = 1.3
"""What is taken beside what the backward pass needs, for values in passing and by the allocator's gaps: measured."""
MEASURED = 3
"""Steps that are thrown away, at most."""
ENOUGH = 20.0
"""Seconds after which no third step is thrown away."""

PEAKS = {
    # name in the driver's words: TFLOP/s in bfloat16, in float32, without structured sparsity; makers' data sheets
    "H200": (989.0, 67.0),
    "H100 PCIe": (756.0, 51.0),
    "H100": (989.0, 67.0),
    "A100": (312.0, 19.5),
    "L40S": (362.0, 91.6),
    "L4": (121.0, 30.3),
    "A10": (125.0, 31.2),
    "RTX 4090": (165.0, 82.6),
    "RTX 3090": (71.0, 35.6),
}


@dataclass(frozen=True)
class Size:
    """Sizes of one process, in bytes but for the first four and `rows`. `activations`: what the forward pass keeps for
    the backward pass, and what comes and goes meanwhile. `available`: memory, None if nobody knows."""

    parameters: int
    nonzeros: int
    tokens: int
    steps: int
    weights: int
    moments: int
    gradients: int
    activations: int
    rows: int
    available: int | None

    @property
    def memory(self) -> int:
        """At its largest."""
        return self.weights + self.moments + self.gradients + self.activations


@dataclass(frozen=True)
class Pace:
    """Seconds of one step of the whole run, and the share of the projection in it."""

    seconds: float
    projection: float


def size_of(recipe: Recipe, device: torch.device, machine: Machine, processes: Processes) -> Size:
    """What a process needs; CommandError where its batch cannot be divided."""
    config = config_of(recipe)
    with torch.device("meta"):
        model = Transformer(config)
    parameters = {name: p.numel() for name, p in model.named_parameters()}
    kept = {
        name: kept_of(p, group, recipe.sparsity.weights, recipe.sparsity.embeddings)
        for name, p, group, _ in sparse_parameters(model)
    }
    everything = sum(parameters.values())
    pieces = processes.count if machine.sharded else 1
    share = len(processes.share(torch.empty(recipe.training.batch, 0)))
    rows = min(share, machine.rows or share)
    dtype = precision(device, machine.precision)
    layer = sum(size for name, size in parameters.items() if ".0." in name)
    outside = everything - config.layers * layer
    own = NUMBER * math.ceil(everything / pieces)
    cast = 2 * everything if dtype != torch.float32 else 0
    together = 2 * NUMBER * (layer + outside) if pieces > 1 else 0  # a layer, and the tables, put together
    buckets = NUMBER * everything if processes.count > 1 and pieces == 1 else 0
    values = int(PASSING * rows * values_per_row(config, device, dtype)) + cast + together + buckets
    return Size(
        everything,
        sum({**parameters, **kept}.values()),
        steps_of(recipe) * recipe.training.batch * config.context,
        steps_of(recipe),
        own,
        2 * own,
        own,
        values,
        rows,
        memory_of(device),
    )


def values_per_row(config: Config, device: torch.device, dtype: torch.dtype) -> int:
    """Bytes that one row of the batch takes at the largest moment: measured on one and two layers of the model, on one
    and two rows; every layer takes the same."""
    one, two = (_kept_for_backward(replace(config, layers=layers), device, dtype) for layers in (1, 2))
    logits = 2 * NUMBER * config.context * config.vocabulary  # their gradient, and the softmax it is made of
    return one + (config.layers - 1) * (two - one) + logits


def _kept_for_backward(config: Config, device: torch.device, dtype: torch.dtype) -> int:
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(0))
    model.to(device)
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    totals = []
    for rows in (1, 2):
        kept: dict[int, int] = {}

        def note(tensor: Tensor, kept: dict[int, int] = kept) -> Tensor:
            memory = tensor.untyped_storage()
            if memory.data_ptr() not in own:
                kept[memory.data_ptr()] = memory.nbytes()
            return tensor

        tokens = torch.arange(rows * (config.context + 1), device=device).view(rows, -1) % config.vocabulary
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = next_token_loss(model, tokens, dtype)
        totals.append(sum(kept.values()))
        del loss
    return totals[1] - totals[0]


def require(size: Size, device: torch.device, folder: Path, together: int = 1) -> None:
    """Raises CommandError where memory or disk cannot be enough, even if less is needed than was reckoned.
    `together`: processes that share a machine's memory."""
    least = size.memory * (1 - TOLERANCE) * (together if device.type == "cpu" else 1)
    if size.available is not None and least > size.available:
        remedy = "fewer --rows at a time take less"
        if size.memory - size.activations > size.available:
            remedy = "under torchrun, --shard divides the model among GPUs"
        raise CommandError(
            f"training takes about {amount(size.memory)} of memory in each process, "
            f"and {amount(size.available)} are there; {remedy}"
        )
    needed, free = disk_of(size), _free(folder)
    if free is not None and needed > free:
        raise CommandError(f"training takes about {amount(needed)} of disk, and {amount(free)} are free")


def disk_of(size: Size) -> int:
    """Bytes of text, of a checkpoint while the one before is still there, and of the model."""
    return 2 * size.tokens + 6 * NUMBER * size.parameters + 6 * size.nonzeros


def _free(folder: Path) -> int | None:
    there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), None)
    return None if there is None else shutil.disk_usage(there).free


def pace_of(recipe: Recipe, device: torch.device, machine: Machine, processes: Processes) -> Pace:
    """From steps of a model of its own, on random tokens, at the final sparsity: nothing of them is kept."""
    ids = np.zeros(recipe.architecture.context + 2, np.uint16)
    loop = Loop(
        recipe,
        TokenData(train_tokenizer([], 257), (Stream("rules", 1.0, ids, ids),), ""),
        device,
        machine,
        processes,
    )
    random = torch.Generator().manual_seed(0)
    shape = (recipe.training.batch, recipe.architecture.context + 1)
    whole: list[float] = []
    projecting: list[float] = []
    begun = perf_counter()
    for _ in range(MEASURED):
        tokens = torch.randint(recipe.architecture.vocabulary, shape, generator=random)
        start = _now(device)
        loop.gradients(tokens)
        loop.normalise()
        loop.update(0.5)
        middle = _now(device)
        loop.sparsify(1.0)
        end = _now(device)
        whole.append(end - start)
        projecting.append(end - middle)
        if len(whole) > 1 and processes.agree(end - begun > ENOUGH):
            break
    seconds = median(whole[1:])  # the first, which may compile, is not counted
    return Pace(seconds, median(projecting[1:]) / seconds)


def _now(device: torch.device) -> float:
    """Seconds, when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter()


def work_of(recipe: Recipe, parameters: int) -> float:
    """Floating-point operations of one step: 6 per weight and token, and attention's scores and mixtures, 12 per layer,
    channel, position and token (Chowdhery et al. 2022, appendix B). Tables that are looked up multiply nothing; what a
    mask or AbsTopK throws away is counted."""
    shape = recipe.architecture
    tables = shape.vocabulary * shape.width + (shape.vocabulary**2 if shape.bigram else 0)
    per_token = 6 * (parameters - tables) + 12 * shape.layers * shape.width * shape.context
    return per_token * recipe.training.batch * shape.context


def utilisation(flops: float, seconds: float, gpu: str, dtype: torch.dtype, count: int = 1) -> float | None:
    """Share of what `count` GPUs of this name could do at most; None for one that is not in the table."""
    for name, (half, single) in PEAKS.items():
        if name in gpu:
            peak = half if dtype == torch.bfloat16 else single
            return flops / seconds / (peak * 1e12 * count)
    return None


def measured(
    recipe: Recipe, device: torch.device, machine: Machine, processes: Processes, folder: Path
) -> list[str]:
    """What a training will cost, in lines; CommandError where memory or disk, of `folder`, is too little for it."""
    size = size_of(recipe, device, machine, processes)
    require(size, device, folder, processes.together)
    pace = pace_of(recipe, device, machine, processes)
    return list(cost_lines(recipe, size, pace, device, machine, processes, folder))


def cost_lines(
    recipe: Recipe,
    size: Size,
    pace: Pace,
    device: torch.device,
    machine: Machine,
    processes: Processes,
    folder: Path,
) -> Iterator[str]:
    """What is printed in front of a training."""
    training = recipe.training
    dtype = precision(device, machine.precision)
    yield f"{recipe.name}: {size.parameters:,} parameters, {size.nonzeros:,} of them not zero at the end"
    yield (
        f"  {size.tokens:,} tokens in {size.steps:,} steps of {training.batch} rows of {recipe.architecture.context}"
    )
    there = "" if size.available is None else f" of {amount(size.available)} that are there"
    each = f" in each of {processes.count} processes" if processes.count > 1 else ""
    yield (
        f"  memory{each}: about {amount(size.memory)}{there}: weights {amount(size.weights)}, moments "
        f"{amount(size.moments)}, gradients {amount(size.gradients)}, activations {amount(size.activations)}"
    )
    free = _free(folder)
    there = "" if free is None else f" of {amount(free)} that are free"
    yield f"  disk: about {amount(disk_of(size))}{there}"
    flops = work_of(recipe, size.parameters)
    yield (
        f"  time: about {duration(size.steps * pace.seconds)}, {pace.seconds:.3g} s a step, of which "
        f"{pace.projection:.1%} keeps the largest weights"
    )
    name = str(dtype).removeprefix("torch.")
    speed = f"{flops / pace.seconds / 1e12:.3g} TFLOP/s in {name}"
    if device.type == "cuda":
        gpu = torch.cuda.get_device_name(device)
        used = utilisation(flops, pace.seconds, gpu, dtype, processes.count)
        speed += f" on {processes.count} x {gpu}" + (
            "" if used is None else f", {used:.1%} of what it can do"
        )
    yield f"  {speed}"


def amount(count: float) -> str:
    """Bytes, in words."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"


def duration(seconds: float) -> str:
    if seconds >= 2 * 86400:
        return f"{seconds / 86400:.1f} days"
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.0f} seconds"
