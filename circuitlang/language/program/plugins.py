"""Names that the vocabulary does not have -> metrics and interventions that installed packages add (entry points).

A package is looked for, and imported, only when a program uses a name that the language does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from circuitlang.language.program import errors, errors_claim
from circuitlang.language.program.signature import InterventionKind, Metric
from circuitlang.language.program.vocabulary import AT, INTERVENTIONS, METRICS, TO
from circuitlang.language.syntax import tree
from circuitlang.source.diagnostic import Diagnostic

METRIC_GROUP, INTERVENTION_GROUP = "circuitlang.metrics", "circuitlang.interventions"
"""The groups of entry points. Each entry's name is the word, its object the row of the vocabulary."""
_Row = TypeVar("_Row", Metric, InterventionKind)


def find_metric(name: tree.Key, found: list[Diagnostic]) -> Metric | None:
    """The metric of this name; None, with what is wrong, where there is none."""
    metric = METRICS.get(name.text) or _find(name, "metric", METRIC_GROUP, Metric, METRICS, found)
    if metric is not None and metric.counts and metric.name not in METRICS:
        why = "a count is of the circuit's own parts, which the language counts itself"
        found.append(errors_claim.broken_plugin(name.span, name.text, why))
        return None
    return metric


def find_intervention(name: tree.Key, found: list[Diagnostic]) -> InterventionKind | None:
    """The intervention of this name; None, with what is wrong, where there is none."""
    if name.text in INTERVENTIONS:
        return INTERVENTIONS[name.text]
    kind = _find(name, "intervention", INTERVENTION_GROUP, InterventionKind, INTERVENTIONS, found)
    others = [option.name for option in kind.options if option not in (AT, TO)] if kind else []
    if others:
        why = f"its options can be `at` and `to` of the language, not {', '.join(map('`{}`'.format, others))}"
        found.append(errors_claim.broken_plugin(name.span, name.text, why))
        return None
    return kind


def metric_row(name: str) -> Metric:
    """The row of a metric that was checked. Raises KeyError where there is none."""
    if name in METRICS:
        return METRICS[name]
    row = _entries(METRIC_GROUP)[name].load()
    assert isinstance(row, Metric), f"{name} was checked although it is no metric"
    return row


def intervention_row(name: str) -> InterventionKind:
    """The row of an intervention that was checked. Raises KeyError where there is none."""
    if name in INTERVENTIONS:
        return INTERVENTIONS[name]
    row = _entries(INTERVENTION_GROUP)[name].load()
    assert isinstance(row, InterventionKind), f"{name} was checked although it is no intervention"
    return row


def _find(
    name: tree.Key,
    what: str,
    group: str,
    kind: type[_Row],
    known: Mapping[str, _Row],
    found: list[Diagnostic],
) -> _Row | None:
    entries = _entries(group)
    entry = entries.get(name.text)
    if entry is None:
        found.append(errors.unknown(what, name.span, [*known, *entries]))
        return None
    try:
        row = entry.load()
    except Exception as error:  # whatever a package raises while it is imported is its own mistake
        why = f"{type(error).__name__}: {error}"
        found.append(errors_claim.broken_plugin(name.span, entry.value, why))
        return None
    if not isinstance(row, kind) or row.name != name.text:
        why = f"it is no {kind.__name__} of the name `{name.text}`"
        found.append(errors_claim.broken_plugin(name.span, entry.value, why))
        return None
    return row


def _entries(group: str):
    from importlib.metadata import entry_points  # reads the folders of all packages

    return {entry.name: entry for entry in entry_points(group=group)}
