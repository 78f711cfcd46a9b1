"""A checked spec or bridge -> what of it nothing computes yet; silent of a row of the vocabulary that is built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from circuitlang.language.program.bridge import Bridge
from circuitlang.language.program.errors_spec import not_built
from circuitlang.language.program.plugins import intervention_row, metric_row
from circuitlang.language.program.spec import Quantity, Spec
from circuitlang.language.program.vocabulary import FEATURES, METRICS
from circuitlang.source.diagnostic import Diagnostic, Span

Severity = Literal["error", "warning"]
"""A warning where nothing is to be run, an error where it is."""


def unbuilt(spec: Spec, severity: Severity) -> list[Diagnostic]:
    """One diagnostic for each word of the spec that is right and that nothing measures."""
    missing = list(_circuit(spec))
    for claim in spec.claims:
        for side in claim.quantities:
            missing += _quantity(side)
    return [not_built(span or spec.span, what, severity) for span, what in missing]


def unbuilt_bridge(bridge: Bridge, severity: Severity) -> list[Diagnostic]:
    """Nothing, or that bridges are not trained yet."""
    feature = FEATURES["bridges"]
    return [] if feature.built else [not_built(bridge.span.part(0, len("bridge")), feature.meaning, severity)]


def _circuit(spec: Spec) -> Iterator[tuple[Span | None, str]]:
    if spec.circuit is None:
        return
    if spec.circuit.arrows and not FEATURES["arrows"].built:
        yield spec.circuit.span, FEATURES["arrows"].meaning


def _quantity(quantity: Quantity) -> Iterator[tuple[Span | None, str]]:
    metric = metric_row(quantity.metric)
    if not metric.built or (metric.name not in METRICS and not metric.measure):
        yield quantity.span, metric.name
    for act in quantity.interventions:
        kind = intervention_row(act.kind)
        if act.form not in kind.runs:
            form = kind.signatures[kind.forms.index(act.form)]
            yield act.span, form.partition(", [")[0].removesuffix(")") + ")"
        for option in ("at", "to"):
            if getattr(act, option) is not None and option not in kind.runs:
                yield act.span, f"{kind.name}(…, {option}=…)"
    if len(quantity.interventions) > 1 and not FEATURES["together"].built:
        yield quantity.interventions[1].span, FEATURES["together"].meaning
