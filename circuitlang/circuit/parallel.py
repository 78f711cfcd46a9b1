"""Several searches at once, each in a process of its own with one thread.

A search takes one thread wherever it runs, so that its circuit is the same for every number of processes.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from circuitlang.circuit.find import Finder, Found
from circuitlang.circuit.worker import begin, starting_workers
from circuitlang.language.program.spec import PruneSettings
from circuitlang.site import Node
from circuitlang.source.diagnostic import CommandError


@dataclass(frozen=True)
class Search:
    """What to look for, as in `Finder.find`."""

    finder: Finder
    settings: PruneSettings
    seed: int
    budget: int | None = None
    without: tuple[Node, ...] = ()
    fallback: bool = True
    costs: bool = True

    @property
    def done(self) -> bool:
        """Whether it is in the cache."""
        asked = (self.settings, self.seed, self.budget, self.without, self.fallback, self.costs)
        return self.finder.known(*asked) is not None

    def run(self, report: Callable[[str, float], None] = lambda stage, share: None) -> Found:
        asked = (self.settings, self.seed, self.budget, report, self.without, self.fallback, self.costs)
        return self.finder.find(*asked)


def cores() -> int:
    """How many processes this one may keep busy."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_all(
    searches: Sequence[Search],
    jobs: int = 1,
    report: Callable[[int, str, float], None] = lambda number, stage, share: None,
) -> list[Found]:
    """What each search finds, in their order; at most `jobs` at a time. `report(number of the search, stage, share)`.

    In this process where one job is enough: of one search, of searches that the cache has, on a device other than the
    CPU. Other processes import the program's main module, which must be one that can be imported without doing
    anything. An error of a search is raised here, and ends the others; so does an interrupt.
    """
    left = [number for number, search in enumerate(searches) if not search.done]
    on_cpu = all(search.finder.checkpoint.model.embed.device.type == "cpu" for search in searches)
    if min(jobs, len(left)) <= 1 or not on_cpu:
        return [search.run(lambda *told, n=n: report(n, *told)) for n, search in enumerate(searches)]
    for search in (searches[n] for n in left):
        search.finder.mean()  # once, for all who find it in the cache
    before = set(multiprocessing.active_children())
    with starting_workers():  # of their own keeper, which may not end before them
        pool = ProcessPoolExecutor(min(jobs, len(left)), multiprocessing.get_context("spawn"), begin)
    try:
        with starting_workers():
            running = {pool.submit(Search.run, searches[number]): number for number in left}
            # The pool looks again at whom it watches with what is handed in, before it starts a process for that: the
            # process of the last one would be lost without a word. So one more, which does nothing.
            pool.submit(int)
        found: dict[int, Found] = {}
        for future in as_completed(running):
            number = running[future]
            found[number] = future.result()
            report(number, "found", 1.0)
        pool.shutdown()
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
        if isinstance(error, BrokenProcessPool):
            raise CommandError(
                "a process that searched was ended from outside, most often because memory ran out; what was found "
                "is kept; with --jobs 1 searches run one after another"
            ) from None
        raise
    return [found[n] if n in found else search.run() for n, search in enumerate(searches)]
