"""The cases of a task block -> checked Cases: bindings, prompts, answers and foils."""

from __future__ import annotations

from collections.abc import Mapping

from circuitlang.language.program import errors
from circuitlang.language.program.expression import Expression, Template, Text
from circuitlang.language.program.scope import Kind, Scope
from circuitlang.language.program.task import Case
from circuitlang.language.syntax import tree
from circuitlang.source.diagnostic import Span

_MARKS = frozenset({"start", "end"})


def check_cases(task: tree.Task, scope: Scope, declared: Mapping[str, Span]) -> tuple[Case, ...]:
    """Every case of the task, in order. `declared`: where the names of the task stand."""
    written = [item for item in task.items if isinstance(item, tree.Case)]
    prompts = [item for item in task.items if isinstance(item, tree.Prompt)]
    for other in prompts[1:]:
        scope.found.append(errors.second_prompt(other.span, prompts[0].span))
    if not written:
        scope.found.append(errors.no_cases(task.name.span))
    shared = prompts[0] if prompts else None
    if shared is not None:
        scope.blanks(shared.template)
        _shared_holes(shared, written, scope)
        if not shared.template.parts:
            scope.found.append(errors.empty_text(shared.template.span, "a prompt"))
    cases: list[Case] = []
    spans: dict[str, Span] = {}
    for case in written:
        name = case.name
        if name.text in spans:
            scope.found.append(errors.declared_twice("case", name.span, spans[name.text]))
        spans.setdefault(name.text, name.span)
        cases.append(_case(case, shared, scope, declared))
    _answers(written, cases, scope)
    return tuple(cases)


def _case(case: tree.Case, shared: tree.Prompt | None, scope: Scope, declared: Mapping[str, Span]) -> Case:
    bindings: dict[str, Expression] = {}
    spans: dict[str, Span] = {}
    for binding in case.bindings:
        name = binding.name
        if name.text in spans:
            scope.found.append(errors.declared_twice("binding", name.span, spans[name.text]))
        elif name.text in scope.kinds:
            scope.found.append(errors.shadows(name.span, scope.kinds[name.text], declared.get(name.text)))
        elif name.text in _MARKS:
            scope.found.append(errors.reserved_mark(name.span))
        spans.setdefault(name.text, name.span)
        bindings[name.text] = scope.expression(binding.body)
    kinds: Mapping[str, Kind] = {name: "binding" for name in bindings if name not in scope.kinds}
    inner = scope.within(kinds)
    if case.prompt is not None:
        prompt = inner.template(case.prompt.template)
    elif shared is not None:
        prompt = _shared_prompt(shared.template, inner)
    else:
        prompt = Template(())
        scope.found.append(errors.no_prompt(case.name.span))
    answer = inner.template(case.answer.template)
    foil = inner.template(case.foil.template) if case.foil else None
    written = case.prompt.template if case.prompt else shared.template if shared else None
    mentioned = (
        _holes(written) | _holes(case.answer.template) | _holes(case.foil.template if case.foil else None)
    )
    for name in kinds:
        if name not in mentioned:
            scope.found.append(errors.unused("binding", spans[name]))
    return Case(case.name.text, bindings, prompt, answer, case.answer.negated, foil, case.span)


def _holes(template: tree.Template | None) -> set[str]:
    return {part.name for part in template.parts if isinstance(part, tree.Hole)} if template else set()


def _shared_prompt(template: tree.Template, inner: Scope) -> Template:
    """The task's prompt in one case; its unknown holes are reported once for all cases, not here."""
    return Scope(inner.kinds, inner.params, [], inner.used).template(template)


def _shared_holes(prompt: tree.Prompt, cases: list[tree.Case], scope: Scope) -> None:
    """Every hole of the task's prompt is known to the task, or bound by every case that uses this prompt."""
    users = [case for case in cases if case.prompt is None]
    bound = [{binding.name.text for binding in case.bindings} for case in users]
    known = {*scope.kinds, *(name for names in bound for name in names)}
    scope.used.update(_holes(prompt.template) & set(scope.kinds))
    for hole in prompt.template.parts:
        if isinstance(hole, str) or hole.name in scope.kinds:
            continue
        lacking = [case.name.text for case, names in zip(users, bound, strict=True) if hole.name not in names]
        if not users or len(lacking) == len(users):
            scope.found.append(errors.unknown("name", hole.span, known))
        elif lacking:
            scope.found.append(errors.binding_missing(hole.span, lacking))


def _answers(written: list[tree.Case], cases: list[Case], scope: Scope) -> None:
    """Answers and foils: there, different, and all about one text where one of them is negated."""
    for case in written:
        for template, what in _texts(case):
            if not template.parts:
                scope.found.append(errors.empty_text(template.span, what))
    if any(case.negated for case in cases):
        _one_sided(written, cases, scope)
        return
    if len(cases) == 1 and cases[0].foil is None:
        scope.found.append(errors.nothing_to_tell_apart(written[0].name.span))
    seen: dict[object, tuple[str, Span]] = {}
    for tree_case, case in zip(written, cases, strict=True):
        key = _meaning(case.answer, case)
        if case.foil is not None and _meaning(case.foil, case) == key and tree_case.foil is not None:
            scope.found.append(errors.foil_is_answer(tree_case.foil.template.span))
        if key in seen and case.foil is None:
            scope.found.append(errors.same_answers(tree_case.answer.template.span, *seen[key]))
        seen.setdefault(key, (case.name, tree_case.answer.template.span))


def _texts(case: tree.Case) -> list[tuple[tree.Template, str]]:
    own = [(case.prompt.template, "a prompt")] if case.prompt else []
    return [
        *own,
        (case.answer.template, "an answer"),
        *([(case.foil.template, "a foil")] if case.foil else []),
    ]


def _meaning(template: Template, case: Case) -> tuple[object, ...]:
    """What a template says, bindings replaced by what they stand for: equal meanings are equal texts or at
    least the same draw of chances."""
    return tuple(
        part if isinstance(part, Text) else case.bindings.get(part.name, part) for part in template.parts
    )


def _one_sided(written: list[tree.Case], cases: list[Case], scope: Scope) -> None:
    first = _meaning(cases[0].answer, cases[0])
    for tree_case, case in zip(written, cases, strict=True):
        if tree_case.foil is not None:
            scope.found.append(errors.one_sided(tree_case.foil.span, "a task with `answer not` has no foils"))
        if _meaning(case.answer, case) != first:
            why = f"case `{cases[0].name}` is about another text"
            scope.found.append(errors.one_sided(tree_case.answer.template.span, why))
