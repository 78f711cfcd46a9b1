"""Task + tokenizer + context to what is wrong between them, found before any model runs."""

from __future__ import annotations

from circuitlang.program.task import Task
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.one_token import TokenError, fitting
from circuitlang.prompts.prompt import SPLITS
from circuitlang.prompts.tokenizer import Tokenizer
from circuitlang.source import Diagnostic

CODES = {
    "CIR-201": "A task with too few prompts for its three splits.",
    "CIR-203": "A split, or its held-out half, of which no datapoint was found.",
    "CIR-210": "An answer or foil that is not one token after its prompt, in the tokenizer of the spec's model.",
    "CIR-211": "A prompt with more tokens than the context of the spec's model.",
    "CIR-212": "A spec whose model is not there or cannot be read.",
    "CIR-213": "A surface feature, as the prompt's length, that tells two cases of a task apart (a warning).",
    "CIR-214": "A claim that no measurement can show with so few datapoints (a warning).",
}
"""What the diagnostics about prompts mean; those of the language stand in syntax/mistakes.py and program/errors.py."""

LOOKED_AT = 48
"""Datapoints of each split that are tried; what they do not show is found while measuring, with the same message."""


def admit(task: Task, tokenizer: Tokenizer, context: int, model: str) -> list[Diagnostic]:
    """One diagnostic per case that this model cannot be asked: an answer of two tokens, a prompt too long."""
    generator = Generator(task, 0)
    known: dict[tuple[str, str], int] = {}
    found: dict[tuple[str, str], Diagnostic] = {}
    for split in SPLITS:
        datapoints = generator.datapoints(split, range(LOOKED_AT))
        prompts = [prompt for datapoint in datapoints for prompt in datapoint.prompts]
        for prompt, ids in zip(prompts, tokenizer.encode_many([p.text for p in prompts]), strict=True):
            try:
                fitting(prompt, ids, tokenizer, context, known)
            except TokenError as error:
                found.setdefault((error.case, error.code), diagnostic(task, error, model))
    return list(found.values())


def diagnostic(task: Task, error: TokenError, model: str) -> Diagnostic:
    """A token error, at the case that caused it."""
    span = next((case.span for case in task.cases if case.name == error.case), task.span)
    where = f"as the tokenizer of `{model}` has it"
    return Diagnostic(
        error.code, str(error), span, hint=f"{error.remedy} ({where})" if error.remedy else where
    )
