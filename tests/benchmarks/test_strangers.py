"""A short run of the hostile inputs, and what would be seen of each thing that may not happen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import strangers
from benchmarks.strangers import KINDS, Run, done, tried


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_of_every_kind(kind: str) -> None:
    count = 2 if kind == "signals" else 8
    assert [tried(kind, number, seed=1) for number in range(count)] == [[]] * count


def fail() -> None:
    raise RuntimeError


def half() -> None:
    Path("lock.part").write_text("{")


def orphan() -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


def work() -> None:
    while sum(os.times()[:2]) < 0.2 + strangers.SOON:
        pass


@pytest.mark.parametrize(
    ("before", "seen"),
    [
        (fail, "status 70"),
        (os.abort, "status -6"),
        (lambda: print("\x1b[31m", flush=True), "a control character"),
        (lambda: print("::error::x", flush=True), "a command to a runner"),
        (lambda: print("##teamcity[x]", flush=True), "a command to a runner"),
        (half, "left "),
        (orphan, "1 processes left"),
        (work, " s"),
        (lambda: bytearray(b"x" * (1 << 30)), " MiB"),
    ],
)
def test_what_may_not_happen_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Callable[[], object], seen: str
) -> None:
    monkeypatch.setattr(strangers, "GONE", 0.5)
    monkeypatch.setattr(strangers, "SOON", 4.0 if before is work else 60.0)
    (tmp_path / "place").mkdir()
    found = done(Run(["--version"], before=before), tmp_path / "place")
    assert seen in found[0]
    assert len(found) == 1 or before is fail  # which says why, too


def test_a_fault_of_the_language_server_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    for name in ("hover", "references", "complete", "symbols", "folds"):
        monkeypatch.setattr(f"circuitlang.interfaces.lsp.server.{name}", broken)
    assert any(
        "ZeroDivisionError" in wrong for number in range(4) for wrong in tried("editors", number, seed=1)
    )
