"""`plan`: what a check will cost and what it can tell, before it runs; as lines and as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from circuitlang.checking.bench import Bench
from circuitlang.checking.job import Job, Options
from circuitlang.checking.static import check_text
from circuitlang.claims.forecast import POWER, TRAINED, ClaimForecast, Forecast
from circuitlang.language.files import choose
from circuitlang.language.program.load import project_root
from circuitlang.language.program.spec import Spec
from circuitlang.report.escape import visible

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


def forecast_lines(found: Forecast) -> Iterator[str]:
    """What `plan` prints."""
    yield f"{visible(found.spec)}: what a check will cost, and what it can tell at confidence {found.confidence:g}"
    yield ""
    for claim in found.claims:
        yield f"{visible(claim.name)}: {visible(claim.text)}"
        yield from (f"    {line}" for line in _claim(claim, found.cases))
    yield ""
    seeds = f"{found.searches} of the model" + (
        f", {found.null_searches} of controls" if found.null_searches else ""
    )
    yield f"prunings   {seeds}: {found.trained:,} prompts, each {TRAINED} passes, and what candidates are measured on"
    each = " (`each` claims: for one member)" if any(claim.per_member for claim in found.claims) else ""
    yield f"passes     at most {found.passes:,} prompts for claims and competence, without controls{each}"
    if found.minutes is None:
        yield "minutes    --measure loads the model and estimates them"
    else:
        yield (
            f"minutes    about {found.minutes:.2g} or more here; a datapoint's loss has a standard deviation of "
            f"{found.deviation:.2g} nats"
        )


def _claim(claim: ClaimForecast, cases: int) -> Iterator[str]:
    if claim.method == "count":
        yield "counted, exact"
        return
    runs = f"{claim.settings} setting{'s' if claim.settings > 1 else ''} of the model"
    runs += ", for each member" if claim.per_member else ""
    if claim.all_datapoints:
        yield f"all {claim.looks[0]:,} datapoints ({claim.looks[0] * cases:,} prompts): exact, no interval; {runs}"
        return
    looks = ", ".join(f"{n:,}" for n in claim.looks)
    yield f"looks at {looks} datapoints of {cases} prompt{'s' if cases > 1 else ''}; {runs}"
    yield f"{claim.method}, missing at most {claim.error:.2%} of the time at each look"
    if claim.never is not None:
        enough = claim.never.enough
        more = "no samples are enough" if enough is None else f"samples up to {enough:,} are enough"
        yield f"warning: can never pass, the interval ends at {claim.never.best:.6g} at best; {more}"
    elif claim.difference is not None:
        how = "" if claim.assumed is None else f", at a standard deviation of {claim.assumed:.2g}"
        yield f"decides with {POWER:.0%} power from {claim.difference:.2g} beyond the bound{how}"


def forecast_data(found: Forecast) -> Any:
    """As JSON: the fields of `Forecast`, and for a claim that cannot pass `never` with the best limit."""
    data = asdict(found)
    for row, claim in zip(data["claims"], found.claims, strict=True):
        never = claim.never
        row["never"] = None if never is None else {"best": never.best, "enough": never.enough}
    return {"schema": 1, **data}
