"""Random programs for the promises: texts that the checker accepts, chunk by chunk, each a function of its number."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.language.generators.programs import programs, written_tasks

CHUNK = 100  # texts whose choices Hypothesis keeps in mind, to make none twice


def task_texts(count: int) -> list[str]:
    """Texts with one task each, called `t`."""
    return list(_texts(written_tasks("t").map(lambda task: task.text), count))


def small_texts(count: int) -> list[str]:
    """Texts with one task each, called `t`, of few datapoints."""
    return list(_texts(written_tasks("t", small=True).map(lambda task: task.text), count))


def program_texts(count: int) -> list[str]:
    """Texts of tasks, corpora, models and specs."""
    return list(_texts(programs(), count))


def _texts(strategy: st.SearchStrategy[str], count: int) -> Iterator[str]:
    for number in range(-(-count // CHUNK)):
        yield from _chunk(strategy, number, min(CHUNK, count - number * CHUNK))


def _chunk(strategy: st.SearchStrategy[str], number: int, count: int) -> list[str]:
    found: list[str] = []

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return found


def child(module: str, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> Any:
    """Run a module of this folder in a process of its own; its last line of output is JSON."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.promises.{module}", "--child", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=None if environment is None else dict(environment),
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} ended with status {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def command(
    doc: str | None,
    work: Callable[[Path], object],
    measure: Callable[..., tuple[bool, str]],
    count: int | None = None,
    what: str = "",
) -> None:
    """The command of one promise: prints its figure; the exit status is 1 where it is broken. `count`: how many (of
    `what`) are measured, unless `--count` says otherwise; None where there is nothing to count. As `child` calls it,
    it works on one file or folder and prints what comes of it."""
    parser = argparse.ArgumentParser(description=doc)
    if count is not None:
        parser.add_argument("--count", type=int, default=count, help=what)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(work(options.child)))
        return
    held, figure = measure() if count is None else measure(options.count)
    print(figure)
    sys.exit(not held)
