"""Cues of a task -> a table in words for a terminal, or plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from rich.text import Text

from circuitlang.language.program.task import Task
from circuitlang.prompts.cues import CHANCE, CONFIDENCE, Cue, Cues
from circuitlang.prompts.prompt import Split
from circuitlang.report.escape import visible

_ROWS = 12  # cues of a kind that are listed; the data hold all
_TEXTS = 3  # tokens of a rule that are named


def cue_lines(task: Task, cues: Cues, split: Split, tokens: str) -> Iterator[Text]:
    """Strongest first, each with its number. `tokens`: whose tokens were counted, in words."""
    yield Text(f"{task.name}: what tells its cases apart", "bold")
    yield Text(
        f"{cues.datapoints} datapoints of {split}; the {cues.scored} rules were chosen on as many others; "
        f"chance is {CHANCE:.0%}"
    )
    yield Text(f"intervals hold all together at confidence {CONFIDENCE:g}; tokens are {visible(tokens)}")
    telling = [cue for cue in cues.found if cue.low > CHANCE]
    shortcuts = [cue for cue in telling if not cue.own]
    if shortcuts:
        yield from _section("shortcuts: a circuit may use these instead of the task", shortcuts, task)
    if own := [cue for cue in telling if cue.own]:
        yield from _section("counts of the cases' own text: each may be the task itself", own, task)
    if not shortcuts:
        yield Text()
        yield Text("no shortcut found", "green")


def _section(title: str, cues: Sequence[Cue], task: Task) -> Iterator[Text]:
    yield Text()
    yield Text(title, "bold")
    for cue in islice(cues, _ROWS):
        which = f" (`{cue.cases[0]}` from `{cue.cases[1]}`)" if len(task.cases) > 2 else ""
        style = "bold red" if cue.is_shortcut else ""
        share = Text(f"  {cue.accuracy:>4.0%}", style).append(
            f" {f'{cue.low:.0%} … {cue.high:.0%}':<12}", "dim"
        )
        yield share.append(f" {visible(str(cue.feature))}{which}")
        yield Text(f"{'':<20}{visible(rule(cue))}", "dim")
    if len(cues) > _ROWS:
        yield Text(f"  … and {len(cues) - _ROWS} more; --format json lists all")


def rule(cue: Cue) -> str:
    """What the cue says of a prompt, and how often the prompts of a datapoint differ in it."""
    if cue.table is not None:
        said = [f"{token!r}: `{case}`" for token, case in islice(cue.table.items(), _TEXTS)]
        return ", ".join(said) + (f", and {len(cue.table) - _TEXTS} more" if len(cue.table) > _TEXTS else "")
    return (
        f"`{cue.upper}` from {cue.threshold} on; AUROC {cue.auroc:.2f}; "
        f"larger in `{cue.upper}` in {cue.larger:.0%} of datapoints, smaller in {cue.smaller:.0%}"
    )


def cue_data(task: Task, cues: Cues, split: Split, tokens: str) -> dict[str, Any]:
    """Everything that was scored, strongest first."""
    return {
        "task": task.name,
        "split": split,
        "tokens": tokens,
        "datapoints": cues.datapoints,
        "scored": cues.scored,
        "confidence": CONFIDENCE,
        "chance": CHANCE,
        "cues": [
            {
                "feature": cue.feature.kind,
                "text": cue.feature.text or None,
                "cases": list(cue.cases),
                "own": cue.own,
                "warning": cue.is_shortcut,
                "accuracy": cue.accuracy,
                "low": cue.low,
                "high": cue.high,
                "upper": None if cue.threshold is None else cue.upper,
                "threshold": cue.threshold,
                "table": None if cue.table is None else dict(cue.table),
                "auroc": cue.auroc,
                "larger": cue.larger,
                "smaller": cue.smaller,
            }
            for cue in cues.found
        ],
    }
