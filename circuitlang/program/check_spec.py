"""A `spec` block of the tree -> a checked Spec, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from circuitlang.program import errors, errors_spec
from circuitlang.program.check_claim import check_claim
from circuitlang.program.check_settings import first_of_each, section_values, setting_value
from circuitlang.program.recipe import Recipe
from circuitlang.program.spec import Claim, PruneSettings, Spec, VerdictSettings
from circuitlang.program.task import Task
from circuitlang.program.vocabulary import PRUNE, SPEC_SECTIONS, SPEC_SETTINGS, VERDICT
from circuitlang.source import Diagnostic, Span
from circuitlang.syntax import tree
from circuitlang.syntax.format import bare_text


def check_spec(
    spec: tree.Spec, tasks: Mapping[str, Task], models: Mapping[str, Recipe | None]
) -> tuple[Spec | None, list[Diagnostic]]:
    """The spec, or None where something in it is missing or wrong. `models`: the visible model blocks; None
    where one has mistakes of its own."""
    found: list[Diagnostic] = []
    values = _settings(spec, found)
    task = tasks.get(values.get("task", ""))
    if "task" in values and task is None:
        found.append(errors.unknown("task", _value(spec, "task").span, tasks))
    recipe = _model(spec, values, models, found)
    sections = _sections(spec, found)
    prune = section_values(PRUNE, sections.get("prune"), spec.name.span, found)
    verdict = section_values(VERDICT, sections.get("verdict"), spec.name.span, found)
    roles = _roles(spec, found)
    claims = _claims(spec, task, roles, found)
    if task is None or any(problem.severity == "error" for problem in found):
        return None, found
    doc = spec.doc.text if spec.doc else None
    checked = Spec(
        spec.name.text,
        doc,
        task,
        values["model"],
        PruneSettings(**prune),
        VerdictSettings(**verdict),
        claims,
        bare_text(spec),
        spec.span,
        recipe,
    )
    return checked, found


def _settings(spec: tree.Spec, found: list[Diagnostic]) -> dict[str, Any]:
    settings = first_of_each(
        (item for item in spec.items if isinstance(item, tree.Setting)), SPEC_SETTINGS, found
    )
    examples = {"task": "task = NAME", "model": 'model = "zoo:NAME"'}
    values: dict[str, Any] = {}
    for name, setting in SPEC_SETTINGS.items():
        if name not in settings:
            found.append(errors_spec.missing("setting", name, spec.name.span, examples[name]))
        else:
            value = setting_value(setting, settings[name].value, found)
            values |= {} if value is None else {name: value}
    return values


def _value(spec: tree.Spec, name: str) -> tree.Value:
    items = (item for item in spec.items if isinstance(item, tree.Setting))
    return next(item.value for item in items if item.name.text == name)


def _model(
    spec: tree.Spec, values: Mapping[str, Any], models: Mapping[str, Recipe | None], found: list[Diagnostic]
) -> Recipe | None:
    """The recipe of the model, where `model` is a block's name."""
    if "model" not in values:
        return None
    written = _value(spec, "model")
    if isinstance(written, tree.String):
        if written.text == "zoo:":
            found.append(
                errors_spec.wrong_type(written.span, "model", 'a shipped model\'s name, as "zoo:NAME"')
            )
        return None
    if values["model"] not in models:
        found.append(errors.unknown("model", written.span, models))
        return None
    return models[values["model"]]


def _sections(spec: tree.Spec, found: list[Diagnostic]) -> dict[str, tree.Section]:
    sections: dict[str, tree.Section] = {}
    for item in spec.items:
        if not isinstance(item, tree.Section):
            continue
        name = item.name.text
        if name not in SPEC_SECTIONS:
            found.append(errors.unknown("section", item.name.span, [*SPEC_SECTIONS, "circuit"]))
        elif name in sections:
            found.append(errors.declared_twice("section", item.name.span, sections[name].name.span))
        else:
            sections[name] = item
    return sections


def _roles(spec: tree.Spec, found: list[Diagnostic]) -> frozenset[str]:
    """The roles that the spec names; that there are any is refused once, at the word `circuit`."""
    circuits = [item for item in spec.items if isinstance(item, tree.Circuit)]
    for circuit in circuits:
        found.append(errors_spec.not_built(circuit.span.part(0, len("circuit")), "circuit blocks"))
    items = (item for circuit in circuits for item in circuit.items)
    return frozenset(item.name.text for item in items if isinstance(item, tree.Role))


def _claims(
    spec: tree.Spec, task: Task | None, roles: frozenset[str], found: list[Diagnostic]
) -> tuple[Claim, ...]:
    claims: list[Claim] = []
    spans: dict[str, Span] = {}
    written = [item for item in spec.items if isinstance(item, tree.Claim)]
    if not written:
        found.append(errors_spec.no_claims(spec.name.span))
    for item in written:
        name = item.name
        if name.text in spans:
            found.append(errors.declared_twice("claim", name.span, spans[name.text]))
        spans.setdefault(name.text, name.span)
        claim = check_claim(item, task, roles, found)
        claims += [claim] if claim else []
    return tuple(claims)
