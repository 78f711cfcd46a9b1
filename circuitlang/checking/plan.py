"""`plan`: what a check will cost and what it can tell, before it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from circuitlang.checking.bench import Bench
from circuitlang.checking.job import Job, Options
from circuitlang.checking.static import check_text
from circuitlang.language.files import choose
from circuitlang.language.program.load import project_root
from circuitlang.language.program.spec import Spec

if TYPE_CHECKING:
    from circuitlang.claims.forecast import Costs, Forecast


def plan(path: Path, name: str | None, options: Options, measure: bool) -> list[Forecast]:
    """What checking a file's specs will cost, of one or of all. `measure`: the time of a pass and the spread of losses
    are measured, which loads the model."""
    from circuitlang.claims.forecast import forecast

    specs = check_text([path])[0][0].specs
    chosen = [choose(specs, name, "spec", path)] if name is not None or not specs else list(specs.values())
    root = project_root(path)
    return [
        forecast(spec, options.controls, measure_costs(spec, root, options) if measure else None)
        for spec in chosen
    ]


def measure_costs(spec: Spec, root: Path, options: Options) -> Costs:
    """A pass of the untouched model over a few datapoints of `select`, after one that warms up."""
    from circuitlang.claims.forecast import Costs
    from circuitlang.claims.looks import SCREENED
    from circuitlang.claims.measure import Setting

    meter = Bench.of(Job(spec, root, replace(options, fresh=True))).meter
    setting = Setting(split="select")
    meter.table(setting, "loss", SCREENED)
    meter.prompts("select", (), 1)  # made beforehand: only the model is timed
    began = monotonic()
    meter.table(setting, "loss", 2 * SCREENED)
    seconds = monotonic() - began
    losses = meter.table(setting, "loss", 4 * SCREENED).mean(1, dtype="float64")
    return Costs(seconds / (SCREENED * meter.cases), float(losses.std()))
