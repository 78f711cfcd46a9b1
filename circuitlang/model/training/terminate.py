"""SIGTERM, as a scheduler or a shutdown sends it: heard between two steps, so that the run is kept."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread


@contextmanager
def asked_to_end() -> Iterator[Callable[[], bool]]:
    """Within the block SIGTERM ends nothing; what is yielded says whether it came. Outside of the main thread, where
    Python lets nobody listen, it ends the process as ever."""
    came = Event()
    if current_thread() is not main_thread():
        yield came.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: came.set())
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
