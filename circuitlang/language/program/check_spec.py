"""A `spec` block of the tree -> a checked Spec, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from circuitlang.language.program import errors, errors_spec
from circuitlang.language.program.check_circuit import check_circuit
from circuitlang.language.program.check_claim import check_claim
from circuitlang.language.program.check_settings import (
    block_sections,
    first_of_each,
    section_values,
    setting_value,
)
from circuitlang.language.program.expression import Ref
from circuitlang.language.program.recipe import Recipe
from circuitlang.language.program.signature import Setting
from circuitlang.language.program.spec import Claim, PruneSettings, Spec, VerdictSettings
from circuitlang.language.program.subject import Subject
from circuitlang.language.program.task import Task
from circuitlang.language.program.vocabulary import PRUNE, SPEC_SECTIONS, SPEC_SETTINGS, VERDICT
from circuitlang.language.syntax import tree
from circuitlang.language.syntax.format import bare_text
from circuitlang.source.diagnostic import Diagnostic, Span

_EXAMPLES = {"task": "task = NAME", "model": 'model = "zoo:NAME"'}


def check_spec(
    spec: tree.Spec, tasks: Mapping[str, Task], models: Mapping[str, Recipe | None]
) -> tuple[Spec | None, list[Diagnostic]]:
    """The spec, or None where something in it is missing or wrong. `models`: the visible model blocks; None
    where one has mistakes of its own."""
    found: list[Diagnostic] = []
    values = block_settings(spec, SPEC_SETTINGS, _EXAMPLES, found)
    task = tasks.get(values.get("task", ""))
    if "task" in values and task is None:
        found.append(errors.unknown("task", written_value(spec, "task").span, tasks))
    recipe = find_model(spec, "model", values, models, found)
    sections = block_sections(spec, SPEC_SECTIONS, found)
    prune = section_values(PRUNE, sections.get("prune"), spec.name.span, found)
    verdict = section_values(VERDICT, sections.get("verdict"), spec.name.span, found)
    layers = recipe.architecture.layers if recipe is not None else None
    written = [item for item in spec.items if isinstance(item, tree.Circuit)]
    circuit, roles = check_circuit(written, layers, found)
    subject = Subject("spec", task, circuit, roles, layers, found)
    claims = check_claims(spec, subject)
    found += _unused(written, subject)
    if task is not None and PruneSettings(**prune).ablate == "resample" and _one_answer(task):
        at = _where_ablated(sections.get("prune"), spec)
        found.append(errors_spec.one_answer(at, task.name))
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
        circuit,
        written_value(spec, "model").span,
    )
    return checked, found


def _one_answer(task: Task) -> bool:
    """Whether the answer is the same whatever is drawn."""
    return len(task.cases) == 1 and not any(isinstance(part, Ref) for part in task.cases[0].answer.parts)


def _where_ablated(prune: tree.Section | None, spec: tree.Spec) -> Span:
    """Where `ablate` is written; the task's name where it is not."""
    for setting in prune.items if prune is not None else ():
        if setting.name.text == "ablate":
            return setting.value.span
    return written_value(spec, "task").span


def block_settings(
    block: tree.Spec | tree.Bridge,
    known: Mapping[str, Setting],
    examples: Mapping[str, str],
    found: list[Diagnostic],
) -> dict[str, Any]:
    """The values of a block's own settings by name. `examples`: how those are written that must be there."""
    written = (item for item in block.items if isinstance(item, tree.Setting))
    settings = first_of_each(written, known, found)
    values: dict[str, Any] = {}
    for name, setting in known.items():
        if name in settings:
            value = setting_value(setting, settings[name].value, found)
            values |= {} if value is None else {name: value}
        elif name in examples:
            found.append(errors_spec.missing("setting", name, block.name.span, examples[name]))
    return values


def written_value(block: tree.Spec | tree.Bridge, name: str) -> tree.Value:
    """What stands behind the name of a setting that is there."""
    items = (item for item in block.items if isinstance(item, tree.Setting))
    return next(item.value for item in items if item.name.text == name)


def find_model(
    block: tree.Spec | tree.Bridge,
    setting: str,
    values: Mapping[str, Any],
    models: Mapping[str, Recipe | None],
    found: list[Diagnostic],
) -> Recipe | None:
    """The recipe of the model, where the setting is a block's name."""
    if setting not in values:
        return None
    written = written_value(block, setting)
    if isinstance(written, tree.String):
        if written.text == "zoo:":
            expected = 'a shipped model\'s name, as "zoo:NAME"'
            found.append(errors_spec.wrong_type(written.span, setting, expected))
        return None
    if values[setting] not in models:
        found.append(errors.unknown("model", written.span, models))
        return None
    return models[values[setting]]


def _unused(circuits: list[tree.Circuit], subject: Subject) -> list[Diagnostic]:
    """The roles that neither an arrow nor a claim speaks of."""
    items = [item for circuit in circuits[:1] for item in circuit.items]
    wires = [item.wire if isinstance(item, tree.Never) else item for item in items]
    ports = [
        port
        for wire in wires
        if isinstance(wire, tree.Wire)
        for port in (wire.first, *(hop.port for hop in wire.hops))
    ]
    used = subject.used | {port.name.text for port in ports}
    roles = [item for item in items if isinstance(item, tree.Role)]
    return [errors.unused("role", role.name.span) for role in roles if role.name.text not in used]


def check_claims(block: tree.Spec | tree.Bridge, subject: Subject) -> tuple[Claim, ...]:
    """The claims of a block that are right; no claim and a second one of a name are mistakes."""
    claims: list[Claim] = []
    spans: dict[str, Span] = {}
    written = [item for item in block.items if isinstance(item, tree.Claim)]
    if not written:
        subject.found.append(errors_spec.no_claims(block.name.span, subject.block))
    for item in written:
        name = item.name
        if name.text in spans:
            subject.found.append(errors.declared_twice("claim", name.span, spans[name.text]))
        spans.setdefault(name.text, name.span)
        claim = check_claim(item, subject)
        claims += [claim] if claim else []
    return tuple(claims)
