"""Report -> report.md: for pull requests and for keeping. What the user wrote stands in code spans only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from circuitlang.claims.verdict import Outcome
from circuitlang.report import drift_lines, words
from circuitlang.report.battery import BatteryResult
from circuitlang.report.drift import Drift
from circuitlang.report.escape import harmless_to_ci, visible
from circuitlang.report.mechanism import Mechanism
from circuitlang.report.mechanism_lines import box_lines
from circuitlang.report.report import Report
from circuitlang.report.results import ClaimResult

_SIGNS = {
    Outcome.PASS: "✅",
    Outcome.UNDECIDED: "❔",
    Outcome.NOT_MEASURED: "❔",
    Outcome.VOID: "⛔",
    Outcome.FAIL: "❌",
}


def markdown(report: Report, diagram: str | None = None, shown: Mechanism | None = None) -> str:
    """GitHub-flavoured Markdown. `diagram`: the file name of the circuit's picture beside it, if there is one; `shown`:
    the mechanism, whose picture is beside it as mechanism.svg."""
    lines = [f"# {_SIGNS[report.verdict]} {code(report.spec)}: {report.verdict.value}", ""]
    if report.doc:
        lines += [code(report.doc), ""]
    if under := words.under(report):
        lines += [f"{under[0].upper()}{under[1:]}.", ""]
    lines += [f"**{report.verdict.value}**: {code(words.meaning(report))}", ""]
    lines += [
        *(f"* {code(f'warning: {said}')}" for said in report.warnings),
        *([""] if report.warnings else []),
        *(_mechanism(shown) if shown is not None else ()),
        *_claims(report),
        *_task(report),
        *_circuit(report, diagram),
        *_checks(report),
        *(_drift(report.drift) if report.drift is not None else ()),
        *_provenance(report),
    ]
    return harmless_to_ci("\n".join(lines).rstrip() + "\n")


def _mechanism(shown: Mechanism) -> Iterator[str]:
    yield "![the mechanism: a few boxes, what each reads, and what it leads to](mechanism.svg)"
    yield ""
    for box in box_lines(shown):
        yield f"* {code(box.head)}"
        yield from (f"  * {code(said)}" for said in box.more)
    yield ""


def code(text: str) -> str:
    """A code span that shows exactly this text: nothing in it is a link, a mention, a tag or an emphasis.

    The fence is longer than any run of backticks inside. A `|` would end a table's cell even in a code span, so it
    becomes the one that looks like it (∣).
    """
    shown = visible(text).replace("|", "∣")
    if not shown.strip(" "):
        return f"`{shown or ' '}`" if not shown else f"`‘{shown}’`"
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", shown)), default=0))
    edge = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{edge}{shown}{edge}{fence}"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The first column to the left, the others to the right. Cells are Markdown already."""
    heads = list(heads)
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def _claims(report: Report) -> Iterator[str]:
    if not report.claims:
        return
    yield f"## Claims, at confidence {report.confidence:.6g}"
    yield ""
    yield from _table(
        ("claim", "verdict", "measured", "interval", "over"),
        (
            (
                f"{code(claim.name)}: {code(claim.text)}",
                f"{_SIGNS[claim.verdict]} {claim.verdict.value}",
                *words.measured(claim),
                words.evidence(claim),
            )
            for claim in report.claims
        ),
    )
    said = [line for claim in report.claims for line in _remarks(claim)]
    yield from said
    if said:
        yield ""


def _remarks(claim: ClaimResult) -> Iterator[str]:
    for remark in (*words.remarks(claim), words.seeds(claim)):
        if remark:
            yield f"* {code(claim.name)}: {code(remark)}"
    if claim.counterexample is not None:
        example = claim.counterexample
        yield (
            f"* {code(claim.name)} breaks on {code(example.prompt)}: expected {code(example.expected)}, "
            f"the model says {code(example.model_answer)}, the circuit {code(example.circuit_answer)}"
        )


def _task(report: Report) -> Iterator[str]:
    task = report.task
    yield f"## The untouched model: {task.outcome.value}"
    yield ""
    yield f"{code(task.name)} on {code(task.model)}, {words.asked(task)}."
    yield ""
    if task.note:
        yield code(task.note)
        yield ""
    yield from _table(
        ("metric", "mean", "interval"),
        ((code(metric), *words.measured(found)) for metric, found in task.intervals.items()),
    )


def _circuit(report: Report, diagram: str | None) -> Iterator[str]:
    circuit = report.circuit
    if circuit is None:
        return
    yield "## The circuit"
    yield ""
    yield (
        f"{words.size(circuit)} and {words.edges(circuit)} (seed {circuit.seeds[0]}). "
        "Losses are nats per prompt: of the circuit alone on `select` and `test`, and with the circuit ablated; "
        "the answer set is the probability of answer and foils together."
    )
    yield ""
    yield from _table(words.CIRCUIT_HEADS, map(words.circuit_row, circuit.per_seed))
    for said in (
        words.answer_set(report.task, circuit.per_seed[0]),
        words.partners(circuit),
        words.constants(circuit),
    ):
        if said:
            yield f"* {code(said)}"
    yield ""
    if circuit.overlap:
        yield f"{words.overlap(circuit.overlap).capitalize()}."
        yield ""
    if diagram is not None:
        yield f"![the circuit's nodes and edges]({re.sub(r'[^A-Za-z0-9._-]', '_', diagram)})"
        yield ""


def _checks(report: Report) -> Iterator[str]:
    if report.controls:
        yield f"## Controls{words.not_run(report.controls)}"
        yield ""
        yield from _table(
            words.CONTROL_HEADS,
            (words.control_row(control, code) for control in report.controls),
        )
        for control in report.controls:
            said = "; ".join(filter(None, (control.text, control.note)))
            if said:
                yield f"* {code(control.name)}: {code(said)}"
        yield ""
    if report.battery:
        yield from _battery(report.battery)


def _battery(checks: Sequence[BatteryResult]) -> Iterator[str]:
    yield f"## Battery: is it the model's own computation?{words.not_run(checks)}"
    yield ""
    yield from _table(
        ("check", "verdict", "most telling number", "value", "interval"),
        (
            (
                code(check.name),
                f"{_SIGNS[check.verdict]} {check.verdict.value}"
                if check.verdict is not None
                else "informational",
                *(code(cell) if cell else "" for cell in words.headline(check)[:1]),
                *words.headline(check)[1:],
            )
            for check in checks
        ),
    )
    for check in checks:
        said = [
            *([check.text] if check.text else []),
            *words.other_numbers(check),
            *([words.shortened(check.note)] if check.note else []),
        ]
        if said:
            yield f"* {code(check.name)}: {'; '.join(map(code, said))}"
    yield ""


def _drift(drift: Drift) -> Iterator[str]:
    yield f"## {drift_lines.head(drift).capitalize()}"
    yield ""
    yield from (f"* {code(said)}" for said in drift_lines.summary(drift))
    yield ""
    for circuit in drift.circuits:
        rows = drift_lines.rows(circuit)
        if rows:
            yield f"{drift_lines.title(circuit).capitalize()}:"
            yield ""
            yield from _table(drift_lines.HEADS, ([code(row[0]), *row[1:]] for row in rows))


def _provenance(report: Report) -> Iterator[str]:
    made = report.provenance
    yield "## Reproduce with"
    yield ""
    yield from _table(
        ("what", "value"),
        (
            ("command", code(" ".join(made.command))),
            ("seed", str(made.seed)),
            ("device", f"{code(made.device)}, {made.threads} thread{'s' if made.threads > 1 else ''}"),
            *((code(name), code(version)) for name, version in made.versions.items()),
            *((f"hash of {code(name)}", code(digest)) for name, digest in made.hashes.items()),
        ),
    )
