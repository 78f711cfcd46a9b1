"""Bounded: sizes are known before anything is made, too much is refused with a code, the rest is soon done.

`python -m benchmarks.promises.bounded --count 300`. Each file that could grow stands in a process of its own with 512
MiB of address space and two seconds of processor time beyond its start; random programs share processes.
"""

from __future__ import annotations

import json
import resource
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import process_time

from benchmarks.promises.samples import CHUNK, child, command, program_texts
from circuitlang.language.program.load import load
from circuitlang.prompts.document import RuleDocuments
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import SPLITS
from circuitlang.prompts.support import check_support
from circuitlang.source.diagnostic import CommandError, ProgramError

SECONDS = 2.0  # processor time of one file
MEMORY = 512 << 20  # bytes of address space


def growing() -> Iterator[tuple[str, str]]:
    """(what grows, text) of files at the limits and beyond: each is refused, or accepted and bounded."""
    tail = 'draw d = 0..9999\ncase a prompt "{d}{r}" answer "1"\ncase b prompt "{d}{r}!" answer "2"\n}\n'
    for times in (10, 1000, 10**5, 10**6, 10**9, 10**17):
        yield f"a repetition of {times:,}", f'task t {{ rule r = "ab"{{{times}}} {tail}'
        yield f"a repetition up to {times:,}", f"task t {{ rule r = 0..9{{0..{times}}} {tail}"
        yield f"a param up to {times:,}", f'task t {{ param n = 1..{times} rule r = "a"{{n}} {tail}'
        yield f"numbers up to {times:,}", f"task t {{ rule r = 0..{times} {tail}"
        yield f"draws of numbers up to {times:,}", f"task t {{ draw p, q = 0..{times} rule r = p q {tail}"
    for levels in (5, 20, 60, 99, 100, 1000):
        rules = "".join(f"rule r{n} = r{n + 1} r{n + 1}\n" for n in range(levels))
        yield f"doubling in {levels} rules", f'task t {{ rule r = r0 {rules} rule r{levels} = "x" {tail}'
        rules = "".join(f"rule r{n} = r{n + 1}\n" for n in range(levels))
        yield f"a chain of {levels} rules", f'task t {{ rule r = r0 {rules} rule r{levels} = "x" {tail}'
    for depth in (3, 8, 16, 32):
        yield f"depth {depth}, two uses", f'task t {{ rule r depth {depth} = "x" | r r {tail}'
        yield f"depth {depth}, four uses", f'task t {{ rule r depth {depth} = "x" | "(" r{{0..4}} ")" {tail}'
        family = f'rule r depth {depth} = "x" | s s rule s depth {depth} = "y" | r {tail}'
        yield f"depth {depth}, two rules", f"task t {{ {family}"
        family = "".join(f'rule s{n} depth {depth} = "y" | s{(n + 1) % 6} s{(n + 2) % 6}\n' for n in range(6))
        yield f"depth {depth}, six rules", f"task t {{ {family} rule r = s0 {tail}"
    for count in (100, 1000, 5000):
        words = " | ".join(f'"w{n}"' for n in range(count))
        yield f"{count} alternatives", f"task t {{ rule r = {words} {tail}"
        yield f"{count} choices of four names", f"task t {{ draw p, q, s, u = {words} rule r = p q s u {tail}"
        weights = " | ".join(f'"w{n}" weight 0.{n + 1:07}' for n in range(count))
        yield f"{count} weights of seven digits", f"task t {{ draw p, q = {weights} rule r = p q {tail}"
        names = ", ".join(f"n{n}" for n in range(count))
        yield f"{count} names of a draw", f"task t {{ draw {names} = 0..{count} rule r = n0 {tail}"
        rules = "".join(f"rule r{n} = 0..9\n" for n in range(count))
        uses = " ".join(f"r{n}" for n in range(count))
        yield f"{count} rules side by side", f"task t {{ {rules} rule r = {uses} {tail}"
        cases = "".join(f'case c{n} prompt "{{d}}" answer "{n}"\n' for n in range(count))
        yield f"{count} cases", f"task t {{ draw d = 0..99999 {cases} }}\n"
        params = "".join(f"param p{n} = 0..9\n" for n in range(count))
        uses = " ".join(f"p{n}" for n in range(count))
        yield f"{count} params", f"task t {{ {params} rule r = {uses} {tail}"
        options = " | ".join('("a" | "b" r1){0..3}' for _ in range(count))
        yield f"{count} repeated groups", f"task t {{ rule r1 = 0..9 rule r = {options} {tail}"
    for count in (4, 8, 16):
        repeats = "{0..9}" * 1
        nested = "x"
        for _ in range(count):
            nested = f"({nested} | x){repeats}"
        yield f"{count} repetitions inside each other", f'task t {{ rule x = "x" rule r = {nested} {tail}'
        cases = "".join(f'case c{n} prompt "{{d}}{{x}}{{x}}" answer "{n}"\n' for n in range(count))
        yield f"{count} cases that share uses", f"task t {{ rule x = 0..9 draw d = 0..99999 {cases} }}\n"
        own = "".join(
            f'case c{n} with b = {n}..{n + 999} prompt "{{d}}{{b}}{n}{n * 7}" answer "{n}"\n'
            for n in range(count)
        )
        yield f"{count} cases of their own", f"task t {{ draw d = 0..99999 {own} }}\n"
    yield "64 parentheses", f'task t {{ rule r = {"(" * 64}"x"{")" * 64} {tail}'
    yield "65 parentheses", f'task t {{ rule r = {"(" * 65}"x"{")" * 65} {tail}'
    yield "a string of 200,000 characters", f'task t {{ rule r = "{"x" * 200_000}" {tail}'
    yield "a comment of 1,000,000 characters", f'# {"x" * 1_000_000}\ntask t {{ rule r = "x" {tail}'
    yield "a file of more than a mebibyte", "#" * ((1 << 20) + 1)
    yield "a corpus that doubles", 'corpus c { rule r depth 18 = "x" | r r document r }\n'
    yield "a corpus of long lines", 'corpus c { rule r = "abc "{200000} document r }\n'
    yield (
        "seeds up to a thousand",
        'task t { rule r = "x" '
        + tail
        + ('spec s { task = t model = "zoo:python-small" prune { seeds = 0..999 } claim c: nodes <= 3 }\n'),
    )


def measure(count: int, step: int = 1) -> tuple[bool, str]:
    """Whether it holds, and the figure, of so many random programs and of each `step`-th file that grows."""
    outcomes: Counter[str] = Counter()
    broken: list[str] = []
    seconds = peak = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pyproject.toml").touch()
        groups = [[row] for row in list(growing())[::step]]
        texts = [("a random program", text) for text in program_texts(count)]
        groups += [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
        for number, group in enumerate(groups):
            path = folder / f"{number}.json"
            path.write_text(json.dumps(group))
            try:
                rows = child("bounded", path)
            except RuntimeError as error:
                broken.append(f"{group[0][0]}: {str(error).splitlines()[-1]}")
                continue
            for row in rows["files"]:
                outcomes[row["outcome"]] += 1
                seconds = max(seconds, row["seconds"])
                if row["seconds"] > SECONDS or row["outcome"].startswith("ended"):
                    broken.append(f"{row['name']}: {row['outcome']} after {row['seconds']:.2f} s")
            peak = max(peak, rows["peak"])
    listed = ", ".join(f"{name} {number}" for name, number in sorted(outcomes.items()))
    return not broken, "\n".join(
        [
            f"{outcomes.total():,} files: {listed}",
            f"slowest {seconds:.2f} s of processor time, largest process {peak:.0f} MiB; "
            f"{len(broken)} beyond {SECONDS:g} s, {MEMORY >> 20} MiB or an answer",
            *broken,
        ]
    )


def work(path: Path) -> dict[str, object]:
    """Load, check, count and generate each text of a list."""
    warm = path.with_suffix(".warm.task")
    warm.write_text('task w { draw d = 0..99 case a prompt "{d}" answer "1" foil "2" }\n')
    _try(warm)  # the parser that is built once
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    rows = []
    for name, text in json.loads(path.read_text()):
        file = path.with_suffix(".task")
        file.write_text(text)
        start = process_time()
        try:
            outcome = _try(file)
        except Exception as error:  # a crash is no answer
            outcome = f"ended with {type(error).__name__}"
        rows.append({"name": name, "outcome": outcome, "seconds": process_time() - start})
    return {"files": rows, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _try(path: Path) -> str:
    try:
        program = load(path)
    except ProgramError as error:
        return f"refused with {error.diagnostics[0].code}"
    for task in program.tasks.values():
        found = check_support(task)
        if found:
            return f"refused with {found[0].code}"
        generator = Generator(task, 0)
        try:
            for split in SPLITS:
                generator.datapoint(split, 0)
        except ProgramError as error:
            return f"refused with {error.diagnostics[0].code}"
        except CommandError:
            return "refused with a sentence"
    for corpus in program.corpora.values():
        with suppress(CommandError):
            RuleDocuments(corpus, 0).text(0)
    return "accepted and generated"


if __name__ == "__main__":
    command(__doc__, work, measure, 300, "random programs")
