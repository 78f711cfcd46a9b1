"""Searches on other machines: Dask's scheduler and workers behind the interface of `concurrent.futures`.

What is handed to a worker goes as bytes that it reads after its instructions are pinned, for torch is loaded with them.
Models travel apart from that, each to a worker once. Whoever can reach a scheduler can run anything on its workers.
"""

from __future__ import annotations

import io
import logging
import pickle
import platform
import secrets
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from time import monotonic
from typing import Any

from circuitlang import __version__
from circuitlang.model.hardware import in_use, pin
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.cache import Cache, code_digest, default_folder

PATIENCE = 10.0
"""Seconds in which a scheduler must answer."""
ALONE = 300.0
"""Seconds without any worker after which a run ends: one that was lost is replaced within a minute."""


def signature(pinned: bool) -> dict[str, str]:
    """What decides the bits of a result in this process. `pinned`: its instructions, where torch is not loaded yet."""
    if pinned:
        pin()
    found = {"circuitlang": __version__, "code": code_digest()[:12]}
    found["python"] = ".".join(platform.python_version_tuple()[:2])
    try:
        import numpy
        import torch
    except ImportError as error:
        return found | {error.name or "torch": "not installed"}
    return found | {"torch": torch.__version__, "numpy": numpy.__version__, "kernels": in_use()}


def differences(worker: str, there: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Sentences on what a worker has otherwise than this process."""
    lacks = [f"worker {worker} has no {name}" for name, said in there.items() if said == "not installed"]
    return lacks or [
        f"worker {worker} has {name} {there[name]}, and here it is {said}"
        for name, said in here.items()
        if there[name] != said
    ]


def _pinned(here: Mapping[str, str]) -> bool:
    return not here["kernels"].startswith("native")


class _Pickler(pickle.Pickler):
    """Leaves models and caches out. `apart`: the models, by name."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.apart: dict[str, Any] = {}

    def persistent_id(self, obj: Any) -> tuple[str, Any] | None:
        from circuitlang.model.checkpoint import Checkpoint

        if isinstance(obj, Checkpoint):
            self.apart[str(id(obj))] = obj
            return ("model", str(id(obj)))
        return ("cache", obj.folder) if isinstance(obj, Cache) else None


class _Unpickler(pickle.Unpickler):
    """Puts models back, and for a cache that this machine does not share, its own."""

    def __init__(self, data: bytes, models: Mapping[str, bytes], mark: str) -> None:
        super().__init__(io.BytesIO(data))
        self.models, self.mark = models, mark

    def persistent_load(self, pid: tuple[str, Any]) -> Any:
        kind, what = pid
        if kind == "model":
            return _model(self.models[what])
        return Cache(what if what is None or (what / self.mark).exists() else default_folder())


@lru_cache(maxsize=2)
def _model(data: bytes) -> Any:
    return pickle.loads(data)


def perform(data: bytes, models: Mapping[str, bytes], here: Mapping[str, str], mark: str) -> Any:
    """On a worker: a function and its arguments, called. CommandError where the worker is of another version: it may
    have come after all were asked."""
    from distributed import get_worker

    if wrong := differences(get_worker().address, signature(_pinned(here)), here):
        raise CommandError("; ".join(wrong))
    import torch

    torch.set_num_threads(1)  # as a search would, which gives back what it found: another may run beside it
    function, arguments = _Unpickler(data, models, mark).load()
    return function(*arguments)


class Cluster(Executor):
    """What is submitted is run by a worker, and anew where that is lost."""

    def __init__(self, client: Any, here: Mapping[str, str], mark: str, gpu: bool) -> None:
        self._client, self._here, self._mark = client, here, mark
        self._pool = client.get_executor(pure=False, **({"resources": {"GPU": 1}} if gpu else {}))
        self._sent: dict[
            int, tuple[Any, Any]
        ] = {}  # by id, with the model itself: so that the id stays its own

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_none: Any) -> Future[Any]:
        file = io.BytesIO()
        pickler = _Pickler(file)
        pickler.dump((fn, args))
        models = {name: self._model(model) for name, model in pickler.apart.items()}
        return self._pool.submit(perform, file.getvalue(), models, self._here, self._mark)

    def _model(self, model: Any) -> Any:
        """On each worker, once; not scattered: what is scattered is lost with the workers that have it."""
        if id(model) not in self._sent:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # that it is large
                self._sent[id(model)] = (model, self._client.submit(_same, pickle.dumps(model), pure=False))
            with suppress(Exception):  # all have it: a few tasks would all go to the one worker that does
                self._client.replicate(self._sent[id(model)][1])
        return self._sent[id(model)][1]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait=wait and not cancel_futures)


def _same(data: bytes) -> bytes:
    return data


@contextmanager
def cluster(address: str, cache: Path | None = None, gpu: bool = False) -> Iterator[Cluster]:
    """A connection to a scheduler whose workers compute as this process does. `cache`: results are kept in that folder
    by the workers that see it, by others in their own. CommandError where that cannot be, or comes to an end."""
    with _connected(address) as client, _marked(cache) as mark:
        here = signature(False)
        _require_alike(client, address, here, gpu)
        pool, over, alone = Cluster(client, here, mark, gpu), threading.Event(), threading.Event()
        threading.Thread(target=_watch, args=(client, pool, over, alone), daemon=True).start()
        try:
            yield pool
        except CancelledError:
            why = f"had no worker for {ALONE:.0f} seconds" if alone.is_set() else "ended"
            raise CommandError(
                f"the scheduler at {address} {why}; what was found is kept, and the same command goes on from there"
            ) from None
        except Exception as error:
            if type(error).__name__ != "KilledWorker":
                raise
            raise CommandError(
                "a search ended every worker that it was given to, most often because memory ran out; give workers "
                "more (--memory-limit); what was found is kept"
            ) from None
        finally:
            over.set()
            with suppress(Exception):  # where the scheduler is gone there is nothing to cancel
                pool.shutdown(cancel_futures=True)


@cache
def require_workers(address: str) -> None:
    """CommandError where there are none, or none that compute as this process does: said before anything is run, and
    asked once, for what needs no search needs no scheduler either."""
    with _connected(address) as client:
        _require_alike(client, address, signature(False), False)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError:
        raise CommandError("a cluster needs Dask: pip install 'circuitlang[cluster]'") from None
    for name in ("distributed.client", "distributed.core", "distributed.comm", "distributed.batched"):
        logging.getLogger(name).setLevel(
            logging.CRITICAL
        )  # what ends is told once, by the message of an error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions, which are compared below
            client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise CommandError(
            f"no scheduler answers at {address}: {why}; `dask scheduler` starts one and prints its address"
        ) from None
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=PATIENCE)


@contextmanager
def _marked(cache: Path | None) -> Iterator[str]:
    """The name of a file in the cache by which workers see that they share it, there until the end."""
    mark = f".shared-{secrets.token_hex(8)}"
    if cache is None:
        yield mark
        return
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        (cache / mark).touch()
    try:
        yield mark
    finally:
        with suppress(OSError):
            (cache / mark).unlink()


def _require_alike(client: Any, address: str, here: Mapping[str, str], gpu: bool) -> None:
    """CommandError where there is no worker, or one that would find something else."""
    found = client.run(signature, _pinned(here), on_error="return")
    if not found:
        raise CommandError(
            f"the scheduler at {address} has no workers yet; `dask worker {address}` starts one"
        )
    if gpu and not any(client.run(_gpus).values()):
        raise CommandError("no worker has a GPU to give; start them with --resources 'GPU=1'")
    wrong: list[str] = []
    for worker, there in sorted(found.items()):
        if isinstance(there, ModuleNotFoundError):
            wrong.append(f"worker {worker} has no {there.name}")
        elif isinstance(there, BaseException):
            wrong.append(f"worker {worker} cannot be asked: {there}")
        else:
            wrong += differences(worker, there, here)
    if wrong:
        raise CommandError("; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if wrong[5:] else ""))


def _gpus(dask_worker: Any) -> float:
    return dask_worker.state.total_resources.get("GPU", 0)


def _watch(client: Any, pool: Cluster, over: threading.Event, alone: threading.Event) -> None:
    """Ends what waits for workers that do not come. A scheduler that is gone ends it by itself."""
    seen = monotonic()
    while not over.wait(1.0):
        try:
            seen = monotonic() if client.nthreads() else seen
        except Exception:
            return
        if monotonic() - seen > ALONE:
            alone.set()
            pool.shutdown(cancel_futures=True)
            return
