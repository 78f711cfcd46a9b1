"""Several searches at once, each with one thread: in processes of this machine, or on a cluster's workers.

A search takes one thread wherever it runs, so that its circuit is the same for every number of processes.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from circuitlang.circuit.cluster import cluster as workers_of
from circuitlang.circuit.find import Finder, Found, _write
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
        return self.finder.known(*self._asked) is not None

    def keep(self, found: Found) -> None:
        """Into the cache, where whoever found it has another."""
        if not self.done:
            self.finder.cache.put(self.finder._key(*self._asked), _write(found.pruned, found.graph))

    @property
    def _asked(self) -> tuple[PruneSettings, int, int | None, tuple[Node, ...], bool, bool]:
        return self.settings, self.seed, self.budget, self.without, self.fallback, self.costs

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
    cluster: str | None = None,
) -> list[Found]:
    """What each search finds, in their order; at most `jobs` at a time. `report(number of the search, stage, share)`.

    In this process where one job is enough: of one search, of searches that the cache has, on a device other than the
    CPU. Other processes import the program's main module, which must be one that can be imported without doing
    anything. `cluster`: of the scheduler whose workers search instead. An error of a search is raised here, and ends
    the others; so does an interrupt.
    """
    left = [number for number, search in enumerate(searches) if not search.done]
    devices = {search.finder.checkpoint.model.embed.device.type for search in searches}
    alone = cluster is None and (min(jobs, len(left)) <= 1 or devices != {"cpu"})
    if not left or alone:
        return [_run(search, n, report) for n, search in enumerate(searches)]
    if cluster is None:
        for search in (searches[n] for n in left):
            search.finder.mean()  # once, for all who find it in the cache
    folder = searches[left[0]].finder.cache.folder
    found = {n: _run(search, n, report) for n, search in enumerate(searches) if n not in left}
    here = min(jobs, len(left))
    with processes(here) if cluster is None else workers_of(cluster, folder, "cuda" in devices) as pool:
        with starting_workers():
            running = {pool.submit(Search.run, searches[number]): number for number in left}
            # The pool looks again at whom it watches with what is handed in, before it starts a process for that: the
            # process of the last one would be lost without a word. So one more, which does nothing.
            pool.submit(int)
        for future in as_completed(running):
            number = running[future]
            found[number] = future.result()
            searches[number].keep(found[number])
            report(number, "found", 1.0)
    return [found[n] for n in range(len(searches))]


def _run(search: Search, number: int, report: Callable[[int, str, float], None]) -> Found:
    found = search.run(lambda stage, share: report(number, stage, share))
    report(number, "found", 1.0)
    return found


@contextmanager
def processes(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes of this machine, which end with the block. CommandError where one was lost."""
    before = set(multiprocessing.active_children())
    with starting_workers():  # of their own keeper, which may not end before them
        pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), begin)
    try:
        yield pool
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
