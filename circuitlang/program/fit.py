"""A checked spec + the number of its model's layers -> what of its circuit no such model can have."""

from __future__ import annotations

from dataclasses import replace

from circuitlang.program.hypothesis import Arrow
from circuitlang.program.order import check_order, outside
from circuitlang.program.spec import Spec
from circuitlang.source import Diagnostic


def fit_layers(spec: Spec, layers: int) -> list[Diagnostic]:
    """The circuit block's roles and arrows, and the arrows that claims act on, in a model of so many layers."""
    circuit = spec.circuit
    if circuit is None:
        return []
    found = outside(circuit, layers) or check_order(circuit, layers)
    if found:
        return found
    acts = (act for claim in spec.claims for side in claim.quantities for act in side.interventions)
    for act in acts:
        if isinstance(act.target, Arrow):
            found += check_order(replace(circuit, arrows=(*circuit.claimed, act.target)), layers)
    return found
