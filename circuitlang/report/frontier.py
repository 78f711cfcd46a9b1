"""Frontier: a grid of models, the sizes of their circuits, and sparse ones against dense ones of equal loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import Field

from circuitlang.report.part import Part, Text, lines_of_json, rounded_floats


class Size(Part):
    """Of a circuit. `edges`: nonzero weights between kept nodes, as the paper counts."""

    nodes: int
    edges: int


class Sizes(Part):
    """One model's circuit for one task. `loss`: nats per prompt on `select`. `mean`: ablated nodes have their means
    over text; `resampled`: the values of another place in text (an upper bound). None: the target was not reached."""

    task: Text
    loss: float
    mean: Size | None
    resampled: Size | None


MEASURES: Mapping[str, Callable[[Sizes], int | None]] = {
    "edges": lambda found: found.mean and max(1, found.mean.edges),
    "nodes": lambda found: found.mean and max(1, found.mean.nodes),
    "edges, resampled": lambda found: found.resampled and max(1, found.resampled.edges),
    "nodes, resampled": lambda found: found.resampled and max(1, found.resampled.nodes),
}
"""How a circuit's size is counted; no edge counts as one, so that there is a ratio."""


class Trained(Part):
    """A model of the grid. `nonzeros`: what was asked for, None where it is dense; `kept`: all its nonzero parameters.
    `loss`: nats per token on held-out text. `able`: the tasks it can do. `sizes`: of those that were pruned."""

    name: Text
    width: int
    seed: int
    nonzeros: int | None
    kept: int
    loss: float
    able: tuple[Text, ...]
    sizes: tuple[Sizes, ...]

    def size(self, task: str, measure: str) -> int | None:
        """None where it was not pruned or did not reach the target."""
        return next((MEASURES[measure](found) for found in self.sizes if found.task == task), None)

    @property
    def empty(self) -> tuple[str, ...]:
        """The tasks whose target is met with every node ablated: what is left reads the last token."""
        return tuple(each.task for each in self.sizes if each.mean is not None and not each.mean.nodes)


class Ratio(Part):
    """Dense over sparse. `tasks`: those where both circuits reached the target and neither is empty; `sparse` and
    `dense` are geometric means over them."""

    measure: Text
    tasks: tuple[Text, ...]
    sparse: float
    dense: float

    @property
    def value(self) -> float:
        return self.dense / self.sparse


class Comparison(Part):
    """A sparse model and the dense one whose loss is nearest; `apart`: the dense one's loss minus its own, in nats per
    token. `width`: of a dense model of equal loss, between those there are. `able`: the tasks that both can do; in
    those of them that are `empty`, one of the two needs no node at all."""

    sparse: Text
    dense: Text
    apart: float
    width: float
    able: tuple[Text, ...]
    empty: tuple[Text, ...]
    ratios: tuple[Ratio, ...]


class Summary(Part):
    """The ratios of one width and number of nonzeros over seeds: geometric mean, and an interval where there are two or
    more seeds (Student's t of the logarithms)."""

    width: int
    nonzeros: int
    measure: Text
    value: float
    low: float | None
    high: float | None
    seeds: int


class Frontier(Part):
    """`target`: nats per prompt that every circuit had to reach. `confidence` of the intervals. `unmatched`: sparse
    models without dense ones of equal loss, and why."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    base: Text
    target: float
    confidence: float
    models: tuple[Trained, ...]
    comparisons: tuple[Comparison, ...]
    summaries: tuple[Summary, ...]
    unmatched: tuple[Text, ...]

    def to_json(self) -> str:
        return lines_of_json(rounded_floats(self.model_dump(mode="json", by_alias=True)), width=160) + "\n"

    def common(self, measure: str) -> tuple[str, ...]:
        """The tasks of which every model of a comparison has a circuit: only over these can all of them be drawn in
        one picture."""
        compared = {name for found in self.comparisons for name in (found.sparse, found.dense)}
        tasks = [
            {found.task for found in model.sizes if MEASURES[measure](found) is not None} - {*model.empty}
            for model in self.models
            if model.name in compared
        ]
        return tuple(sorted(set.intersection(*tasks))) if tasks else ()


def counted(tasks: int) -> str:
    """A number of them, in words."""
    return "1 task" if tasks == 1 else f"{tasks} tasks"


def frontier_lines(found: Frontier) -> list[str]:
    """What the terminal is told: the models, the comparisons, and the ratios over seeds."""
    lines = [f"{'model':26}{'loss':>8}{'kept':>10}{'tasks':>7}   circuits: edges (nodes)"]
    for model in found.models:
        sizes = "  ".join(
            f"{each.task} {each.mean.edges} ({each.mean.nodes})" if each.mean else f"{each.task} –"
            for each in model.sizes
        )
        lines.append(f"{model.name:26}{model.loss:>8.4f}{model.kept:>10,}{len(model.able):>7}   {sizes}")
    for each in found.comparisons:
        lines += [
            "",
            f"{each.sparse} and {each.dense}, whose loss is {each.apart:+.4f}; of equal loss is width {each.width:.1f}",
        ]
        lines += [
            f"  {ratio.measure:18}{ratio.dense:>9.1f} /{ratio.sparse:>7.1f} = {ratio.value:>6.2f}   "
            f"over {counted(len(ratio.tasks))}: {', '.join(ratio.tasks)}"
            for ratio in each.ratios
        ]
        if each.empty:
            lines.append(f"  needs no node in one of the two: {', '.join(each.empty)}")
        if not each.ratios:
            lines.append(
                f"  nothing to compare: of {len(each.able)} tasks that both can do, none has a circuit in both"
            )
    lines += ["", *found.unmatched] if found.unmatched else []
    if found.summaries:
        lines += ["", f"{'width':>6}{'nonzeros':>10}  {'dense over sparse':20}{'ratio':>7}   over seeds"]
    for row in found.summaries:
        apart = (
            "one seed: no interval"
            if row.low is None
            else f"{row.low:.2f} … {row.high:.2f}, {row.seeds} seeds"
        )
        lines.append(f"{row.width:>6}{row.nonzeros:>10,}  {row.measure:20}{row.value:>7.2f}   {apart}")
    return lines
