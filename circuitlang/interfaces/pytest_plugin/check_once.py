"""Whether claims are tests of this session; one check per spec, handed to pytest-xdist's other workers."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock

from circuitlang.report.report import Report
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import write_whole

MODES = ("off", "auto", "frozen")
SHARED = "circuitlang_reports"
"""What a worker of pytest-xdist is told: the folder in which workers hand reports to each other."""


def mode(config: pytest.Config) -> str:
    """One of MODES."""
    chosen = str(config.getoption("circuits") or config.getini("circuits") or "off")
    if chosen not in MODES:
        raise pytest.UsageError(f"circuits = {chosen}: it can be {', '.join(MODES)}")
    return chosen


class Asked(NamedTuple):
    """A spec of a file."""

    file: Path
    spec: str

    def __str__(self) -> str:
        return f"{self.file}::{self.spec}"


class Shared:
    """Reports by spec. A check that could not be made is not tried again: every test of its spec says why."""

    def __init__(self, config: pytest.Config) -> None:
        given = getattr(config, "workerinput", {}).get(SHARED)
        self.folder = None if given is None else Path(given)
        self.frozen = mode(config) == "frozen"
        self.model: str | None = config.getoption("--circuits-model")
        self.fresh = bool(config.getoption("--circuits-fresh"))
        self.cluster: str | None = config.getoption("--circuits-cluster") or None
        self._known: dict[Asked, str] = {}

    def report(self, asked: Asked) -> Report:
        """Raises CommandError where the spec could not be checked."""
        if asked not in self._known:
            self._known[asked] = self._handed(asked)
        text = self._known[asked]
        kind, _, content = text.partition("\n")
        if kind == "refused":
            raise CommandError(content)
        return Report.from_json(content)

    def _handed(self, asked: Asked) -> str:
        """By whichever worker came first; the others wait for it."""
        if self.folder is None:
            return self._checked(asked)
        place = self.folder / blake2b(str(asked).encode(), digest_size=12).hexdigest()
        with FileLock(place.with_suffix(".lock")):
            if not place.exists():
                write_whole(place, self._checked(asked))
            return place.read_text(encoding="utf-8")

    def _checked(self, asked: Asked) -> str:
        from circuitlang.checking.job import Options
        from circuitlang.checking.run import check_file, check_frozen
        from circuitlang.circuit.parallel import cores
        from circuitlang.report.lock import beside

        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        options = Options(
            model=self.model,
            fresh=self.fresh,
            jobs=max(1, cores() // workers),
            command=("pytest", str(asked)),
            cluster=self.cluster,
        )
        locked = self.frozen or beside(asked.file).exists()
        try:
            found = (check_frozen if locked else check_file)(asked.file, asked.spec, options)
        except CommandError as error:
            return f"refused\n{error}"
        return f"report\n{found.to_json()}"
