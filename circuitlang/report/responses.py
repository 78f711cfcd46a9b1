"""Exhibit -> what a node responds to, where a head attends, and what is written to the answer, each with its number."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from statistics import fmean
from typing import NamedTuple

from circuitlang.circuit.graph import CircuitGraph
from circuitlang.report.exhibit import Exhibit, ShownPrompt
from circuitlang.site import Node

ALIKE = 0.9
"""Correlation, of either sign, from which on two neurons fire alike."""


class Found(NamedTuple):
    """`what`: a token, or the case with the larger values; `auroc`: how often one there is larger than elsewhere."""

    what: str
    auroc: float
    at_end: bool = False
    negative: bool = False  # most values there are below 0


class Responses:
    """Values are the circuit's, on the exhibit's prompts."""

    def __init__(self, exhibit: Exhibit) -> None:
        self.prompts = exhibit.prompts
        self._packed = {found.node: found for found in exhibit.nodes}
        self._heads = {(found.layer, found.head): found for found in exhibit.heads}
        self._known: dict[str, list[list[float]]] = {}

    @cached_property
    def cases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(prompt.case for prompt in self.prompts))

    def values(self, node: Node) -> list[list[float]]:
        """Per prompt, per token; empty for a node that the exhibit has not."""
        found = self._packed.get(str(node))
        if found is None:
            return []
        if str(node) not in self._known:
            unit = found.scale / 127
            signed = iter(memoryview(base64.b64decode(found.circuit)).cast("b"))
            self._known[str(node)] = [[unit * v for v in islice(signed, len(p.tokens))] for p in self.prompts]
        return self._known[str(node)]

    def alike(self, one: Node, other: Node) -> bool:
        """Whether two nodes fire alike."""
        x, y = ([v for row in self.values(node) for v in row] for node in (one, other))
        if not x or len(x) != len(y):
            return False
        a, b = fmean(x), fmean(y)
        xx, yy = sum((v - a) ** 2 for v in x), sum((w - b) ** 2 for w in y)
        xy = sum((v - a) * (w - b) for v, w in zip(x, y, strict=True))
        return xx > 0 and yy > 0 and xy * xy >= ALIKE * ALIKE * xx * yy

    def token(self, node: Node) -> Found | None:
        """The token at which its values are largest on average, by size; None where it is silent."""
        found: dict[str, list[float]] = {}
        for prompt, row in zip(self.prompts, self.values(node), strict=False):
            for token, value in zip(prompt.tokens, row, strict=False):
                found.setdefault(token, []).append(value)
        if not any(map(any, found.values())):
            return None
        often = {token: values for token, values in found.items() if len(values) > 1} or found
        top = min(often, key=lambda token: (-fmean(map(abs, often[token])), token))
        others = [abs(v) for token, values in found.items() if token != top for v in values]
        return Found(top, _auroc(map(abs, found[top]), others), negative=fmean(found[top]) < 0)

    def case(self, node: Node) -> Found | None:
        """In which of the first two cases its values are larger: at the last token, or where they are farthest from 0,
        whichever tells more."""
        rows, best = self.values(node), None
        if len(self.cases) < 2 or not any(map(any, rows)):
            return None
        for at_end in (True, False):
            by_case: dict[str, list[float]] = {case: [] for case in self.cases}
            for prompt, row in zip(self.prompts, rows, strict=True):
                by_case[prompt.case].append(row[-1] if at_end else max(row, key=abs)) if row else None
            one, other = (by_case[case] for case in self.cases[:2])
            auroc = _auroc(one, other)
            found = Found(self.cases[auroc < 0.5], max(auroc, 1 - auroc), at_end)
            best = found if best is None or found.auroc > best.auroc else best
        return best

    def attention(self, head: tuple[int, int], row: int) -> tuple[float, list[float]] | None:
        """Of one prompt's last token: the sink's share, and each shown token's."""
        found, length = self._heads.get(head), len(self.prompts[row].tokens)
        if found is None or not length:
            return None
        last = base64.b64decode(found.circuit[row])[-(length + 2) :]
        return last[0] / 255, [share / 255 for share in last[2:]]

    def attended(self, head: tuple[int, int]) -> dict[str, tuple[str, float]]:
        """Case -> the token that the last one attends to most, and its mean share over the case's prompts. The sink is
        an empty text."""
        found: dict[str, tuple[str, float]] = {}
        for case in self.cases[:2]:
            rows = [i for i, prompt in enumerate(self.prompts) if prompt.case == case]
            sums: dict[str, float] = {}
            for row in rows:
                sink, shares = self.attention(head, row) or (0.0, [])
                for token, share in zip(("", *self.prompts[row].tokens), (sink, *shares), strict=False):
                    sums[token] = sums.get(token, 0.0) + share / len(rows)
            top = min(sums, key=lambda token: (-sums[token], token))
            if sums[top] > 0:
                found[case] = top, sums[top]
        return found

    def example(self) -> Sequence[int]:
        """Rows of the prompts to show: the first datapoint on which circuit and model are right, or else the first."""
        rows: dict[int, list[int]] = {}
        for row, prompt in enumerate(self.prompts):
            rows.setdefault(prompt.datapoint, []).append(row)
        right = (found for found in rows.values() if all(self._right(self.prompts[row]) for row in found))
        return next(right, next(iter(rows.values()), []))[:2]

    @staticmethod
    def _right(prompt: ShownPrompt) -> bool:
        return prompt.model.right and prompt.circuit.right

    def direct(self, graph: CircuitGraph) -> Mapping[Node, float]:
        """How much of what is written straight to the answer rather than its foils each node writes; the sum is 1.
        Empty where nothing is, on the whole."""
        weights: dict[Node, dict[str, float]] = {}
        for edge in graph.drawn:
            if edge.kind == "unembedding" and isinstance(edge.source, Node):
                weights.setdefault(edge.source, {})[str(edge.target)] = edge.weight
        found = {
            node: fmean(
                row[-1] * (to.get(p.answer, 0.0) - fmean([to.get(foil, 0.0) for foil in p.foils] or [0.0]))
                for p, row in zip(self.prompts, self.values(node), strict=True)
                if row
            )
            for node, to in weights.items()
            if any(self.values(node))
        }
        total = sum(found.values())
        return {node: value / total for node, value in found.items()} if total > 0 else {}


def _auroc(here: Iterable[float], others: Sequence[float]) -> float:
    """The share of pairs in which the first is larger, ties counting half; a half where there is no pair."""
    pairs = [(x > y) + 0.5 * (x == y) for x in here for y in others]
    return fmean(pairs) if pairs else 0.5
