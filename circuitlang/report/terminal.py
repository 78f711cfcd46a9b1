"""Report -> what a terminal shows: plain text or with colours, good at 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from circuitlang.claims.verdict import Outcome
from circuitlang.report import drift_lines, words
from circuitlang.report.battery import BatteryResult
from circuitlang.report.drift import Drift
from circuitlang.report.escape import harmless_to_ci, visible
from circuitlang.report.exhibit import Exhibit
from circuitlang.report.listing import aligned
from circuitlang.report.mechanism import mechanism
from circuitlang.report.mechanism_lines import box_lines
from circuitlang.report.report import Report
from circuitlang.report.results import ClaimResult

_COLOURS = {
    Outcome.PASS: "bold green",
    Outcome.UNDECIDED: "bold yellow",
    Outcome.NOT_MEASURED: "bold yellow",
    Outcome.VOID: "bold red",
    Outcome.FAIL: "bold red",
}
_INDENT = 14  # columns: the longest outcome and its margin


def terminal(report: Report, width: int = 80, colour: bool = False, exhibit: Exhibit | None = None) -> str:
    """The whole report. Text of the user's cannot colour, move, reorder or hide anything, nor command a CI runner."""
    file = StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        force_jupyter=False,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
        _environ={},
    )
    for part in _parts(report, exhibit):
        console.print(part)
    return harmless_to_ci("\n".join(line.rstrip() for line in file.getvalue().split("\n")))


def summary_lines(reports: Sequence[Report]) -> list[str]:
    """A row per report, under heads, and how many passed."""
    rows = [("spec", "model", "verdict", "claims", "nodes", "loss"), *map(_summary_row, reports)]
    passed = sum(report.verdict is Outcome.PASS for report in reports)
    return [*aligned(rows), f"{passed} of {len(reports)} pass"]


def _summary_row(report: Report) -> tuple[str, ...]:
    passed = sum(claim.verdict is Outcome.PASS for claim in report.claims)
    nodes, loss = "–", "–"
    if circuits := report.per_seed:
        sizes = [circuit.nodes for circuit in circuits]
        nodes = "–".join(map(str, sorted({min(sizes), max(sizes)})))
        loss = f"{max(circuit.loss_test or 0.0 for circuit in circuits):.3f}"
    claims = f"{passed} of {len(report.claims)}"
    return visible(report.spec), visible(report.task.model), report.verdict.value, claims, nodes, loss


def _parts(report: Report, exhibit: Exhibit | None) -> Iterator[RenderableType]:
    yield _line((visible(report.spec), "bold"), ("  ", ""), (report.verdict.value, _COLOURS[report.verdict]))
    if under := words.under(report):
        yield _text(under)
    if report.doc:
        yield _text(report.doc, "italic")
    for said in report.warnings:
        yield _text(f"warning: {said}", "yellow")
    if (shown := mechanism(report, exhibit)) is not None:
        yield Text()
        yield Text("mechanism, from the tokens to the answer (mechanism.svg)", "dim")
        for box in box_lines(shown):
            yield Padding(_text(box.head), (0, 0, 0, 2))
            yield from (Padding(_text(said, "dim"), (0, 0, 0, 6)) for said in box.more)
    yield Text()
    yield _summary(report)
    if report.claims:
        yield Text()
        yield Group(*(_claim(claim) for claim in report.claims))
    if report.circuit is not None and len(report.circuit.per_seed) > 1:
        yield Text()
        yield _table(
            "circuits (losses in nats per prompt)",
            words.CIRCUIT_HEADS,
            [words.circuit_row(circuit) for circuit in report.circuit.per_seed],
        )
        if report.circuit.overlap:
            yield Padding(Text(words.overlap(report.circuit.overlap)), (0, 0, 0, 2))
    yield from _checks(report)
    if report.drift is not None:
        yield from _drift(report.drift)
    yield Text()
    yield _line((report.verdict.value, _COLOURS[report.verdict]), (f": {visible(words.meaning(report))}", ""))
    if report.seconds:
        spent = " · ".join(f"{visible(stage)} {value:.1f} s" for stage, value in report.seconds.items())
        yield _text(f"{spent}{' · circuits from the cache' if report.cached else ''}", "dim")


def _line(*parts: tuple[str, str]) -> Text:
    """Text in several styles; the parts are already harmless."""
    line = Text()
    for text, style in parts:
        line.append(text, style)
    return line


def _text(text: str, style: str = "") -> Text:
    return Text(visible(text), style)


def _summary(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    task, circuit = report.task, report.circuit
    table.add_row(Text("task", "dim"), _text(f"{task.name} on {task.model}, {words.asked(task)}"))
    for metric, measured in task.intervals.items():
        value, interval = words.measured(measured)
        table.add_row("", _text(f"{metric} {value}{f'  ({interval})' if interval else ''}"))
    if task.outcome is not Outcome.PASS:
        table.add_row("", _line(("competence: ", ""), (task.outcome.value, _COLOURS[task.outcome])))
    if task.note:
        table.add_row("", _text(task.note))
    if circuit is not None:
        only = circuit.per_seed[0] if len(circuit.per_seed) == 1 else None
        table.add_row(Text("circuit", "dim"), _text(words.circuit_line(circuit)))
        if only is not None and only.loss_without is not None:
            table.add_row("", _text(f"loss with the circuit ablated {words.number(only.loss_without)} nats"))
        if only is not None and only.mass_test is not None:
            table.add_row("", _text(words.answer_set(task, only)))
        for said in filter(None, (words.partners(circuit), words.constants(circuit))):
            table.add_row("", _text(said))
    table.add_row(
        Text("interval", "dim"), _text(f"at confidence {report.confidence:.6g}, adjusted for interim looks")
    )
    return table


def _claim(claim: ClaimResult) -> RenderableType:
    """The outcome, what is claimed, and below it the number with what it rests on."""
    value, interval = words.measured(claim)
    facts = [f"{value}{f'  ({interval})' if interval else ''}", words.evidence(claim)]
    rows = [_line((visible(claim.name), "bold"), (f": {visible(claim.text)}", ""))]
    if value:
        rows.append(_text("   ".join(filter(None, facts))))
    rows += [_text(remark, "dim") for remark in words.remarks(claim)]
    if words.seeds(claim):
        rows.append(_text(words.seeds(claim), "dim"))
    rows += [_text(line) for line in words.breaks(claim)]
    return _beside(Text(claim.verdict.value, _COLOURS[claim.verdict]), rows)


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    """Numbers to the right, the first column to the left."""
    table = Table(
        title=Text(title, "dim"), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for place, head in enumerate(heads):
        table.add_column(
            Text(head, "dim"), justify="right" if place else "left", overflow="fold", no_wrap=not place
        )
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    return table


def _checks(report: Report) -> Iterator[RenderableType]:
    if report.controls:
        yield Text()
        yield _table(
            f"controls: nulls through the same pruning{words.not_run(report.controls)}",
            words.CONTROL_HEADS,
            [words.control_row(control) for control in report.controls],
        )
        for control in report.controls:
            if control.note:
                yield Padding(_text(f"{control.name}: {control.note}", "dim"), (0, 0, 0, 2))
    if report.battery:
        yield Text()
        asked = "battery: is it the model's own computation? Informational checks do not affect the verdict."
        yield Text(f"{asked}{words.not_run(report.battery)}", "dim")
        yield Group(*(_check(check) for check in report.battery))


def _drift(drift: Drift) -> Iterator[RenderableType]:
    yield Text()
    yield Text(drift_lines.head(drift), "dim")
    for said in drift_lines.summary(drift):
        yield Padding(_text(said), (0, 0, 0, 2))
    for circuit in drift.circuits:
        rows = drift_lines.rows(circuit)
        if rows:
            yield _table(drift_lines.title(circuit), drift_lines.HEADS, rows)


def _check(check: BatteryResult) -> RenderableType:
    """The outcome, the most telling number, and below it what is said of it; the rest is in report.md."""
    what, value, interval = words.headline(check)
    number = " ".join(filter(None, (what, value))) + (f"  ({interval})" if interval else "")
    rows = [_line((visible(check.name), "bold"), (f": {visible(number)}" if number else "", ""))]
    if check.note:
        rows.append(_text(words.shortened(check.note), "dim"))
    style = _COLOURS[check.verdict] if check.gates and check.verdict is not None else "dim"
    return _beside(Text(words.of_check(check), style), rows)


def _beside(outcome: Text, rows: list[Text]) -> Table:
    table = Table.grid()
    table.add_column(width=_INDENT, no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(outcome, Group(*rows))
    return table
