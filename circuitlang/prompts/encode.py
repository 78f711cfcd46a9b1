"""Prompts to Batch: token ids in arrays, where the answer is predicted, and which tokens each mark covers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from circuitlang.prompts.one_token import fitting
from circuitlang.prompts.prompt import Datapoint, Prompt, Split
from circuitlang.prompts.tokenizer import Encoded, Tokenizer

START, ENDING = "start", "end"
NO_FOIL = -1

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Prompts ready for a model. Row r is case `r % cases` of datapoint `r // cases`.

    tokens  (prompt, position) ids, END in front, padded on the right with END; causal attention never sees the padding
    end     (prompt) the last token's position, where the answer is predicted
    answer  (prompt) id of the right token (of the token that is wrong, where `negated`)
    foils   (prompt, foil) ids that it is compared with, padded with NO_FOIL
    negated (prompt) one-sided cases where anything but `answer` is right; `one_sided`: the task has such cases
    marks   per prompt: name -> positions of the tokens that overlap the mark's characters
    split, where  what the datapoints were drawn from: the split, and (param, lowest, highest) of what is pinned
    """

    tokens: Ids
    end: Ids
    answer: Ids
    foils: Ids
    negated: NDArray[np.bool_]
    one_sided: bool
    cases: int
    marks: tuple[Mapping[str, tuple[int, ...]], ...]
    split: Split = "test"
    where: tuple[tuple[str, int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def datapoints(self) -> int:
        return len(self.tokens) // self.cases

    @property
    def real(self) -> NDArray[np.bool_]:
        """(prompt, position): where there is a token of the prompt, or the one in front of it."""
        return np.arange(self.tokens.shape[1]) <= self.end[:, None]

    @property
    def choices(self) -> Ids:
        """(prompt): among how many answers one is chosen; in a one-sided task between a text and anything else."""
        if self.one_sided:
            return np.full(len(self), 2, np.int64)
        return 1 + (self.foils != NO_FOIL).sum(1)

    def parts(self, rows: int) -> Iterator[Batch]:
        """Consecutive pieces of at most `rows` prompts, whole datapoints each, in order."""
        step = max(1, rows // self.cases) * self.cases
        for start in range(0, len(self), step):
            piece = self._rows(slice(start, start + step))
            yield replace(piece, tokens=piece.tokens[:, : int(piece.end.max()) + 1])

    def only(self, case: int) -> Batch:
        """The prompts of one case."""
        return replace(self._rows(slice(case, None, self.cases)), cases=1)

    def _rows(self, rows: slice) -> Batch:
        return replace(
            self,
            tokens=self.tokens[rows],
            end=self.end[rows],
            answer=self.answer[rows],
            foils=self.foils[rows],
            negated=self.negated[rows],
            marks=self.marks[rows],
        )


def encode(datapoints: Sequence[Datapoint], tokenizer: Tokenizer, context: int) -> Batch:
    """Raises TokenError for a prompt longer than `context` tokens or an answer or foil that is not one token there."""
    prompts = [prompt for datapoint in datapoints for prompt in datapoint.prompts]
    encoded = tokenizer.encode_many([prompt.text for prompt in prompts])
    known: dict[tuple[str, str], int] = {}
    longest = max((len(e.ids) for e in encoded), default=0) + 1
    tokens = np.full((len(prompts), longest), tokenizer.end, np.int64)
    end = np.empty(len(prompts), np.int64)
    answer = np.empty(len(prompts), np.int64)
    width = max((len(prompt.foils) for prompt in prompts), default=1)
    foils = np.full((len(prompts), max(1, width)), NO_FOIL, np.int64)
    for row, (prompt, ids) in enumerate(zip(prompts, encoded, strict=True)):
        right, wrong = fitting(prompt, ids, tokenizer, context, known)
        tokens[row, 1 : len(ids.ids) + 1] = ids.ids
        end[row] = len(ids.ids)
        answer[row] = right
        foils[row, : len(wrong)] = wrong
    return Batch(
        tokens,
        end,
        answer,
        foils,
        np.array([prompt.negated for prompt in prompts], np.bool_),
        any(prompt.negated for prompt in prompts),
        len(datapoints[0].prompts) if datapoints else 1,
        tuple(TokenMarks(prompt, ids) for prompt, ids in zip(prompts, encoded, strict=True)),
        datapoints[0].split if datapoints else "test",
    )


class TokenMarks(Mapping[str, tuple[int, ...]]):
    """Name -> positions of the tokens that overlap its marks. Worked out when somebody looks: most batches are
    measured without their marks, which cost more than the rest of a prompt."""

    def __init__(self, prompt: Prompt, ids: Encoded) -> None:
        self._of = prompt, ids.offsets

    @cached_property
    def _positions(self) -> dict[str, tuple[int, ...]]:
        prompt, offsets = self._of
        del self._of
        found: dict[str, set[int]] = {}
        for mark in prompt.marks:
            covered = (
                position + 1  # END stands in front
                for position, (start, end) in enumerate(offsets)
                if start < mark.end and mark.start < end
            )
            found.setdefault(mark.name, set()).update(covered)
        positions = {name: tuple(sorted(places)) for name, places in found.items()}
        return positions | {START: (1,) if offsets else (0,), ENDING: (len(offsets),)}

    def __getitem__(self, name: str) -> tuple[int, ...]:
        return self._positions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)
