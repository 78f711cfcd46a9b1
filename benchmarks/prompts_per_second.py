"""How fast prompts and corpus text are made, beside the same prompts written by hand in Python.

`python -m benchmarks.prompts_per_second`. The functions written by hand draw with `random.Random` and
write f-strings: no splits, no marks, no random access, nothing to edit but code. Times are of this
process alone, the best of several rounds in turn, so that both see the same machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count
from pathlib import Path
from time import process_time

from circuitlang.program.load import load
from circuitlang.prompts.document import RuleDocuments
from circuitlang.prompts.generate import Generator

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 7
DATAPOINTS = 1000  # per round
DOCUMENTS = 400  # per round

FUNCTIONS = ("gather", "tally", "scan", "collate", "prepare", "inspect", "arrange", "measure")
VARIABLES = ("total", "label", "price", "limit", "title", "status", "answer", "level")
CALLS = ("print", "load", "find", "check", "parse", "show", "describe", "handle")
WORDS = (
    "red",
    "green",
    "house",
    "city",
    "file",
    "error",
    "user",
    "north",
    "apple",
    "table",
    "river",
    "window",
)
LISTS = ("rows", "grid", "items", "points", "values", "cells", "scores", "table")

Pair = tuple[tuple[str, str, str], ...]  # text, answer, foil per case


def quotes_by_hand(rng: random.Random) -> Pair:
    fn, var, call = rng.choice(FUNCTIONS), rng.choice(VARIABLES), rng.choice(CALLS)
    words = " ".join(rng.sample(WORDS, rng.randint(1, 3)))
    head = f"def {fn}():\n    {var} = {rng.randint(0, 99)}\n    {call}("
    return (f'{head}"{words}', '")', "')"), (f"{head}'{words}", "')", '")')


def brackets_by_hand(rng: random.Random) -> Pair:
    fn = rng.choice(FUNCTIONS)
    var, other = rng.sample(LISTS, 2)
    length = rng.randint(1, 4)
    first, second = (", ".join([str(rng.randint(0, 99)) for _ in range(length)]) for _ in range(2))
    head = f"def {fn}():\n    {other} = 0\n    {var} = "
    return (f"{head}[{first}", "]\n", "]]\n"), (f"{head}[[{first}], [{second}", "]]\n", "]\n")


BY_HAND = {"single_double_quote": quotes_by_hand, "bracket_counting": brackets_by_hand}


def seconds(*works: Callable[[], object]) -> list[float]:
    """Processor seconds of each piece of work: the best round of several, in turn."""
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for i, work in enumerate(works):
            start = process_time()
            work()
            best[i] = min(best[i], process_time() - start)
    return best


def main() -> None:
    tasks = load(ROOT / "tasks" / "python.task").tasks
    print(f"{'prompts per second':24}{'circuitlang':>12}{'unsplit':>12}{'by hand':>12}{'ratio':>8}")
    for name, by_hand in BY_HAND.items():
        generator, rng, numbers = Generator(tasks[name], 0), random.Random(0), count()
        generator.datapoint("train", 0)  # choosing the feature is not part of the rate
        ours, unsplit, hand = seconds(
            lambda g=generator, n=numbers: [g.datapoint("train", next(n)) for _ in range(DATAPOINTS)],
            lambda g=generator, n=numbers: [g.unsplit(next(n)) for _ in range(DATAPOINTS)],
            lambda f=by_hand, r=rng: [f(r) for _ in range(DATAPOINTS)],
        )
        prompts = DATAPOINTS * len(tasks[name].cases)
        rates = "".join(f"{prompts / time:>12,.0f}" for time in (ours, unsplit, hand))
        print(f"{name:24}{rates}{hand / ours:>8.2f}")
    corpora = load(ROOT / "specs" / "models.cir").corpora
    print(f"\n{'corpus text':24}{'MB/s':>12}")
    for name, corpus in corpora.items():
        documents = RuleDocuments(corpus, 0)
        size = sum(len(documents.text(i)) for i in range(DOCUMENTS))
        (time,) = seconds(lambda d=documents: [d.text(i) for i in range(DOCUMENTS)])
        print(f"{name:24}{size / time / 1e6:>12.2f}")


if __name__ == "__main__":
    main()
