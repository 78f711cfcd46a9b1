"""What every process of a search does first: it lives no longer than the one that started it. No torch, which takes
seconds to load: a worker must not outlive them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait

_STOPS = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def starting_workers() -> Iterator[None]:
    """Processes started within leave signals to stop to the one that started them, which ends them: those of a
    terminal go to all of a group, and a worker that was first would look like one that was lost."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    stops = {getattr(signal, name) for name in _STOPS}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin() -> None:
    """In a worker: it ends when the process that started it does, however that ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
