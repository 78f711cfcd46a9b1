"""A check killed at random moments: what it left can be read, and the check that follows ends as if nothing had been.

`python -m benchmarks.kills --count 200`. A process that has loaded everything is copied for each run (fork), and the
copy killed with SIGKILL after a random time of what a whole run takes. Then every file of the report's folder and the
lock is read; what an earlier run had finished must still be there; and a run to the end, with the cache that the killed
one left, must give the same report and the same lock. Prints where the kills fell; the exit status is 1 where anything
broke.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import torch

from benchmarks.planted.circuits import QUOTES, quotes
from circuitlang.checking.job import Job, Options
from circuitlang.checking.run import check_all
from circuitlang.checking.static import check_text
from circuitlang.model.checkpoint import save
from circuitlang.report.lock import beside, read_lock
from circuitlang.report.report import Report
from circuitlang.source.progress import quiet

SPEC = """
spec killed {
  task = planted
  model = "model"
  prune { loss = 0.1  seeds = 0..1  steps = 40  batch = 8 }
  verdict { samples = 64..128 }
  claim sufficient: loss given keep(circuit) <= 0.2
  claim minimal:    rise given drop(each node) >= 0.01
  claim counted:    nodes >= 1
}
"""
MOMENTS = 10  # parts of a run in which the kills are counted


def whole(place: Path) -> None:
    """The check, its files and its lock, in the folder `place`."""
    path = place / "killed.cir"
    programs, _ = check_text([path], measure=True)
    spec = programs[0].specs["killed"]
    options = Options(battery=False, controls=False, cache=place / "cache")
    job = Job.of(programs[0], spec, options, "renew")
    check_all([replace(job, folder=place / "runs")], quiet)


def copied(work: Callable[[], None], after: float | None = None) -> tuple[int, float]:
    """Runs in a copy of this process, killed after so many seconds; its wait status and how long it took."""
    start = monotonic()
    child = os.fork()
    if child == 0:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        status = 70
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    if after is not None:
        sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return status, monotonic() - start


def project(place: Path) -> None:
    """A planted model, so small that a check takes seconds, and a spec of it."""
    place.mkdir(parents=True)
    checkpoint = quotes().checkpoint
    save(place / "model", checkpoint.model, checkpoint.tokenizer, checkpoint.reference, {})
    (place / "killed.cir").write_text(QUOTES + SPEC)


def files(place: Path) -> dict[str, bytes]:
    """Everything a check has written, but for what it was still writing."""
    found = [path for path in place.rglob("*") if path.is_file() and not path.name.endswith(".part")]
    return {str(path.relative_to(place)): path.read_bytes() for path in found}


def unreadable(place: Path) -> list[str]:
    """The files that are there and are not whole."""
    found = []
    for name, content in files(place).items():
        try:
            if name.endswith(".json"):
                json.loads(content)
            if name == "runs/report.json":
                Report.from_json(content)
            if name.endswith(".lock"):
                read_lock(place / name)
            if name.endswith(".svg") and not content.rstrip().endswith(b"</svg>"):
                raise ValueError("not whole")
            if name.endswith(".html") and not content.rstrip().endswith(b"</html>"):
                raise ValueError("not whole")
        except Exception as error:  # of whatever kind: it cannot be read
            found.append(f"{name}: {type(error).__name__}: {error}")
    return found


def report_of(place: Path) -> dict[str, object]:
    """The report without the clock, and without whether its circuit came from the cache."""
    report = Report.from_json((place / "runs" / "report.json").read_bytes())
    return report.model_dump(mode="json", exclude={"seconds", "cached"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    draw, broken, left = random.Random(options.seed), list[str](), 0
    fell: Counter[int] = Counter()
    with tempfile.TemporaryDirectory() as name:
        first = Path(name) / "first"
        project(first)
        status, seconds = copied(lambda: whole(first))
        if status:
            sys.exit("the check does not end without being killed")
        known = report_of(first), read_lock(beside(first / "killed.cir")).specs["killed"].report.claims
        for number in range(options.count):
            place = Path(name) / "killed" if number % 2 else Path(name) / "again"
            if place.name == "killed" or not place.exists():  # every second one is killed over finished files
                shutil.rmtree(place, ignore_errors=True)
                project(place)
            before = set(files(place))
            share = draw.random()
            status, _ = copied(lambda place=place: whole(place), share * seconds)
            fell[int(share * MOMENTS)] += 1
            broken += [f"kill {number} at {share:.0%}: {each}" for each in unreadable(place)]
            lost = before - set(files(place))
            broken += [f"kill {number} at {share:.0%}: lost {each}" for each in sorted(lost)]
            left += sum(path.name.endswith(".part") for path in place.rglob("*"))
            status, _ = copied(lambda place=place: whole(place))
            now = report_of(place), read_lock(beside(place / "killed.cir")).specs["killed"].report.claims
            if status or now != known:
                broken.append(
                    f"kill {number} at {share:.0%}: the check that followed ended otherwise ({status})"
                )
    print(
        f"{options.count} kills in a run of {seconds:.1f} s, by tenths of it: {[fell[i] for i in range(MOMENTS)]}"
    )
    print(
        f"{len(broken)} broke something; {left} half-written temporary files, which nothing reads, were left"
    )
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
