"""Many specs, models and seeds in one run: the searches of all of them in one queue, or a shard's part of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from circuitlang.checking.bench import Bench
from circuitlang.checking.job import Job
from circuitlang.checking.stages import judge_model, nulls_of, searches_of
from circuitlang.source.diagnostic import CommandError
from circuitlang.source.progress import Told
from circuitlang.storage.cache import default_folder

if TYPE_CHECKING:
    from circuitlang.circuit.parallel import Search


@dataclass(frozen=True)
class Shard:
    """Every `count`-th search, from the `number`-th: 1 is the first."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Of `2/8`. CommandError."""
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise CommandError(
                f"there is no shard {text}: of eight they are 1/8, 2/8 … 8/8, and a whole run has none"
            )
        return cls(int(found[1]), int(found[2]))

    def said(self, searches: int, judged: int, jobs: int) -> str:
        mine = len(range(self.number - 1, searches, self.count))
        return (
            f"shard {self.number}/{self.count}: its {mine} of {searches} searches are in the cache, and {judged} of "
            f"{jobs} specs are judged; when all shards are done, --no-search writes the reports"
        )


@dataclass
class Queue:
    """The searches of all jobs in their order, the job that each is of, and what it is called."""

    searches: list[Search] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, jobs: Sequence[Job], told: Told) -> Queue:
        """Each model is loaded once, and asked whether it is competent: of one that is not nothing is pruned."""
        from circuitlang.circuit.find import one_thread
        from circuitlang.model.checkpoint import load
        from circuitlang.prompts.one_token import TokenError

        once, queue = cache(load), cls()
        for number, job in enumerate(jobs):
            if job.lock == "freeze" or job.bridge is not None:
                continue  # nothing to search for
            told(f"{job.spec.name}: what is to be searched for", 0.0)
            bench = Bench.of(job, measure=True, load=once)
            try:
                with one_thread():
                    goes_on = judge_model(job, bench)[1]
                    made = nulls_of(job, bench) if goes_on else []
            except TokenError:  # said where the job is judged
                continue
            if goes_on:
                given = job.options.circuit is not None
                searches, names = searches_of(job, bench, made, given)
                queue.searches += searches
                queue.owners += [number] * len(searches)
                queue.names += [f"{job.spec.name} {name}" for name in names]
        return queue

    def require_done(self, jobs: Sequence[Job]) -> None:
        """CommandError, naming some, where a search is not in the cache."""
        missing = [n for n, search in zip(self.names, self.searches, strict=True) if not search.done]
        if missing:
            more = f" and {len(missing) - 3} more" if missing[3:] else ""
            folder = jobs[0].options.cache or default_folder()
            raise CommandError(
                f"--no-search takes everything from the cache {folder}, where {len(missing)} of {len(self.names)} "
                f"searches are not: {', '.join(missing[:3])}{more}; run every shard with this folder as "
                "$CIRCUITLANG_CACHE, and with the same options"
            )


def run_queue(
    queue: Queue,
    jobs: Sequence[Job],
    told: Told,
    ready: Callable[[int, Told], None],
    shard: Shard,
) -> list[int]:
    """Searches for a shard's part, whose results are in the cache then. `ready(number of a job, told)` is called as
    soon as all that a job waits for is there; of several shards, in the last one. The jobs that were ready."""
    from circuitlang.circuit.parallel import find_all

    mine = range(shard.number - 1, len(queue.searches), shard.count)
    left = {number: {n for n in mine if queue.owners[n] == number} for number in range(len(jobs))}
    done: list[int] = []
    total = len(mine) + len(jobs)

    def share() -> float:
        return (len(mine) - sum(map(len, left.values())) + len(done)) / total

    def told_of(number: int) -> Told:
        return lambda stage, _share: told(f"{jobs[number].spec.name}: {stage}", share())

    def look(number: int) -> None:
        own = [search for search, owner in zip(queue.searches, queue.owners, strict=True) if owner == number]
        if not left[number] and number not in done and (shard.count == 1 or all(s.done for s in own)):
            done.append(number)
            ready(number, told_of(number))

    def found(place: int, stage: str, _share: float) -> None:
        n = mine[place]
        if stage == "found":
            left[queue.owners[n]].discard(n)
            found_now = len(mine) - sum(map(len, left.values()))
            told(f"{found_now} of {len(mine)} searches, {len(done)} of {len(jobs)} specs", share())
            look(queue.owners[n])
        else:
            told(f"{queue.names[n]}: {stage}", share())

    options = jobs[0].options
    find_all([queue.searches[n] for n in mine], options.jobs, found, options.cluster)
    for number in range(len(jobs)):
        look(number)
    return done
