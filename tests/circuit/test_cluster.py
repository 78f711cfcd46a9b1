"""Searches on a cluster's workers: the same circuits, whoever is lost on the way; a sentence where that cannot be."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.planted.circuits import quotes
from circuitlang.checking.bench import finder_of
from circuitlang.circuit import cluster as module
from circuitlang.circuit.cluster import cluster, differences, require_workers
from circuitlang.circuit.find import Finder, Found
from circuitlang.circuit.parallel import Search, find_all
from circuitlang.claims.nulls import shuffled
from circuitlang.language.program.spec import PruneSettings
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.cache import Cache

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
dask = pytest.importorskip("dask")
SETTINGS = PruneSettings(ablate="zero", loss=0.3, steps=4)
SLOW = replace(SETTINGS, steps=100_000)


@pytest.fixture
def start() -> Iterator[Callable[..., Any]]:
    """Starts clusters of this machine, and ends them."""
    started: list[Any] = []

    def of(workers: int = 2, **more: Any) -> Any:
        quiet = {"dashboard_address": "127.0.0.1:0", "silence_logs": "CRITICAL"}
        started.append(
            distributed.LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, **quiet, **more)
        )
        return started[-1]

    yield of
    for each in started:
        each.close()


@pytest.fixture
def searches(tmp_path: Path) -> list[Search]:
    """Two seeds of a model, and another model."""
    planted = quotes(0.02)
    finder = finder_of(planted.checkpoint, planted.program.tasks["planted"], 0, Cache(tmp_path / "cache"))
    other = replace(planted.checkpoint, model=shuffled(planted.checkpoint.model, 0))
    second = replace(finder, checkpoint=other, key="other", model_key=None)
    asked = ((finder, 0), (finder, 1), (second, 0))
    return [Search(each, SETTINGS, seed, fallback=False, costs=False) for each, seed in asked]


def plain(found: list[Found]) -> list[object]:
    return [(each.seed, each.pruned, each.graph) for each in found]


def uncached(searches: list[Search]) -> list[Search]:
    return [replace(each, finder=replace(each.finder, cache=Cache(None))) for each in searches]


def slow(searches: list[Search]) -> list[Search]:
    """Without an end that a test would see."""
    return [replace(each, settings=SLOW) for each in searches]


@pytest.mark.slow
def test_one_process_a_pool_and_a_cluster_find_the_same(
    start: Callable[..., Any], searches: list[Search], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where a worker is killed again and again, and where workers do not see the cache: it has all in the end."""
    alone = plain(find_all(uncached(searches)))
    assert plain(find_all(uncached(searches), 2)) == alone
    address = start(env={"CIRCUITLANG_CACHE": str(tmp_path / "theirs")}).scheduler_address
    told: list[int] = []
    found = find_all(uncached(searches), report=lambda n, *_: told.append(n), cluster=address)
    assert plain(found) == alone
    assert sorted(told) == [0, 1, 2]
    assert plain(find_all(searches, cluster=address)) == alone
    assert not (tmp_path / "theirs").exists()
    ours = [replace(each, finder=replace(each.finder, cache=Cache(tmp_path / "ours"))) for each in searches]
    monkeypatch.setattr(module, "_marked", lambda cache: nullcontext("nowhere"))
    assert plain(find_all(ours, cluster=address)) == alone
    assert (tmp_path / "theirs").is_dir()
    assert all(each.done for each in ours)
    assert not list(tmp_path.rglob(".shared-*"))


def test_a_worker_that_is_killed_costs_time_alone(start: Callable[..., Any], searches: list[Search]) -> None:
    alone = plain(find_all(uncached(searches)))
    address, over = start().scheduler_address, threading.Event()

    def kill() -> None:
        with distributed.Client(address, set_as_default=False) as client:
            while not over.wait(0.5):
                if any(client.processing().values()):
                    os.kill(min(client.run(os.getpid, on_error="ignore").values()), signal.SIGKILL)
                    return

    killer = threading.Thread(target=kill)
    killer.start()
    found = find_all(uncached(searches), cluster=address)
    over.set()
    killer.join()
    assert plain(found) == alone


def test_a_scheduler_that_ends_says_so_and_nothing_is_lost(
    start: Callable[..., Any], searches: list[Search]
) -> None:
    local = start()
    mixed = [searches[0], slow(searches)[1]]

    def end(number: int, *_: object) -> None:
        assert number == 0
        threading.Thread(target=local.close).start()

    with pytest.raises(CommandError, match="ended; what was found is kept, and the same command goes on"):
        find_all(mixed, report=end, cluster=local.scheduler_address)
    assert searches[0].done


def test_what_no_worker_comes_for_ends(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALONE", 2.0)
    local = start(1)

    def wait_alone() -> None:
        with cluster(local.scheduler_address) as pool:
            waiting = pool.submit(time.sleep, 3600)
            local.scale(0)
            waiting.result()

    with pytest.raises(CommandError, match="had no worker for 2 seconds"):
        wait_alone()


def test_a_search_that_ends_its_workers_is_given_up(start: Callable[..., Any]) -> None:
    one_is_enough = dask.config.set({"distributed.scheduler.allowed-failures": 0})
    with (
        one_is_enough,
        pytest.raises(CommandError, match=r"ended every worker .* most often because memory ran out"),
        cluster(start(1).scheduler_address) as pool,
    ):
        pool.submit(os._exit, 1).result()


def test_errors_and_interrupts_come_through(start: Callable[..., Any], searches: list[Search]) -> None:
    """What is queued is cancelled; what a worker has begun it finishes, for whoever shares its cache."""
    address = start().scheduler_address
    with cluster(address) as pool, pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_all([searches[0], slow(searches)[1]], report=interrupt, cluster=address)
    assert searches[0].done
    with distributed.Client(address, set_as_default=False) as client:
        assert sum(map(len, client.processing().values())) <= 1


def test_who_cannot_search_is_told_before_anything_runs(
    start: Callable[..., Any], searches: list[Search], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Finder, "_search", None)
    monkeypatch.setattr(module, "PATIENCE", 1.0)
    local = start(0)
    with pytest.raises(CommandError, match=r"has no workers yet; `dask worker tcp://.*` starts one"):
        find_all(searches, cluster=local.scheduler_address)
    local.scale(1)
    local.wait_for_workers(1)
    with monkeypatch.context() as other:
        other.setattr(module, "code_digest", lambda: "0" * 64)
        with pytest.raises(
            CommandError, match=r"worker tcp://.* has code \w{12}, and here it is 000000000000"
        ):
            find_all(searches, cluster=local.scheduler_address)
    with (
        pytest.raises(CommandError, match="no worker has a GPU to give"),
        cluster(local.scheduler_address, gpu=True),
    ):
        pass
    for nobody in ("tcp://127.0.0.1:1", "nothing://here", "here:there"):
        with pytest.raises(CommandError, match=f"no scheduler answers at {nobody}: "):
            require_workers(nobody)


def test_what_differs_is_said() -> None:
    here = {"circuitlang": "1", "python": "3.12", "torch": "2.6", "numpy": "2", "kernels": "avx2"}
    assert differences("w", here, here) == []
    assert differences("w", {**here, "torch": "2.7"}, here) == ["worker w has torch 2.7, and here it is 2.6"]
    assert differences("w", {"circuitlang": "1", "torch": "not installed"}, here) == ["worker w has no torch"]
