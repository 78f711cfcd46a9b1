"""All promises, one after the other: `python -m benchmarks.promises`, or with `--quick` a tenth of each count."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from time import perf_counter

from benchmarks.promises import bounded, counted, deterministic, hermetic, paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of each count")
    share = 10 if parser.parse_args().quick else 1
    promises: dict[str, Callable[[], tuple[bool, str]]] = {
        "hermetic": lambda: hermetic.measure(1000 // share),
        "deterministic": lambda: deterministic.measure(10_000 // share),
        "bounded": lambda: bounded.measure(1000 // share),
        "safe paths": paths.measure,
        "planned = generated": lambda: counted.measure(2000 // share),
    }
    broken: list[str] = []
    for name, measure in promises.items():
        start = perf_counter()
        held, figure = measure()
        broken += [] if held else [name]
        print(f"{name}: {'held' if held else 'BROKEN'}  ({perf_counter() - start:.0f} s)")
        print("".join(f"  {line}\n" for line in figure.splitlines()), flush=True)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
