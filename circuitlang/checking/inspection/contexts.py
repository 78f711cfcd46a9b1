"""Where in pretraining text the untouched model's nodes have which values: places at several quantiles.

As the authors' viewer shows them (Gao et al. 2025, appendix A.7): largest and smallest values, and those at fractions
of the text, so that a node's usual work is seen beside its best examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from circuitlang.circuit.ablation import read_through
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.prompts.tokenizer import END, Tokenizer
from circuitlang.report.exhibit import Band, Context, pack_tokens, pack_values
from circuitlang.site import Node, Site

SHARES = (0.0, 0.001, 0.01, 0.1, 0.5)
"""Of the text's tokens that have larger (or smaller) values than a band's; 0: the extremes themselves."""
EXAMPLES = 3
"""Places per band, no two of them in one window."""
BEFORE, AFTER = 16, 6
"""Tokens shown in front of a place and behind it. The model looks only backward."""
ROWS = 128
"""Rows of reference text that are looked at: those of the model that ships are as many."""

Values = NDArray[np.float32]
Side = Literal["top", "bottom"]
Picked = tuple[Side, float, list[int]]
"""A band: its side, its share, and its places."""


@dataclass(frozen=True)
class Contexts:
    """`text` and `words` as in Exhibit; `found`: what it shows of each node."""

    text: str
    words: tuple[str, ...]
    found: dict[Node, dict[str, Any]]

    def node(self, node: Node) -> dict[str, Any]:
        """The fields `bands`, `silent` and `text_scale` of its NodeExhibit."""
        return self.found[node]

    @staticmethod
    def of(checkpoint: Checkpoint, nodes: Sequence[Node]) -> Contexts:
        rows = checkpoint.reference[:ROWS]
        values = _values(checkpoint, rows, nodes)
        tokens = rows.cpu().numpy().reshape(-1)
        bounds = _bounds(tokens, rows.shape[1], checkpoint.tokenizer.end)
        shuffled = np.argsort(np.arange(len(tokens), dtype=np.uint64) * 2654435761 % 2**32, kind="stable")
        shuffled = shuffled[tokens[shuffled] != checkpoint.tokenizer.end]
        picked = {node: _bands(values[node], shuffled, bounds) for node in nodes}
        used = np.zeros(len(tokens), np.bool_)
        for bands in picked.values():
            for _, _, places in bands:
                for place in places:
                    used[slice(*_window(place, bounds))] = True
        new = np.cumsum(used) - 1  # where a token stands when only the used ones are left
        known, numbers = np.unique(tokens[used], return_inverse=True)
        words = tuple(spelled(checkpoint.tokenizer, int(token)) for token in known)
        found = {node: _shown(values[node], picked[node], bounds, new) for node in nodes}
        return Contexts(pack_tokens([int(n) for n in numbers]), words, found)


def _values(checkpoint: Checkpoint, rows: Tensor, nodes: Sequence[Node]) -> dict[Node, Values]:
    """(token) of every node, in one pass."""
    by_site: dict[Site, list[Node]] = {}
    for node in nodes:
        by_site.setdefault(node.site, []).append(node)

    def look(site: Site, x: Tensor) -> Values | None:
        if site not in by_site:
            return None
        return x[..., [node.index for node in by_site[site]]].flatten(0, 1).float().cpu().numpy()

    parts = read_through(checkpoint.model, rows, look)
    whole = {site: np.concatenate(found) for site, found in parts.items()}
    return {node: whole[site][:, i] for site, inside in by_site.items() for i, node in enumerate(inside)}


Bounds = tuple[NDArray[np.int64], NDArray[np.int64]]


def _bounds(tokens: NDArray[np.integer], width: int, end: int) -> Bounds:
    """(token) where its document begins and ends, [first, last + 1); what is in another row the model did not see."""
    places = np.arange(len(tokens))
    first = np.maximum(np.maximum.accumulate(np.where(tokens == end, places + 1, 0)), places // width * width)
    ends = np.where(tokens == end, places, len(tokens))[::-1]
    last = np.minimum(np.minimum.accumulate(ends)[::-1], (places // width + 1) * width)
    return first, last


def _window(place: int, bounds: Bounds) -> tuple[int, int]:
    first, last = bounds
    return max(place - BEFORE, int(first[place])), min(place + AFTER + 1, int(last[place]))


def _bands(values: Values, shuffled: NDArray[np.int64], bounds: Bounds) -> list[Picked]:
    """Side, share and places, highest first. Equal values in a fixed random order: the text has one kind of document
    after the other. A band of a value that a more extreme one has shown is left out."""
    falling = shuffled[np.argsort(-values[shuffled], kind="stable")]
    top: list[Picked] = []
    bottom: list[Picked] = []
    taken: set[int] = set()
    seen: set[float] = set()
    for share in SHARES:
        sides: tuple[tuple[Side, NDArray[np.int64], list[Picked]], ...] = (
            ("top", falling, top),
            ("bottom", falling[::-1], bottom),
        )
        for side, order, into in sides:
            if share == 0.5 and side == "bottom":
                continue
            start = int(share * len(order))
            value = float(values[order[start]])
            if value in seen:
                continue
            seen.add(value)
            places = _apart(order[start:], bounds, taken)
            into.append((side, share, places if side == "top" else places[::-1]))
    return top + bottom[::-1]


def _apart(order: NDArray[np.int64], bounds: Bounds, taken: set[int]) -> list[int]:
    """The first places whose windows hold none that was taken."""
    found: list[int] = []
    for place in order[: 200 * EXAMPLES].tolist():
        if len(found) == EXAMPLES:
            break
        low, high = _window(place, bounds)
        if not any(low <= other < high for other in taken):
            found.append(place)
            taken.add(place)
    return found


def _shown(
    values: Values,
    bands: Sequence[Picked],
    bounds: Bounds,
    new: NDArray[np.int64],
) -> dict[str, Any]:
    scale = float(np.abs(values).max())
    made = []
    for side, share, places in bands:
        contexts = []
        for place in places:
            low, high = _window(place, bounds)
            contexts.append(
                Context(
                    start=int(new[low]),
                    at=place - low,
                    value=float(values[place]),
                    values=pack_values(values[low:high].tolist(), scale),
                )
            )
        if contexts:
            made.append(Band(side=side, share=share, contexts=tuple(contexts)))
    return {"bands": tuple(made), "silent": float((values == 0).mean()), "text_scale": scale}


def spelled(tokenizer: Tokenizer, token: int) -> str:
    if token == tokenizer.end:
        return END
    data = tokenizer.bytes_of(token)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in data)
