"""`drift`: a spec's locked circuit judged in every checkpoint of a training, as a table and a picture over steps."""

from __future__ import annotations

import re
from dataclasses import replace
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from circuitlang.checking.job import Options
from circuitlang.checking.run import check_frozen
from circuitlang.model.locate import WEIGHTS
from circuitlang.report.steps import Step, plot_steps, step_lines
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import require_writable, write_whole

if TYPE_CHECKING:
    from circuitlang.report.report import Report


def checkpoints(pattern: str) -> list[tuple[int, Path]]:
    """(step, folder) of the models that a pattern names, in order; the step is the last number in a folder's name.
    CommandError where there is no model, or two are of one step."""
    found = [Path(name) for name in sorted(glob(pattern)) if (Path(name) / WEIGHTS).is_file()]
    if not found:
        raise CommandError(f"no folder {pattern} holds a model")
    numbers = [re.findall(r"\d+", path.name) for path in found]
    wrong = next((path for path, seen in zip(found, numbers, strict=True) if not seen), None)
    if wrong is not None:
        raise CommandError(f"{wrong} does not say its training step: its name has no number")
    steps = {int(seen[-1]): path for seen, path in zip(numbers, found, strict=True)}
    if len(steps) < len(found):
        raise CommandError(f"two of the folders {pattern} are of one step")
    return sorted(steps.items())


def drift_over_steps(
    path: Path, name: str | None, pattern: str, out: Path | None, options: Options
) -> tuple[list[Step], list[str]]:
    """Every checkpoint, and lines that say what became of each claim; the picture is written beside."""
    models = checkpoints(pattern)
    if out is not None:
        require_writable(out.parent)
    steps: list[Step] = []
    for number, (step, folder) in enumerate(models):

        def told(stage: str, share: float, number: int = number, step: int = step) -> None:
            options.told(f"step {step:,}: {stage}", (number + share) / len(models))

        report = check_frozen(path, name, replace(options, model=str(folder), told=told))
        steps.append(_step(step, report))
    place = out or Path("runs") / f"{name or path.stem}.steps.svg"
    write_whole(place, plot_steps(steps))
    return steps, [*step_lines(steps), f"picture in {place}"]


def _step(step: int, report: Report) -> Step:
    claims = {claim.name: (claim.verdict, claim.value, claim.low, claim.high) for claim in report.claims}
    return Step(step, report.verdict, claims)
