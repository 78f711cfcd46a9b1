"""Model + circuit -> what both have at every kept node and head, token by token, on the same few prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from circuitlang.checking.inspection.contexts import spelled
from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.find import Finder
from circuitlang.circuit.intervene import Act, behind_pattern, pattern, prepared, record
from circuitlang.circuit.matched_positions import NONE, Partners, partners
from circuitlang.model import score
from circuitlang.model.transformer import Edit, Transformer, unchanged
from circuitlang.prompts.encode import Batch, encode
from circuitlang.prompts.prompt import Prompt
from circuitlang.report.exhibit import (
    Answered,
    HeadExhibit,
    NodeExhibit,
    ShownPrompt,
    pack_shares,
    pack_values,
)
from circuitlang.site import Node, Site

DATAPOINTS = 6
"""The first of `select`, as many as fit."""
LONGEST = 64
"""Tokens of a prompt that are shown: its last."""
PATTERN = 8_000
"""Shares of attention per head, over all prompts; a circuit has up to some dozens of heads."""
HEADS = 48
"""Heads that are shown, those with the most kept nodes."""

Head = tuple[int, int]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class _Side:
    """What one of the two, model or circuit, has: `values` of sites, `patterns` (prompt, query, key) of heads, and per
    prompt its answer."""

    values: Mapping[Site, Values]
    patterns: Mapping[Head, Values]
    answered: Sequence[Answered]


@dataclass(frozen=True)
class Inside:
    texts: Sequence[Prompt]
    batch: Batch
    words: Sequence[Sequence[str]]
    model: _Side
    circuit: _Side
    kept: Mapping[Head, int]  # how many nodes of a head are kept

    @staticmethod
    def of(finder: Finder, nodes: Sequence[Node], ablation: Ablation) -> Inside:
        checkpoint = finder.checkpoint
        model, config = checkpoint.model, checkpoint.model.config
        datapoints = list(finder.generator.datapoints("select", range(DATAPOINTS)))
        batch = encode(datapoints, checkpoint.tokenizer, config.context)
        fitting = _fitting(batch)
        datapoints = datapoints[:fitting]
        batch = finder.relabel(next(batch.parts(fitting * batch.cases)), "select", 0)
        texts = [prompt for datapoint in datapoints for prompt in datapoint.prompts]
        kept: dict[Head, int] = {}
        for node in nodes:
            number, _ = config.within_head(node)
            if number is not None:
                head = node.site.layer, number
                kept[head] = kept.get(head, 0) + 1
        kept = dict(sorted(sorted(kept.items(), key=lambda item: (-item[1], item[0]))[:HEADS]))
        sites = {node.site for node in nodes}
        sites |= {site for layer, _ in kept for site in behind_pattern(layer)}
        small, edit = prepared(model, batch, (Act("keep", tuple(nodes)),), ablation.of(batch), sites)
        return Inside(
            texts,
            batch,
            [[spelled(checkpoint.tokenizer, int(token)) for token in row] for row in batch.tokens],
            _look(model, batch, unchanged, sites, kept, texts),
            _look(small, batch, edit, sites, kept, texts),
            kept,
        )

    def prompts(self) -> tuple[ShownPrompt, ...]:
        """Each compared with the first case's prompt of its datapoint, the first case's with the second's."""
        cases = self.batch.cases
        others: dict[int, Partners] = {to: partners(self.batch, to) for to in range(min(cases, 2))}
        found = []
        for row, prompt in enumerate(self.texts):
            start, end = self._shown(row)
            to = 1 if row % cases == 0 else 0
            against = None if cases == 1 else row - row % cases + to
            found.append(
                ShownPrompt(
                    datapoint=row // cases,
                    case=prompt.case,
                    tokens=tuple(self.words[row][start:end]),
                    cut=start,
                    answer=prompt.said(0, self.batch.one_sided),
                    foils=prompt.foils,
                    model=self.model.answered[row],
                    circuit=self.circuit.answered[row],
                    against=None if against is None else self.texts[against].case,
                    partners=()
                    if against is None
                    else self._partners(against, others[to].position[row, start:end]),
                )
            )
        return tuple(found)

    def _partners(self, against: int, places: NDArray[np.int64]) -> tuple[int, ...]:
        """For each shown token of a prompt its counterpart among the shown ones of the other, as swaps take it."""
        first = self._shown(against)[0]
        return tuple(NONE if place < first else place - first for place in places.tolist())

    def node(self, node: Node) -> NodeExhibit:
        sides = [self._of_node(side, node) for side in (self.model, self.circuit)]
        scale = float(max(np.abs(values).max() for values in sides))
        model, circuit = (pack_values(values.tolist(), scale) for values in sides)
        return NodeExhibit(
            node=str(node), scale=scale, model=model, circuit=circuit, likeness=_correlation(*sides)
        )

    def heads(self) -> tuple[HeadExhibit, ...]:
        return tuple(self._head(head) for head in self.kept)

    def _head(self, head: Head) -> HeadExhibit:
        sides = [
            [self._rows(side.patterns[head][row], row) for row in range(len(self.batch))]
            for side in (self.model, self.circuit)
        ]
        apart = [
            float(np.abs(mine - other).sum()) / 2
            for model, circuit in zip(*sides, strict=True)
            for mine, other in zip(model, circuit, strict=True)
        ]
        model, circuit = (
            tuple(pack_shares(np.concatenate(rows).tolist()) for rows in side) for side in sides
        )
        return HeadExhibit(
            layer=head[0], head=head[1], model=model, circuit=circuit, distance=float(np.mean(apart))
        )

    def _rows(self, pattern: Values, row: int) -> list[Values]:
        """Per shown token: the sink's share, that of the tokens in front that are cut, and of each shown one."""
        start, end = self._shown(row)
        found = []
        for query in range(start, end):
            shares = pattern[query, : query + 1]
            rest = [max(0.0, 1.0 - float(shares.sum())), float(shares[:start].sum())]
            found.append(np.concatenate([rest, shares[start:]]))
        return found

    def _of_node(self, side: _Side, node: Node) -> Values:
        """(token) of all shown prompts, one after the other."""
        values = side.values[node.site][..., node.index]
        return np.concatenate([values[row, slice(*self._shown(row))] for row in range(len(self.batch))])

    def _shown(self, row: int) -> tuple[int, int]:
        end = int(self.batch.end[row]) + 1
        return max(0, end - LONGEST), end


def _fitting(batch: Batch) -> int:
    """How many datapoints there is room for; at least one."""
    lengths = np.minimum(batch.end + 1, LONGEST).reshape(-1, batch.cases)
    shares = np.cumsum((lengths * (lengths + 5) // 2).sum(1))
    return max(1, int((shares <= PATTERN).sum()))


@torch.no_grad()
def _look(
    model: Transformer,
    batch: Batch,
    edit: Edit,
    sites: set[Site],
    heads: Mapping[Head, int],
    texts: Sequence[Prompt],
) -> _Side:
    found = record(model, batch, edit, sites)
    patterns: dict[Head, Values] = {}
    for layer in sorted({layer for layer, _ in heads}):
        every = pattern(model, found, layer).double().cpu().numpy()
        patterns |= {(of, head): every[:, head] for of, head in heads if of == layer}
    logits = score.answer_logits(model, batch, edit)
    choices = score.choice(logits, batch).tolist()
    chances = score.probability(logits, batch).clamp(0, 1).tolist()
    answered = [
        Answered(says=prompt.said(choice, batch.one_sided), right=choice == 0, probability=chance)
        for prompt, choice, chance in zip(texts, choices, chances, strict=True)
    ]
    values = {site: value.double().cpu().numpy() for site, value in found.items()}
    return _Side(values, patterns, answered)


def _correlation(one: Values, other: Values) -> float | None:
    """None where one of them is constant."""
    if len(one) < 2 or not (one.std() > 0 and other.std() > 0):
        return None
    return float(np.corrcoef(one, other)[0, 1])
