"""Byte-level fuzzing with atheris: whatever a file contains, it gives a program or diagnostics, and soon.

`python -m benchmarks.fuzz_bytes --executions 1000000 --jobs 2` (`pip install 'circuitlang[fuzz]'`; Linux). Each input
goes the whole way of fuzz_input.execute. The work is done in chunks by processes of their own, so that a crash of the
interpreter or a hang costs one chunk and is counted; the corpus of inputs that reached something new is kept in
`--folder`, with every input that broke something, so a run can be continued and its counts add up. Inputs over a
second under instrumentation are timed again without it. Prints the counts after every chunk, and a table at the end;
the exit status is 1 where anything was found.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.fuzz_input import LONGEST, Mutator, dictionary, execute, project, seeds

SLOW = 1.0  # processor seconds of one input, without instrumentation
HANG = 300  # seconds of the clock, on a machine that may be busy, after which libFuzzer ends the process
MEMORY = 2048  # MiB, likewise
REPORT = 500  # executions between two looks at the counts of a process


@dataclass
class Counts:
    """What was done. `slowest`: processor seconds of one input as instrumented; `peak`: MiB of a process."""

    executions: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    peak: float = 0.0
    coverage: int = 0
    found: Counter[str] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        self.executions += other.executions
        self.outcomes += other.outcomes
        self.slowest = max(self.slowest, other.slowest)
        self.peak = max(self.peak, other.peak)
        self.coverage = max(self.coverage, other.coverage)
        self.found += other.found

    def line(self) -> str:
        shares = "  ".join(
            f"{name} {count / max(1, self.executions):.1%}" for name, count in sorted(self.outcomes.items())
        )
        return (
            f"{self.executions:>10,} executions  {shares}  slowest {self.slowest:.2f} s  "
            f"peak {self.peak:.0f} MiB  coverage {self.coverage:,}  found {self.found.total()}"
        )


# --- one process ----------------------------------------------------------------------------------


def work(folder: Path, chunk: int, executions: int) -> None:
    """Fuzz in this process; libFuzzer ends it. The counts are in `counts-CHUNK.json`."""
    import atheris

    with atheris.instrument_imports(include=["circuitlang"]):
        _load_again()
    mutator, counts, place = Mutator(), Counts(), project(Path(tempfile.mkdtemp(prefix="fuzz-")))

    def one(data: bytes) -> None:
        start = process_time()
        try:
            counts.outcomes[execute(data, place)] += 1
        except Exception as error:
            counts.outcomes["broken"] += 1
            name = _where(error)
            counts.found[name] += 1
            _keep(folder, name, data)
        took = process_time() - start
        counts.executions += 1
        if took > counts.slowest:
            counts.slowest = took
            (folder / f"slowest-{chunk}").write_bytes(data)
        if counts.executions % REPORT == 0 or counts.executions == executions:
            counts.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            (folder / f"counts-{chunk}.json").write_text(json.dumps(vars(counts)))

    def change(data: bytes, longest: int, number: int) -> bytes:
        if number % 6 == 0:
            return atheris.Mutate(data, longest)
        return mutator.mutate(data, number)[:longest]

    options = {
        "runs": executions,
        "seed": chunk + 1,
        "max_len": LONGEST,
        "timeout": HANG,
        "rss_limit_mb": MEMORY,
        "reload": 0,
        "artifact_prefix": f"{folder / 'broken'}/chunk-{chunk}-",
        "dict": folder / "words.dict",
    }
    arguments = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(folder / "corpus")], one, custom_mutator=change)
    atheris.Fuzz()


def _load_again() -> None:
    """Import under instrumentation what is executed; the names of this module are bound again."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("circuitlang", "lark")]:
        del sys.modules[name]
    del sys.modules["benchmarks.fuzz_input"]
    fuzz_input = import_module("benchmarks.fuzz_input")
    for name in ("Mutator", "execute", "project"):
        globals()[name] = getattr(fuzz_input, name)


def _where(error: Exception) -> str:
    """What was raised, and the last place of ours that it came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "circuitlang" in frame.filename]
    frame = (frames or traceback.extract_tb(error.__traceback__))[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"


def _keep(folder: Path, name: str, data: bytes) -> None:
    stem = re.sub(r"\W+", "-", name)
    (folder / "broken" / f"{stem}-{blake2b(data, digest_size=4).hexdigest()}").write_bytes(data)


# --- all of them ----------------------------------------------------------------------------------


def run(folder: Path, chunk: int, executions: int) -> Counts:
    """One chunk in a process of its own, and what it counted."""
    arguments = ["--worker", str(chunk), "--executions", str(executions), "--folder", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz_bytes", *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    (folder / f"log-{chunk}").write_text(done.stdout + done.stderr)
    counts = _read(folder / f"counts-{chunk}.json")
    for match in re.finditer(r"\bcov: (\d+)", done.stderr):
        counts.coverage = max(counts.coverage, int(match[1]))
    if counts.executions < executions:
        last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        counts.found[f"chunk {chunk} ended early with status {done.returncode}: {last}"] += 1
    return counts


def _read(path: Path) -> Counts:
    if not path.exists():
        return Counts()
    row: Mapping[str, Any] = json.loads(path.read_text())
    return Counts(**{**row, "outcomes": Counter(row["outcomes"]), "found": Counter(row["found"])})


def _slowest(folder: Path) -> float:
    """Processor seconds of the slowest inputs of all chunks, without instrumentation."""
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        place = project(Path(name))
        execute(b"", place)  # the parser is built once, by the first text
        for path in folder.glob("slowest-*"):
            start = process_time()
            execute(path.read_bytes(), place)
            worst = max(worst, process_time() - start)
    return worst


def prepare(folder: Path) -> None:
    """The folder of a new run: the inputs to start from, the words, and room for what breaks."""
    for name in ("corpus", "broken"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for data in seeds():
        (folder / "corpus" / blake2b(data, digest_size=10).hexdigest()).write_bytes(data)
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in dictionary())
    (folder / "words.dict").write_text("".join(f'"{word}"\n' for word in escaped))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--chunk", type=int, default=20_000, help="executions of one process")
    parser.add_argument("--first", type=int, default=0, help="number of the first chunk")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--folder", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.folder.resolve()
    if options.worker is not None:
        work(folder, options.worker, options.executions)
        return
    prepare(folder)
    total = Counts()
    numbers = range(options.first, options.first + -(-options.executions // options.chunk))
    with ThreadPoolExecutor(options.jobs) as pool:
        chunks = [pool.submit(run, folder, n, min(options.chunk, options.executions)) for n in numbers]
        for done, finished in enumerate(as_completed(chunks), 1):
            total.add(finished.result())
            print(f"{done:>4}/{len(numbers)}  {total.line()}", flush=True)
    slowest = _slowest(folder)
    print(f"\nexecutions            {total.executions:,}")
    for name, count in sorted(total.outcomes.items()):
        print(f"  {name:20}{count:,}")
    print(f"coverage (edges)      {total.coverage:,}")
    print(f"peak memory           {total.peak:.0f} MiB")
    print(
        f"slowest input         {slowest:.3f} s of processor time ({total.slowest:.3f} s under instrumentation)"
    )
    print(f"found                 {total.found.total()}")
    for name, count in total.found.most_common():
        print(f"  {count:>8,}  {name}")
    sys.exit(bool(total.found) or slowest > SLOW)


if __name__ == "__main__":
    main()
