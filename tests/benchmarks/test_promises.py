"""The promises about the language, on few examples each; `python -m benchmarks.promises` takes many."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.fuzz_bytes import Counts
from benchmarks.fuzz_input import dictionary, execute, mutants, project, seeds
from benchmarks.fuzz_trees import chunk
from benchmarks.promises import bounded, counted, deterministic, hermetic, paths

ROOT = Path(__file__).parents[2]


def test_hermetic() -> None:
    held, figure = hermetic.measure(15)
    assert held, figure
    assert "15 programs" in figure


def test_an_audit_hook_sees_what_leaves_the_project(tmp_path: Path) -> None:
    """A program that breaks the promise is seen to break it."""
    (tmp_path / "project").mkdir()
    (tmp_path / "outside.txt").write_text("x")
    program = (
        "import sys; from pathlib import Path; from benchmarks.promises.audit import Watch\n"
        f"watch = Watch(Path({str(tmp_path / 'project')!r})); watch.control(); watch.on = True\n"
        f"open({str(tmp_path / 'outside.txt')!r}).close(); open({str(tmp_path / 'project' / 'new')!r}, 'w').close()\n"
        "import socket; socket.socket().close(); watch.on = False; print(*watch.broken, sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    for seen in ("outside.txt", "for writing", "socket.__new__"):
        assert seen in done.stdout


def test_deterministic() -> None:
    held, figure = deterministic.measure(12, processes=1)
    assert held, figure
    assert re.search(r"12 tasks x 3 hash seeds x 1 processes: 1 digest", figure)


def test_bounded() -> None:
    held, figure = bounded.measure(5, step=30)
    assert held, figure


def test_paths() -> None:
    held, figure = paths.measure()
    assert held, figure


def test_planned_is_generated() -> None:
    held, figure = counted.measure(25)
    assert held, figure


def test_trees() -> None:
    chunks = [chunk(number, 8) for number in range(6)]
    assert sum(counts.trees for counts in chunks) == 48
    assert [message for counts in chunks for message in counts.broken] == []


def test_texts_of_any_kind_give_programs_or_diagnostics() -> None:
    """What benchmarks.fuzz_bytes does a million times with coverage, on changed texts without it."""
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = project(Path(name))
        for data in mutants(700, seed=3):
            outcomes[execute(data, folder)] += 1
    assert outcomes.total() == 700
    assert min(outcomes[name] for name in ("accepted", "not accepted", "not parsed", "no text")) >= 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"\0",
        b"task",
        b"use ''",
        b"(" * 4000,
        b'"' * 999,
        b"\xef\xbb\xbf# x\r\n",
        b"{" * 4000,
    ],
)
def test_odd_bytes(data: bytes, tmp_path: Path) -> None:
    assert execute(data, project(tmp_path)) in ("no text", "not parsed", "not accepted", "accepted")


def test_the_fuzzer_starts_from_the_language_and_its_words() -> None:
    assert len(seeds()) > 100
    assert {"task", "hold", "auroc", "seeds", "->"} <= set(dictionary())


def test_counts_add_up() -> None:
    total = Counts()
    total.add(Counts(3, Counter(accepted=2, broken=1), 0.5, 10.0, 7, Counter({"ValueError at x.py:1": 1})))
    total.add(Counts(4, Counter(accepted=4), 0.25, 20.0, 9))
    assert (total.executions, total.outcomes["accepted"], total.slowest, total.peak, total.coverage) == (
        7,
        6,
        0.5,
        20,
        9,
    )
    assert "found 1" in total.line()
