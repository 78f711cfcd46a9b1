"""A training killed at random moments, again and again: what follows ends bit for bit as if nothing had been.

`python -m benchmarks.resume --count 50`. A process that has loaded everything is copied for each run (fork), and the
copy killed with SIGKILL after a random step, and a random part of a step's time more; a checkpoint is written after
every step, so that many kills fall into writing one. Every second kill starts a training anew, the others go on where
the last one was killed. The checkpoint must be readable after every kill; the run to the end that follows each second
one must leave the weights, the moments and the curve of one that was never killed. The exit status is 1 where it does
not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import torch
from safetensors import safe_open

from benchmarks.kills import MOMENTS, copied
from benchmarks.training import recipe_of, tokens_of
from circuitlang.model.training import train

CPU = torch.device("cpu")
SIZES = argparse.Namespace(layers=1, width=32, context=32, batch=4, vocabulary=256, steps=20)


def contents(state: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Everything of a checkpoint but the clock: the bytes of its tensors, and its facts."""
    with safe_open(state, "pt") as file:
        tensors = {name: file.get_tensor(name).numpy().tobytes() for name in file.keys()}  # noqa: SIM118
        facts = json.loads(file.metadata()["facts"])
    return tensors, {name: fact for name, fact in facts.items() if name != "seconds"}


def killed(work: Callable[[Callable[[train.Progress], None]], None], step: int, share: float) -> None:
    """Runs in a copy of this process until the whole training's step `step`, and the share of a step longer."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        work(lambda progress: os.write(writing, bytes([progress.step])) and None)
        os._exit(0)
    os.close(writing)
    reached, begun, took = 0, monotonic(), 0.01
    while reached < step and (told := os.read(reading, 1)):
        reached, begun, took = told[0], monotonic(), monotonic() - begun
    sleep(share * took)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=50, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    train.SAVE_SECONDS, train.CURVE_STEPS = 0.0, 3
    recipe, data = recipe_of(SIZES, SIZES.steps), tokens_of(SIZES)
    draw, broken, going_on = random.Random(options.seed), list[str](), 0
    fell: Counter[int] = Counter()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)

        def whole(state: Path, report: Callable[[train.Progress], None] = lambda progress: None) -> None:
            train.train(recipe, data, state, CPU, report)

        status, seconds = copied(lambda: whole(place / "unkilled"))
        if status:
            sys.exit("the training does not end without being killed")
        known = contents(place / "unkilled")
        state, step = place / "state", 0
        for number in range(options.count):
            if number % 2 == 0:
                state.unlink(missing_ok=True)
            first = 0 if number % 2 == 0 else step
            last = draw.randint(first, SIZES.steps)
            killed(lambda report: whole(state, report), last, draw.random())
            try:
                step = contents(state)[1]["step"] if state.exists() else 0
            except Exception as error:  # of whatever kind: it cannot be read
                broken.append(f"kill {number}: {type(error).__name__}: {error}")
                continue
            going_on += 0 < step < SIZES.steps
            fell[min(MOMENTS - 1, step * MOMENTS // SIZES.steps)] += 1
            if number % 2:  # the first of two kills is followed by another one
                status, _ = copied(lambda: whole(state))
                if status or contents(state) != known:
                    broken.append(
                        f"kill {number} at step {step}: the run that followed ended otherwise ({status})"
                    )
        left = sum(path.suffix == ".part" for path in place.iterdir())
    print(
        f"{options.count} kills in trainings of {SIZES.steps} steps, {seconds:.1f} s; by tenths of the steps that were "
        f"kept: {[fell[i] for i in range(MOMENTS)]}; {going_on} between first and last step"
    )
    print(
        f"{len(broken)} broke something; {left} half-written temporary files, which nothing reads, were left"
    )
    for each in broken:
        print(each)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
