"""Whether parsing, checking and formatting take time in proportion to a program's length.

`python -m benchmarks.growth`. Programs of 100 to 10,000 lines: tasks like the shipped ones, each with names of its own.
Processor seconds, the best of several rounds in turn; the exponent is that of the line through the logarithms, 1 for
linear. The last column is one mistake near the end, explained.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from statistics import linear_regression
from time import process_time

from circuitlang.language.program.load import load_text
from circuitlang.language.syntax.format import format_file
from circuitlang.language.syntax.parse import parse
from circuitlang.source.diagnostic import ProgramError, Source

LINES = (100, 300, 1000, 3000, 10_000)
ROUNDS = 3
TASK = '''
# Number {n}.
task bracket_counting_{n} {{
  "Close a flat list with `]`, a nested list with `]]`."

  param length = 1..4
  rule number = 0..99
  rule row = number{{length by ", "}}
  draw fn = "gather" | "tally" | "scan" | "collate" | "prepare" | "inspect"  # verbs
  draw var, other = "rows" | "grid" | "items" | "points" | "values" | "cells" | "scores" | "table"
    | "words" | "names" weight 2 | "parts"
  hold out var 25%

  prompt """
    def {{fn}}():
        {{other}} = 0
        {{var}} = {{list}}"""

  case flat with list = "[" row answer "]\\n"
  case nested with list = "[" ("[" row "]"){{1..2 by ", "}} ", [" row answer "]]\\n"
}}
'''


def program(lines: int) -> str:
    """Tasks with about so many lines."""
    each = TASK.count("\n")
    return "circuitlang 1\n" + "".join(TASK.format(n=n) for n in range(max(1, round(lines / each))))


def mistake(text: str) -> None:
    broken = text[::-1].replace("rewsna", "rewsna =", 1)[::-1]
    try:
        parse(Source("t", broken))
    except ProgramError:
        return
    raise AssertionError("a mistake was not found")


def main() -> None:
    works: dict[str, Callable[[str], object]] = {
        "parse": lambda text: parse(Source("t", text)),
        "check": load_text,
        "fmt": lambda text: format_file(parse(Source("t", text))),
        "mistake": mistake,
    }
    for work in works.values():
        work(program(100))  # what is made at the first use
    print(f"{'lines':>7}{'kB':>7}" + "".join(f"{name:>10}" for name in works) + "   ms per 1,000 lines")
    points: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for lines in LINES:
        text = program(lines)
        count = text.count("\n")
        best = dict.fromkeys(works, float("inf"))
        for _ in range(ROUNDS):
            for name, work in works.items():
                start = process_time()
                work(text)
                best[name] = min(best[name], process_time() - start)
        for name, time in best.items():
            points[name].append((count, time))
        row = "".join(f"{1e6 * best[name] / count:>10.1f}" for name in works)
        print(f"{count:>7}{len(text) / 1000:>7.0f}{row}")
    ends = {
        name: (found[-1][1] / found[-1][0]) / (found[0][1] / found[0][0]) for name, found in points.items()
    }
    print(f"{'last / first':>14}" + "".join(f"{ends[name]:>10.2f}" for name in works))
    slopes = {
        name: linear_regression([log(x) for x, _ in found], [log(y) for _, y in found]).slope
        for name, found in points.items()
    }
    print(f"{'exponent':>14}" + "".join(f"{slopes[name]:>10.2f}" for name in works))


if __name__ == "__main__":
    main()
