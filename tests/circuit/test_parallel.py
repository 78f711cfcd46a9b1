"""Searches in processes of their own: the same circuits, the same errors, nothing left behind."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
import torch

from circuitlang.circuit import parallel as module
from circuitlang.circuit.find import Finder
from circuitlang.circuit.parallel import Search, cores, find_all
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import PruneSettings
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.prompts.generate import Generator, SupportError
from circuitlang.prompts.relabel import ShuffledAnswers
from circuitlang.site import Node, Place, Site
from circuitlang.source.diagnostic import CommandError, ProgramError
from circuitlang.storage.cache import Cache

TASK = """task brackets {
  draw a, b = "rows" | "grid" | "items" | "x" | "y" | "z" | "left" | "right" | "names" | "n"
  prompt "{a} = {open}{b}"
  case square with open = "[" answer "]"
  case round with open = "(" answer ")"
}
"""
SETTINGS = PruneSettings(ablate="mean", loss=0.6, steps=4, batch=4, penalty=(1e-2,))


@pytest.fixture
def finder(make_model, tokenizer) -> Finder:
    model = make_model(layers=1, width=4, heads=2, hidden=4, vocabulary=tokenizer.size, context=32)
    reference = torch.randint(0, tokenizer.size, (4, 12), generator=torch.Generator().manual_seed(0))
    checkpoint = Checkpoint("tiny", model, tokenizer, reference, "digest", {})
    return Finder(checkpoint, Generator(load_text(TASK).tasks["brackets"], 0), Cache(None), "key")


def test_the_circuits_are_the_same_in_other_processes(finder):
    searches = [Search(finder, SETTINGS, 0), Search(finder, SETTINGS, 1)]
    searches.append(Search(replace(finder, relabel=ShuffledAnswers(0)), SETTINGS, 0, fallback=False))
    told: list[int] = []
    alone = find_all(searches)
    together = find_all(searches, 2, lambda number, stage, share: told.append(number))
    assert [(f.seed, f.pruned, f.graph) for f in together] == [(f.seed, f.pruned, f.graph) for f in alone]
    assert sorted(told) == [0, 1, 2]
    assert not multiprocessing.active_children()


def test_an_error_of_a_search_is_raised_here(finder):
    """A node that the model does not have, in the second of them."""
    none = Search(finder, SETTINGS, 0, without=(Node(Site(7, Place.V), 0),))
    with pytest.raises(ValueError, match="the model has no node"):
        find_all([Search(finder, SETTINGS, 0), none], 2)
    # Asked again and again, for the pool's own thread waits for them too: of two who join a process, one learns
    # that it has ended, and the other's first answer can be that it has not.
    late = time.monotonic() + 120  # however busy the machine
    while multiprocessing.active_children() and time.monotonic() < late:
        time.sleep(0.05)
    assert not multiprocessing.active_children()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text()


@pytest.mark.parametrize("stop", ["SIGKILL", "SIGTERM", "SIGHUP"])
def test_workers_do_not_outlive_the_process_that_started_them(stop):
    """However it ended. Each worker is busy, and ignores what is sent to the whole group."""
    code = (
        "import multiprocessing, os, signal, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from circuitlang.circuit.worker import begin, starting_workers\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup has its children ignore\n"
        "if __name__ == '__main__':\n"
        "    with starting_workers():\n"
        "        pool = ProcessPoolExecutor(2, multiprocessing.get_context('spawn'), begin)\n"
        "    with starting_workers():\n"
        "        pids = [pool.submit(os.getpid).result()]\n"
        "        busy = [pool.submit(time.sleep, 3600) for _ in range(2)]\n"
        "    print(*(process.pid for process in multiprocessing.active_children()), flush=True)\n"
        "    time.sleep(3600)\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        pids = list(map(int, parent.stdout.readline().split()))
        assert pids
        os.kill(parent.pid, getattr(signal, stop))
        late = time.monotonic() + 60  # however busy the machine
        while not all(map(gone, pids)) and time.monotonic() < late:
            time.sleep(0.05)
        left = [pid for pid in pids if not gone(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("after", [0.0, 5.0])  # seconds: it starts, or searches
def test_a_worker_that_is_lost_ends_the_search_with_a_message(finder, which, after, monkeypatch):
    """The pool watches those it knows when it begins to wait: here it waits before the second is started."""
    start = SpawnProcess.start

    def started_late(process: SpawnProcess) -> None:
        start(process)
        time.sleep(0.5)

    monkeypatch.setattr(SpawnProcess, "start", started_late)

    before = set(multiprocessing.active_children())  # of an earlier test, killed and not yet gone

    def lose() -> None:
        while len(children := set(multiprocessing.active_children()) - before) < 2:
            time.sleep(0.001)
        time.sleep(after)
        sorted(children, key=lambda child: child.pid or 0)[which].kill()

    long = replace(SETTINGS, steps=1_000_000)
    killer = threading.Thread(target=lose)
    killer.start()
    with pytest.raises(CommandError, match="ended from outside, most often because memory ran out"):
        find_all([Search(finder, long, 0), Search(finder, long, 1)], 2)
    killer.join()


def test_no_process_is_started_for_what_one_can_do(finder, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ProcessPoolExecutor", None)
    cached = replace(finder, cache=Cache(tmp_path))
    first = find_all([Search(cached, SETTINGS, 0)], 8)
    again = find_all([Search(cached, SETTINGS, 0), Search(cached, SETTINGS, 0)], 8)
    assert [f.pruned for f in again] == [first[0].pruned] * 2
    assert all(f.cached for f in again)


def test_a_search_takes_one_thread_and_gives_the_others_back(finder, monkeypatch):
    seen: list[int] = []
    search = Finder._search
    monkeypatch.setattr(Finder, "_search", lambda *a: seen.append(torch.get_num_threads()) or search(*a))
    torch.set_num_threads(2)
    try:
        finder.find(SETTINGS, 0)
        assert seen == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_what_goes_to_another_process_comes_back_equal(finder):
    copy = pickle.loads(pickle.dumps(finder))
    assert copy.prompts("train", 3, 2).tokens.tolist() == finder.prompts("train", 3, 2).tokens.tolist()
    error = SupportError(finder.generator.task, "prompt")
    back = pickle.loads(pickle.dumps(error))
    assert isinstance(back, ProgramError)
    assert str(back) == str(error)
    assert cores() >= 1
