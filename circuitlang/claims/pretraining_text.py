"""What a node has over held-out pretraining text: one number per document, which is what was drawn independently.

A document is what stands between two END tokens; the last of a stream may be cut off. Windows of one document are not
independent, so a document is one datapoint, however long. Where a window of the text begins, the model does not see
what came before, as in the means over the same text (circuit/ablation.py).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from circuitlang.circuit.ablation import read_through
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.prompts.stream import Stream, derive
from circuitlang.prompts.tokenizer import Tokenizer
from circuitlang.site import Node, Site
from circuitlang.source.diagnostic import Unmeasurable

Values = NDArray[np.float64]


def measure(checkpoint: Checkpoint, kind: str, node: Node, pattern: str | None) -> Values:
    """(document) `auroc`: how often a token that holds the pattern has a larger value than another token of its
    document, ties counting half; `activation`: the mean over the tokens that hold it, or over all. Documents without
    such tokens (for `auroc`, without others too) are left out: which these are depends on the text alone, so the mean
    is that of a document drawn at random from those that count. Raises Unmeasurable where none does."""
    tokens = checkpoint.reference.cpu().numpy().reshape(-1)
    value = values(checkpoint, node)
    at = np.ones(len(tokens), np.bool_) if pattern is None else holding(tokens, checkpoint.tokenizer, pattern)
    found: list[float] = []
    for document in documents(tokens, checkpoint.tokenizer.end):
        here, others = value[document[at[document]]], value[document[~at[document]]]
        if kind == "activation" and len(here):
            found.append(float(here.mean()))
        elif kind == "auroc" and len(here) and len(others):
            found.append(auroc(here, others))
    if not found:
        what = "tokens" if pattern is None else f"tokens that hold {pattern!r}"
        beside = " beside others" if kind == "auroc" else ""
        raise Unmeasurable(f"no document of the model's held-out pretraining text has {what}{beside}")
    return np.array(found)[_order(len(found))]


def documents(tokens: NDArray[np.integer], end: int) -> list[NDArray[np.int64]]:
    """The places of each document's tokens; of END itself none."""
    bounds = [-1, *np.flatnonzero(tokens == end).tolist(), len(tokens)]
    found = [np.arange(low + 1, high) for low, high in pairwise(bounds)]
    return [document for document in found if len(document)]


def holding(tokens: NDArray[np.integer], tokenizer: Tokenizer, pattern: str) -> NDArray[np.bool_]:
    """(token) whether its characters overlap an occurrence of the pattern, as those of a mark's tokens do. No
    occurrence reaches from one document into the next."""
    known = {
        int(token): tokenizer.bytes_of(int(token)) or b"\xff" for token in np.unique(tokens)
    }  # no UTF-8 has 255
    pieces = [known[int(token)] for token in tokens]
    starts = np.cumsum([0, *map(len, pieces)])
    text, wanted = b"".join(pieces), pattern.encode()
    found = np.zeros(len(tokens), np.bool_)
    place = text.find(wanted)
    while place >= 0:
        first = np.searchsorted(starts, place, side="right") - 1
        last = np.searchsorted(starts, place + len(wanted), side="left")
        found[first:last] = True
        place = text.find(wanted, place + 1)
    return found


def values(checkpoint: Checkpoint, node: Node) -> Values:
    """(token) the node's value in the untouched model, of all the reference text in order."""

    def look(site: Site, x: Tensor) -> Values | None:
        return x[..., node.index].double().cpu().numpy() if site == node.site else None

    found = read_through(checkpoint.model, checkpoint.reference, look)[node.site]
    return np.concatenate(found).reshape(-1)


def auroc(here: Values, others: Values) -> float:
    """The share of pairs in which the first is larger, ties counting half; NaN where a value is not finite."""
    if not (np.isfinite(here).all() and np.isfinite(others).all()):
        return float("nan")
    ordered = np.sort(others)
    below = np.searchsorted(ordered, here, side="left").astype(np.float64)
    ties = np.searchsorted(ordered, here, side="right") - below
    return float((below + ties / 2).mean() / len(others))


def exceeds(here: Values, there: Values) -> Values:
    """1 where the first is larger, 1/2 for equals, 0 otherwise; NaN where one of them is not finite."""
    larger = (here > there) + 0.5 * (here == there)
    return np.where(np.isfinite(here) & np.isfinite(there), larger, np.nan)


def _order(n: int) -> NDArray[np.int64]:
    """A fixed random order: the text has one kind of document after the other, and a look may stop before the end."""
    return np.array(Stream(derive("documents", n)).pick(range(n), n))
