"""Documents -> how much of their text a table of pairs predicts, and how much only copying does.

What a model can learn from a corpus: heads that copy form where copying pays, that is where a token follows the one it
followed before in the same document, and nothing else says so (Olsson et al. 2022).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from circuitlang.language.program.recipe import Corpus
from circuitlang.prompts.corpus_files import real_files
from circuitlang.prompts.document import rule_documents
from circuitlang.prompts.features import Cut

DOCUMENTS = 4_000
"""Of a corpus' rules, over which shares are taken."""


@dataclass(frozen=True)
class Predictable:
    """Shares of `tokens` that are guessed right.

    table    by what most often follows the token before, in other documents
    copying  by what followed the token before where it last stood in the same document
    alone    by copying and not by the table
    """

    tokens: int
    table: float
    copying: float
    alone: float


def predictable(documents: Iterable[Sequence[str]]) -> Predictable:
    """Every second document fills the table, the others are guessed, but for the first token of each."""
    following: dict[str, Counter[str]] = defaultdict(Counter)
    guessed: list[Sequence[str]] = []
    for number, document in enumerate(documents):
        if number % 2:
            guessed.append(document)
        else:
            for token, after in pairwise(document):
                following[token][after] += 1
    usual = {
        token: max(counts, key=lambda after: (counts[after], after)) for token, counts in following.items()
    }
    tokens = table = copying = alone = 0
    for document in guessed:
        last: dict[str, str] = {}
        for token, after in pairwise(document):
            by_table, by_copying = usual.get(token) == after, last.get(token) == after
            tokens += 1
            table += by_table
            copying += by_copying
            alone += by_copying and not by_table
            last[token] = after
    each = max(1, tokens)
    return Predictable(tokens, table / each, copying / each, alone / each)


def predictable_streams(corpus: Corpus, root: Path, seed: int, cut: Cut) -> dict[str, Predictable]:
    """Of a corpus' `rules` and of its real `files`, where it has them, in the tokens that `cut` makes."""
    streams = {
        "rules": list(rule_documents(corpus, seed, 0, DOCUMENTS)),
        "files": [text for _, text in real_files(corpus, root)],
    }
    return {
        name: predictable(
            [text[low:high] for low, high in ranges] for text, ranges in zip(texts, cut(texts), strict=True)
        )
        for name, texts in streams.items()
        if texts
    }
