"""Random syntax trees of the whole grammar: formatted and parsed back, they are unchanged; comments are not lost.

`python -m benchmarks.fuzz_trees --count 100000 --jobs 2`. Trees are made in chunks, each a pure function of its
number, so that a run can be cut short and continued (`--first`) and the counts add up. Prints the counts at intervals
and at the end; the exit status is 1 where a law was broken, and the tree's text is printed.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from time import process_time

from hypothesis import HealthCheck, Phase, given, seed, settings

from circuitlang.language.syntax import tree
from circuitlang.language.syntax.format import bare_text, format_block, format_file
from circuitlang.language.syntax.parse import parse
from circuitlang.source.diagnostic import Source
from tests.language.generators.trees import BLOCKS, files

CHUNK = 250  # trees whose choices Hypothesis keeps in mind, to make none twice


def comments_of(node: object) -> Counter[str]:
    """Every comment of a tree."""
    found: Counter[str] = Counter()
    if isinstance(node, tree.Item):
        found.update(node.notes.comments)
    if isinstance(node, tree.Block):
        found.update(line for line in node.end if line)
        found.update([node.head] if node.head else [])
    if isinstance(node, tuple):
        for part in node:
            found += comments_of(part)
    elif dataclasses.is_dataclass(node) and not isinstance(node, type):
        for field in dataclasses.fields(node):
            if field.name not in ("span", "notes", "head", "end"):
                found += comments_of(getattr(node, field.name))
    return found


def check(file: tree.File) -> str:
    """All laws of one tree; returns its text."""
    written = format_file(file)
    again = parse(Source("built", written))
    assert again == file, written
    assert format_file(again) == written, written
    assert comments_of(again) == comments_of(file), written
    for before, after in zip(file.items, again.items, strict=True):
        if isinstance(before, tree.Block) and isinstance(after, tree.Block):
            alone = tree.File(None, (before,))
            assert format_block(before) in format_file(alone), written
            assert bare_text(before) == bare_text(after), written
    return written


@dataclasses.dataclass
class Counts:
    """What was done. `slowest`: processor seconds of the laws of one tree. `broken`: one message per broken law."""

    trees: int = 0
    characters: int = 0
    comments: int = 0
    slowest: float = 0.0
    broken: list[str] = dataclasses.field(default_factory=list)

    def add(self, other: Counts) -> None:
        self.trees += other.trees
        self.characters += other.characters
        self.comments += other.comments
        self.slowest = max(self.slowest, other.slowest)
        self.broken += other.broken

    def line(self) -> str:
        return (
            f"{self.trees:>10,} trees  {self.characters:>13,} characters  {self.comments:>10,} comments  "
            f"slowest {self.slowest:.3f} s  broken {len(self.broken)}"
        )


def chunk(number: int, count: int = CHUNK) -> Counts:
    """Chunk `number`: trees of one kind of block, the kinds in turn."""
    counts = Counts()
    kinds = list(BLOCKS)

    # Shrinking trees of this size takes minutes; the text that fails is printed instead.
    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(files(kinds[number % len(kinds)]))
    def laws(file: tree.File) -> None:
        start = process_time()
        written = check(file)
        counts.slowest = max(counts.slowest, process_time() - start)
        counts.trees += 1
        counts.characters += len(written)
        counts.comments += comments_of(file).total()

    try:
        laws()
    except Exception as error:  # a broken law, or a crash of the parser or formatter: all are findings
        counts.broken.append(f"chunk {number}: {type(error).__name__}: {error}")
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="trees")
    parser.add_argument("--first", type=int, default=0, help="number of the first chunk")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args()
    numbers = range(options.first, options.first + -(-options.count // CHUNK))
    total = Counts()
    with ProcessPoolExecutor(options.jobs) as pool:
        for done, counts in enumerate(pool.map(chunk, numbers), 1):
            total.add(counts)
            for message in counts.broken:
                print(message, flush=True)
            if done % 20 == 0 or done == len(numbers):
                print(f"chunk {numbers[done - 1]:>5}  {total.line()}", flush=True)
    sys.exit(bool(total.broken))


if __name__ == "__main__":
    main()
