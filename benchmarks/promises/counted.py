"""Planned = generated: of small random tasks, as many different datapoints are made as were counted before.

`python -m benchmarks.promises.counted --count 2000`. All choices are made, and the datapoints are told apart; the
bound that is counted from the expressions alone is compared too, as larger counts rest on it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from benchmarks.promises.samples import small_texts
from circuitlang.language.program.load import load_text
from circuitlang.prompts.enumeration import every_datapoint
from circuitlang.prompts.support import EXACT, support, upper_bound

MOST = 20_000  # choices that are made of one task


def measure(count: int) -> tuple[bool, str]:
    """Whether it holds, and the figure."""
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    for text in small_texts(count):
        task = load_text(text).tasks["t"]
        made: set[tuple[str, ...]] = set()
        for path, prompts in enumerate(every_datapoint(task)):
            if path == MOST:
                break
            made.add(tuple(prompt.text for prompt in prompts))
        else:
            planned, bound = support(task), upper_bound(task)
            seen["tasks"] += 1
            seen["datapoints"] += len(made)
            seen["bound exact"] += bound == len(made)
            if bound <= EXACT:
                seen["small"] += 1
                seen["planned exactly"] += planned == len(made)
            if planned < len(made) or (bound <= EXACT and planned != len(made)):
                wrong.append(f"planned {planned}, made {len(made)}:\n{text}")
    return not wrong and seen["tasks"] > 0, "\n".join(
        [
            f"{seen['tasks']:,} tasks of {count:,} listed, {seen['datapoints']:,} datapoints",
            f"planned = generated in {seen['planned exactly']:,} of {seen['small']:,} tasks with a bound of at most "
            f"{EXACT:,}; never fewer planned than generated: {len(wrong)} exceptions",
            f"the bound from the expressions alone is exact in {seen['bound exact']:,} of {seen['tasks']:,}",
            *wrong[:3],
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="tasks")
    options = parser.parse_args()
    held, figure = measure(options.count)
    print(figure)
    sys.exit(not held)


if __name__ == "__main__":
    main()
