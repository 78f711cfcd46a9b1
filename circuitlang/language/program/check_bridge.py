"""A `bridge` block of the tree -> a checked Bridge, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from circuitlang.language.program import errors, errors_claim
from circuitlang.language.program.bridge import Bridge, BridgeLoss, BridgeTraining, Coupling
from circuitlang.language.program.check_settings import block_sections, find_corpus, section_values
from circuitlang.language.program.check_spec import (
    block_settings,
    check_claims,
    find_model,
    written_value,
)
from circuitlang.language.program.plugins import metric_row
from circuitlang.language.program.recipe import Corpus, Recipe
from circuitlang.language.program.spec import Spec, VerdictSettings
from circuitlang.language.program.subject import Subject
from circuitlang.language.program.vocabulary import METRICS, VERDICT
from circuitlang.language.program.vocabulary_bridge import (
    BRIDGE_LOSS,
    BRIDGE_SECTIONS,
    BRIDGE_SETTINGS,
    BRIDGE_TRAIN,
    COUPLING,
)
from circuitlang.language.syntax import tree
from circuitlang.language.syntax.format import bare_text
from circuitlang.source.diagnostic import Diagnostic

_EXAMPLES = {"dense": "dense = MODEL", "sparse": "sparse = MODEL"}


def check_bridge(
    bridge: tree.Bridge,
    corpora: Mapping[str, Corpus],
    models: Mapping[str, Recipe | None],
    specs: Mapping[str, Spec | None],
) -> tuple[Bridge | None, list[Diagnostic]]:
    """The bridge, or None where something in it is missing or wrong. Of the visible blocks, those with mistakes of
    their own are None, and a corpus with mistakes is there all the same."""
    found: list[Diagnostic] = []
    values = block_settings(bridge, BRIDGE_SETTINGS, _EXAMPLES, found)
    dense = find_model(bridge, "dense", values, models, found)
    sparse = find_model(bridge, "sparse", values, models, found)
    spec = specs.get(values.get("spec", ""))
    if "spec" in values and values["spec"] not in specs:
        found.append(errors.unknown("spec", written_value(bridge, "spec").span, specs))
    found += _fit(bridge, values, dense, sparse, spec)
    sections = block_sections(bridge, BRIDGE_SECTIONS, found)
    owner = bridge.name.span
    coupling, train, loss, verdict = (
        section_values(section, sections.get(section.name), owner, found)
        for section in (COUPLING, BRIDGE_TRAIN, BRIDGE_LOSS, VERDICT)
    )
    corpus = find_corpus(train, sections, corpora, found)
    circuit = spec.circuit if spec is not None else None
    roles = {role.name: role for role in circuit.roles} if circuit else {}
    layers = sparse.architecture.layers if sparse is not None else None
    task = spec.task if spec is not None else None
    claims = check_claims(bridge, Subject("bridge", task, circuit, roles, layers, found))
    if "spec" not in values:
        found += _without_task(bridge)
    if corpus is None or any(problem.severity == "error" for problem in found):
        return None, found
    trained: dict[str, Any] = {**train, "corpus": corpus}
    checked = Bridge(
        bridge.name.text,
        bridge.doc.text if bridge.doc else None,
        values["dense"],
        values["sparse"],
        Coupling(**coupling),
        BridgeTraining(**trained),
        BridgeLoss(**loss),
        VerdictSettings(**verdict),
        claims,
        bare_text(bridge),
        bridge.span,
        spec,
        dense,
        sparse,
    )
    return checked, found


def _fit(
    bridge: tree.Bridge,
    values: Mapping[str, str],
    dense: Recipe | None,
    sparse: Recipe | None,
    spec: Spec | None,
) -> Iterator[Diagnostic]:
    """Two models with a residual stream before the same sub-layers, of the same tokens; a spec of the sparse one."""
    if "dense" not in values or "sparse" not in values:
        return
    at = written_value(bridge, "sparse").span
    if values["dense"] == values["sparse"]:
        yield errors_claim.bridge_does_not_fit(at, "a bridge joins two models, and this is one")
    elif dense is not None and sparse is not None:
        for name in ("layers", "vocabulary", "context"):
            first, second = (getattr(recipe.architecture, name) for recipe in (dense, sparse))
            if first != second:
                why = f"the dense model has {name} = {first}, the sparse one {name} = {second}"
                yield errors_claim.bridge_does_not_fit(at, why, "a bridge needs the same of both")
    if dense is not None and dense.sparsity.weights < 1:
        why = f"`{dense.name}` is sparse: weights = {dense.sparsity.weights:g}"
        yield errors_claim.bridge_does_not_fit(written_value(bridge, "dense").span, why)
    if spec is not None and spec.model != values["sparse"]:
        why = f"spec `{spec.name}` is about the model `{spec.model}`, not `{values['sparse']}`"
        yield errors_claim.bridge_does_not_fit(written_value(bridge, "spec").span, why)


def _without_task(bridge: tree.Bridge) -> Iterator[Diagnostic]:
    """The metrics that are measured on prompts, in a bridge that has none."""
    for item in bridge.items:
        if isinstance(item, tree.Claim):
            for side in (item.left, item.right):
                if isinstance(side, tree.Quantity) and side.metric.text in METRICS:
                    row = metric_row(side.metric.text)
                    if "bridge" in row.blocks and row.given != "never":
                        yield errors_claim.needs_spec(side.metric.span)
