"""A corpus -> what a terminal shows of it: documents, and how much of its text a table or copying predicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from circuitlang.language.program.corpus import Corpus
from circuitlang.prompts.predictable import Predictable
from circuitlang.report.escape import visible


def corpus_lines(
    corpus: Corpus, documents: Sequence[str], found: Mapping[str, Predictable], tokens: str
) -> Iterator[str]:
    """`tokens`: whose tokens were counted, in words."""
    for number, text in enumerate(documents):
        yield f"{corpus.name} document {number}"
        yield from (f"  | {visible(line)}" for line in text.splitlines())
        yield ""
    yield f"{corpus.name}: of its tokens ({visible(tokens)}) can be predicted"
    yield "  by a table: what most often follows the token before, in other documents"
    yield "  by copying: what followed the token before where it last stood in the same document"
    yield "  only by copying: where the table is wrong; without much of it no head learns to copy"
    yield f"{'':8}{'tokens':>12}{'table':>10}{'copying':>10}{'only copying':>15}"
    for stream, share in found.items():
        yield (f"{stream:8}{share.tokens:>12,}{share.table:>10.1%}{share.copying:>10.1%}{share.alone:>15.1%}")


def corpus_data(
    corpus: Corpus, documents: Sequence[str], found: Mapping[str, Predictable], tokens: str
) -> dict[str, Any]:
    predictable = {stream: asdict(share) for stream, share in found.items()}
    return {"corpus": corpus.name, "tokens": tokens, "documents": list(documents), "predictable": predictable}
