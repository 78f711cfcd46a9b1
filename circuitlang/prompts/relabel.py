"""A batch with other answers: the same prompts and marks, another thing asked of them. Controls are made of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from circuitlang.prompts.encode import NO_FOIL, Batch, Ids
from circuitlang.prompts.stream import Stream, derive
from circuitlang.prompts.tokenizer import Tokenizer
from circuitlang.source.diagnostic import Unmeasurable

Relabel = Callable[[Batch, str, int], Batch]
"""(batch, place, start) -> batch, of datapoints [start, start + batch.datapoints) of a place: a split with what is
pinned. A datapoint's answers do not depend on the batch that it stands in."""


def as_written(batch: Batch, _place: str, _start: int) -> Batch:
    """The task's own answers."""
    return batch


@dataclass(frozen=True)
class Nonsense:
    """Case c's answer is `tokens[c]`, whose foils are the other cases' tokens: as much to tell apart, about nothing.

    In a one-sided task the token that is or is not right becomes `tokens[0]`.
    """

    tokens: tuple[int, ...]

    def __call__(self, batch: Batch, _place: str, _start: int) -> Batch:
        if batch.one_sided:
            return replace(batch, answer=np.full_like(batch.answer, self.tokens[0]))
        case = np.arange(len(batch)) % batch.cases
        tokens = np.array(self.tokens, np.int64)
        others = np.array([[t for t in self.tokens if t != mine] for mine in self.tokens], np.int64)
        return replace(batch, answer=tokens[case], foils=others.reshape(batch.cases, -1)[case])


def nonsense_tokens(tokenizer: Tokenizer, used: Collection[int], cases: int, seed: int) -> tuple[int, ...]:
    """`cases` tokens that are words or signs of their own and no answer or foil of the task, drawn by the seed.

    Raises Unmeasurable where the vocabulary has not so many.
    """
    texts = {token: tokenizer.decode([token]) for token in range(tokenizer.size)}
    left = [
        token
        for token, text in texts.items()
        if token not in used and token != tokenizer.end and text.strip() and "\ufffd" not in text
    ]
    if len(left) < cases:
        raise Unmeasurable(
            f"the vocabulary has {len(left)} tokens that the task does not use, {cases} are needed"
        )
    return tuple(Stream(derive("nonsense", seed)).pick(left, cases))


@dataclass(frozen=True)
class ShuffledAnswers:
    """Which case has which answer is drawn anew for every datapoint: there is nothing to learn but chance."""

    seed: int

    def __call__(self, batch: Batch, place: str, start: int) -> Batch:
        rows = np.concatenate(list(self._rows(batch, place, start)))
        return replace(batch, answer=batch.answer[rows], foils=batch.foils[rows], negated=batch.negated[rows])

    def _rows(self, batch: Batch, place: str, start: int) -> Iterator[Ids]:
        for number in range(batch.datapoints):
            stream = Stream(derive("shuffled answers", self.seed, place, start + number))
            order = stream.pick(range(batch.cases), batch.cases)
            yield number * batch.cases + np.array(order, np.int64)


def one_answer(batch: Batch, _place: str, _start: int) -> Batch:
    """Every case has the first case's answer, and as foils what the task's answers were otherwise."""
    first = np.arange(len(batch)) // batch.cases * batch.cases
    if batch.one_sided:
        return replace(batch, answer=batch.answer[first], negated=batch.negated[first])
    return replace(batch, answer=batch.answer[first], foils=batch.foils[first])


def asked(batch: Batch) -> set[int]:
    """Every token that is an answer or a foil somewhere in a batch."""
    return {int(t) for t in batch.answer} | {int(t) for t in batch.foils.flatten() if t != NO_FOIL}
