"""How often the judge is wrong: `python -m benchmarks.judge`, or with `--quick` the same on few examples.

Ends with 1 where something is not as it has to be: a true spec that does not pass, more than 1 % of the mutated specs
that do, more nulls that pass than the confidence allows, two runs that differ. `--processes` takes more of them.
"""

from __future__ import annotations

import argparse
import sys

import torch

from benchmarks.judge.measure import PARTS, measure
from benchmarks.judge.table import table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few of each")
    parser.add_argument("--processes", type=int, default=2, help="how many work at once")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    parts = [arguments.only] if arguments.only else PARTS
    found = measure(arguments.quick, arguments.processes, parts)
    for line in table(found):
        print(line)
    sys.exit(bool(found.wrong))


if __name__ == "__main__":
    main()
