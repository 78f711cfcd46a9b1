"""How many prompts per second each shipped task gives on one core, and how much text the corpora.

`python -m benchmarks.prompts_per_second [task …]`. Side by side, in turn, the best of several rounds each, in
seconds of this process alone:

- closures: what everything uses;
- by hand: for two tasks, a function with `random.Random` and f-strings: no splits, no marks, no random
  access, nothing to edit but code.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from time import process_time

from circuitlang.language.program.load import load
from circuitlang.language.program.task import Task
from circuitlang.prompts.document import RuleDocuments
from circuitlang.prompts.generate import Generator

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 6
DATAPOINTS = 100  # per round: short rounds, so that one of them is undisturbed
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="TASK", help="tasks of tasks/python.task; all by default")
    names = parser.parse_args().names or list(tasks)
    unknown = [name for name in names if name not in tasks]
    if unknown:
        parser.error(f"there is no task {', '.join(unknown)}; there are {', '.join(tasks)}")
    print(f"{'prompts per second':28}" + "".join(f"{column:>12}" for column in ("closures", "by hand")))
    table = [_rates(tasks[name]) for name in names]
    for name, rates in zip(names, table, strict=True):
        _print(name, rates)
    for what in (min, median, max):
        _print(what.__name__, [what([rates[0] for rates in table])])
    print(f"\n{'corpus text':28}{'MB/s':>12}")
    for name, corpus in load(ROOT / "specs" / "models.cir").corpora.items():
        documents = RuleDocuments(corpus, 0)
        size = sum(len(documents.text(i)) for i in range(DOCUMENTS))
        (time,) = seconds(lambda d=documents: [d.text(i) for i in range(DOCUMENTS)])
        print(f"{name:28}{size / time / 1e6:>12.2f}")


def _rates(task: Task) -> list[float]:
    """Prompts per second of each way."""
    generator = Generator(task, 0)
    numbers, rng = count(), random.Random(0)
    _ = generator.feature  # choosing it is not part of the rate
    works: list[Callable[[], object]] = [
        lambda: [generator.datapoint("train", next(numbers)) for _ in range(DATAPOINTS)]
    ]
    if task.name in BY_HAND:
        works.append(lambda: [BY_HAND[task.name](rng) for _ in range(DATAPOINTS)])
    return [DATAPOINTS * len(task.cases) / time for time in seconds(*works)]


def _print(name: str, rates: Sequence[float]) -> None:
    print(f"{name:28}" + "".join(f"{rate:>12,.0f}" for rate in rates), flush=True)


if __name__ == "__main__":
    main()
