"""Task + tokenizer + context to what is wrong between them, found before any model runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from circuitlang.language.program.expression import Choice, Expression, Repeat, Sequence
from circuitlang.language.program.spec import Spec
from circuitlang.language.program.task import Task
from circuitlang.prompts.generate import Generator, SupportError
from circuitlang.prompts.one_token import TokenError, fitting
from circuitlang.prompts.prompt import Split
from circuitlang.prompts.tokenizer import Tokenizer
from circuitlang.source.diagnostic import Diagnostic, Span

CODES = {
    "CIR-201": "A task with too few prompts for its three splits.",
    "CIR-203": "A split, or its held-out half, of which no datapoint was found.",
    "CIR-210": "An answer or foil that is not one token of its own after its prompt, in the spec's model's tokenizer.",
    "CIR-211": "A prompt with more tokens than the context of the spec's model.",
    "CIR-212": "A spec whose model is not there or cannot be read.",
    "CIR-213": "A surface feature, as the prompt's length, that tells two cases of a task apart (a warning).",
    "CIR-214": "A claim that no measurement can show with so few datapoints (a warning).",
    "CIR-215": "A spec that has no lock by which a frozen check could judge it.",
}
"""What the diagnostics about prompts mean; those of the language stand in
language/syntax/mistakes.py and language/program/errors.py."""

LOOKED_AT = 48
"""Datapoints of each split that are tried; what they do not show is found while measuring, with the same message."""

LOOKED_AT_PINNED = 8
"""Datapoints that are tried at each end of a claim's `where`; both halves of `test` are among them."""


def admit(task: Task, tokenizer: Tokenizer, context: int, model: str) -> list[Diagnostic]:
    """One diagnostic per case that this model cannot be asked: an answer of two tokens, a prompt too long."""
    known: dict[tuple[str, str], int] = {}
    found: dict[tuple[str, str], Diagnostic] = {}
    even = evened(task)
    asked: list[tuple[Task, Split]] = [(task, "train"), (task, "select"), (task, "test")]
    if even != task:
        asked.append((even, "test"))
    for each, split in asked:
        try:
            datapoints = list(Generator(each, 0).datapoints(split, range(LOOKED_AT)))
        except SupportError:
            if each is task:
                raise
            continue
        prompts = [prompt for datapoint in datapoints for prompt in datapoint.prompts]
        for prompt, ids in zip(prompts, tokenizer.encode_many([p.text for p in prompts]), strict=True):
            try:
                fitting(prompt, ids, tokenizer, context, known)
            except TokenError as error:
                found.setdefault((error.case, error.code), diagnostic(task, error, model))
    return list(found.values())


def evened(task: Task) -> Task:
    """The task with all alternatives of its rules, draws and bindings equally likely, that rare ones are tried too."""
    return replace(
        task,
        rules={name: replace(rule, body=_even(rule.body)) for name, rule in task.rules.items()},
        draws=tuple(replace(draw, body=_even(draw.body)) for draw in task.draws),
        cases=tuple(
            replace(case, bindings={name: _even(body) for name, body in case.bindings.items()})
            for case in task.cases
        ),
    )


def _even(expression: Expression) -> Expression:
    match expression:
        case Choice(options):
            return Choice(tuple(map(_even, options)), (1.0,) * len(options))
        case Sequence(items):
            return Sequence(tuple(map(_even, items)))
        case Repeat(body):
            return replace(expression, body=_even(body))
    return expression


def admit_pinned(spec: Spec, tokenizer: Tokenizer, context: int) -> list[Diagnostic]:
    """One diagnostic per claim whose `where` asks for prompts that this model cannot be asked, or that do not exist.
    Tried at both ends of its ranges: what lies beyond a param's usual range no other check has seen."""
    generator = Generator(spec.task, 0)
    known: dict[tuple[str, str], int] = {}
    seen: dict[Where, Diagnostic | None] = {}
    found: list[Diagnostic] = []
    for claim in spec.claims:
        sides = [side for side in claim.quantities if side.where]
        for where in (ends for side in sides for ends in _ends(side.where)):
            key = tuple(sorted(where.items()))
            if key not in seen:
                seen[key] = _pinned(generator, where, tokenizer, context, known, spec.model, claim.span)
            problem = seen[key]
            if problem is not None:
                found.append(replace(problem, span=claim.span))
                break
    return found


Where = tuple[tuple[str, tuple[int, int]], ...]


def _ends(where: Mapping[str, tuple[int, int]]) -> list[dict[str, tuple[int, int]]]:
    """All params at their highest, and all at their lowest."""
    return [{name: (each[end], each[end]) for name, each in where.items()} for end in (1, 0)]


def _pinned(
    generator: Generator,
    where: Mapping[str, tuple[int, int]],
    tokenizer: Tokenizer,
    context: int,
    known: dict[tuple[str, str], int],
    model: str,
    span: Span,
) -> Diagnostic | None:
    pins = ", ".join(f"{name} = {low}" for name, (low, _) in where.items())
    try:
        for datapoint in generator.datapoints("test", range(LOOKED_AT_PINNED), where):
            texts = tokenizer.encode_many([prompt.text for prompt in datapoint.prompts])
            for prompt, ids in zip(datapoint.prompts, texts, strict=True):
                fitting(prompt, ids, tokenizer, context, known)
    except TokenError as error:
        return Diagnostic(error.code, f"where {pins}: {error}", span, f"as the tokenizer of `{model}` has it")
    except SupportError as error:
        (problem,) = error.diagnostics
        return replace(problem, message=f"where {pins}: {problem.message}", span=span)
    return None


def diagnostic(task: Task, error: TokenError, model: str) -> Diagnostic:
    """A token error, at the case that caused it."""
    span = next((case.span for case in task.cases if case.name == error.case), task.span)
    where = f"as the tokenizer of `{model}` has it"
    return Diagnostic(
        error.code, str(error), span, hint=f"{error.remedy} ({where})" if error.remedy else where
    )
