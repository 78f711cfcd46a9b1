"""`predict`: what an untouched model predicts after a text, or at the end of a task's prompts, case by case."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from circuitlang.language.files import choose
from circuitlang.language.program.load import load
from circuitlang.source.diagnostic import CommandError, ProgramError
from circuitlang.studies.training import loaded

TOP = 5
"""Tokens that are listed of one prompt, or of the wrong predictions of a case."""


def predict_text(model: str, text: str, device: str = "auto") -> dict[str, Any]:
    """The tokens that the model finds most likely after `text`, with their probabilities.

    Raises CommandError where there is no such model, or the text is longer than its context.
    """
    import torch

    found = loaded(model, device)
    ids = [found.tokenizer.end, *found.tokenizer.encode(text).ids]
    if len(ids) > found.model.config.context:
        raise CommandError(
            f"a text of {len(ids)} tokens; the model's context is {found.model.config.context}"
        )
    with torch.no_grad():
        logits = found.model(torch.tensor([ids], device=found.model.embed.device))[0, -1]
    chances = logits.softmax(0).topk(min(TOP, len(logits)))
    likely = zip(chances.indices.tolist(), chances.values.tolist(), strict=True)
    tokens = [{"token": found.tokenizer.decode([token]), "probability": chance} for token, chance in likely]
    return {"model": model, "prompt": text, "tokens": tokens}


def predict_task(
    model: str, path: Path, name: str | None, datapoints: int, device: str = "auto"
) -> dict[str, Any]:
    """Of each case of a task, on the first datapoints of `select`: how often the model chooses the answer rather than a
    foil, the mean probability of the answer and of answer and foils, and the most likely token where that is not the
    answer, with how often it is and one such prompt.

    Raises CommandError as `predict_text` does; ProgramError with the mistakes of the file, or where a prompt does not
    suit the model.
    """
    import torch

    from circuitlang.model import score
    from circuitlang.prompts.admit import diagnostic
    from circuitlang.prompts.encode import encode
    from circuitlang.prompts.generate import Generator
    from circuitlang.prompts.one_token import TokenError

    task = choose(load(path).tasks, name, "task", path)
    found = loaded(model, device)
    drawn = list(Generator(task, 0).datapoints("select", range(datapoints)))
    try:
        batch = encode(drawn, found.tokenizer, found.model.config.context)
    except TokenError as error:
        raise ProgramError([diagnostic(task, error, model)]) from None
    rows: list[dict[str, Any]] = []
    for number, case in enumerate(task.cases):
        texts = [datapoint.prompts[number].text for datapoint in drawn]
        right = batch.only(number)
        tables: dict[str, list[float]] = {"accuracy": [], "probability": [], "mass": []}
        first: list[int] = []
        with torch.no_grad():
            for part in right.parts(score.PROMPTS_AT_ONCE):
                logits = score.answer_logits(found.model, part)
                tables["accuracy"] += score.correct(logits, part).tolist()
                tables["probability"] += score.probability(logits, part).tolist()
                tables["mass"] += score.mass(logits, part).tolist()
                first += logits.argmax(1).tolist()
        wrong = [
            place
            for place, token in enumerate(first)
            if (token == int(right.answer[place])) == bool(right.negated[place])
        ]
        instead = Counter(first[place] for place in wrong).most_common(TOP)
        row: dict[str, Any] = {"case": case.name, "prompts": len(texts)}
        row |= {key: sum(values) / max(1, len(values)) for key, values in tables.items()}
        row["instead"] = [
            {"token": found.tokenizer.decode([token]), "share": count / len(texts)}
            for token, count in instead
        ]
        row["example"] = texts[wrong[0]] if wrong else None
        rows.append(row)
    return {"model": model, "task": task.name, "split": "select", "cases": rows}
