"""The results as a table of plain text, which is Markdown too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scipy.special import betaincinv

from benchmarks.judge.circuits import least
from benchmarks.judge.measure import CONFIDENCE, Results, allowed
from circuitlang.claims.verdict import Outcome


def table(found: Results) -> Iterator[str]:
    """Line by line."""
    for there, rows in (
        (found.pruned, _pruning),
        (found.mutations, _mutations),
        (found.nulls, _nulls),
        (found.same.runs, _same),
    ):
        if there:
            yield from rows(found)
            yield ""
    for line in found.mutated.passed:
        yield f"a mutation that passes: {line}"
    for null in found.nulls:
        if null.outcome is Outcome.PASS:
            yield f"a null that passes: {null.kind}: {null.name}"
    for line in found.wrong:
        yield f"WRONG: {line}"
    yield f"{found.seconds:.0f} s"


def _same(found: Results) -> Iterator[str]:
    same = found.same
    yield from _rows(
        ("the judging step", ""),
        [
            ("runs with the same seed", f"{same.runs}"),
            (
                "different results, should be one for each circuit",
                f"{same.digests} of {same.circuits} circuits",
            ),
            ("verdicts with other threads and batch sizes", f"{same.compared}"),
            ("of those, changed", f"{len(same.flipped)}"),
        ],
    )


def _pruning(found: Results) -> Iterator[str]:
    passed = sum(one.outcome is Outcome.PASS for one in found.pruned)
    exact = sum(min(*one.nodes.values(), *one.edges.values()) == 1 for one in found.pruned)
    yield from _rows(
        ("true specs", ""),
        [
            ("variations", f"{len(found.pruned)}"),
            ("verdicts, of roles with arrows and of claims", f"{sum(one.claims for one in found.pruned)}"),
            ("specs that pass", f"{passed}"),
            ("circuits found exactly", f"{exact}"),
            *((f"{name}, the least", f"{value:.3f}") for name, value in least(found.pruned)),
            ("decoys found, of all together", f"{sum(one.decoys for one in found.pruned)}"),
        ],
    )


def _mutations(found: Results) -> Iterator[str]:
    outcomes = ("refused", Outcome.FAIL, Outcome.NOT_MEASURED, Outcome.UNDECIDED, Outcome.PASS)
    counts = found.mutated.counts
    rows = [(name, *(f"{counts[name][o]}" for o in outcomes)) for name in sorted(counts)]
    total = ("all", *(f"{found.mutations[o]}" for o in outcomes))
    yield from _rows(("mutated specs", *("refused by the checker", *map(str, outcomes[1:]))), [*rows, total])


def _nulls(found: Results) -> Iterator[str]:
    rows = []
    for kind in (*sorted({null.kind for null in found.nulls}), None):
        passes, count = found.passes(kind)
        low = float(betaincinv(passes, count - passes + 1, 0.025)) if passes else 0.0
        high = float(betaincinv(passes + 1, count - passes, 0.975)) if passes < count else 1.0
        may = f"{allowed(count)}" if kind is None else ""
        rows.append((kind or "all", f"{count}", f"{passes}", f"{low:.2%} to {high:.2%}", may))
    yield from _rows(
        ("nulls", "claims", "pass", "95 % interval of the share", f"may pass at {CONFIDENCE}"), rows
    )


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
