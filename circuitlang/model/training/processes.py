"""Processes that train one model together, as torchrun starts them, and the SIGTERM that ends one between steps."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, TypeVar

from circuitlang.source.diagnostic import CommandError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.distributed.distributed_c10d import Store

T = TypeVar("T")

PATIENCE = timedelta(hours=24)
"""The others wait so long for the first, which prepares the text and asks the finished model tasks, alone."""
STOPPED = 2
"""Exit status of a process that ends because another one did, which says why."""


@dataclass(frozen=True)
class Processes:
    """Process `rank` of `count`, of which so many run `together` on a machine. The first, 0, writes and speaks."""

    rank: int = 0
    count: int = 1
    together: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """(row, ...) -> this process's rows of them. CommandError where they cannot be divided evenly."""
        each, left = divmod(len(rows), self.count)
        if left:
            raise CommandError(f"a batch of {len(rows)} rows cannot be divided among {self.count} processes")
        return rows[self.rank * each : (self.rank + 1) * each]

    def total(self, value: Tensor) -> Tensor:
        """The sum of the processes' values, each of the same shape."""
        if self.count == 1:
            return value
        import torch.distributed as dist

        value = value.clone()
        dist.all_reduce(value)
        return value

    def each(self, value: Tensor) -> Tensor:
        """(process, ...): every process's value, each of the same shape."""
        if self.count == 1:
            return value.unsqueeze(0)
        import torch
        import torch.distributed as dist

        found = [torch.empty_like(value) for _ in range(self.count)]
        dist.all_gather(found, value.contiguous())
        return torch.stack(found)

    def agree(self, decision: bool) -> bool:
        """What the first decides."""
        if self.count == 1:
            return decision
        import torch
        import torch.distributed as dist

        told = torch.tensor(int(decision))
        dist.broadcast(told, 0)
        return bool(told)

    def after_first(self, make: Callable[[], T]) -> T:
        """What all make, the others after the first has: they find what it wrote."""
        if self.first:
            made = make()
            self.wait()
            return made
        self.wait()
        return make()

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            import torch.distributed as dist

            dist.barrier()


ALONE = Processes()


def launched() -> bool:
    """Whether torchrun started this process and others."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def speaks() -> bool:
    """Whether this process is the one that prints; known without torch."""
    return not launched() or os.environ.get("RANK") == "0"


def own_device(kind: torch.device) -> torch.device:
    """The device of this process among those of the machine."""
    import torch

    return torch.device("cuda", torch.cuda.current_device()) if kind.type == "cuda" and launched() else kind


@contextmanager
def processes() -> Iterator[Processes]:
    """Joins the processes that torchrun started, till the end of the block; by itself where it started none.

    What is wrong with one ends all of them: whoever is first to see it raises it, the others exit in silence.
    """
    if not launched():
        yield ALONE
        return
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    store, rank, count = next(iter(rendezvous("env://", timeout=PATIENCE)))
    dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=PATIENCE)
    try:
        yield Processes(rank, count, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    except BaseException:
        if _told_already(store):
            sys.exit(STOPPED)
        raise
    dist.barrier()
    dist.destroy_process_group()


def _told_already(store: Store) -> bool:
    """Whether another process has seen first that something is wrong."""
    try:
        return store.add(f"circuitlang failed {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", 1) > 1
    except RuntimeError:  # the store is gone: nobody else will say it
        return False


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
