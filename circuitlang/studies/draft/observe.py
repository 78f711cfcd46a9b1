"""What the parts of a circuit do in the untouched model: at which marks they stand out, which cases they tell apart,
where heads look. Prompts of `select` only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray

from circuitlang.circuit.intervene import behind_pattern, pattern, record
from circuitlang.circuit.parts import Part
from circuitlang.claims.measure import Meter
from circuitlang.claims.pretraining_text import auroc
from circuitlang.model.transformer import unchanged
from circuitlang.prompts.encode import ENDING, START, Batch
from circuitlang.site import Node

LOOKED = 128
"""Datapoints of `select` behind a guess."""
TELLING = 0.75
"""An area under the curve, or one minus it, from which on a guess is made of it; 0.5 says nothing."""
MOST_OF = 0.5
"""The share of a head's attention from which on it is said to look somewhere."""
APART = 0.3
"""By how much that share must differ between two cases for each of them to be spoken of."""

Claimable = tuple[tuple[str, str, str], ...]
"""(verb, quantity with ROLE for the part, relation) each."""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Sight:
    """What a part does, by the number that says it. `claims`: what can be claimed of it; `strength`: in [0, 1], to
    compare numbers of different kinds; `name`: what a role that does this may be called."""

    words: str
    number: str
    claims: Claimable
    strength: float
    name: str

    @property
    def says_something(self) -> bool:
        return self.strength >= TELLING


def look(meter: Meter, parts: Sequence[Part]) -> dict[str, list[Sight]]:
    """By the part's name, what it does, the most telling number first; at most one of each kind."""
    sites = {node.site for part in parts for node in part.nodes}
    sites |= {site for layer, _ in map(_head, _heads(parts)) for site in behind_pattern(layer)}
    batches = [meter.prompts("select", (), number) for number in range(-(-LOOKED // meter.chunk))]
    marks = common_marks(batches)
    cases = [case.name for case in meter.generator.task.cases]
    model = meter.checkpoint.model
    values: dict[Node, list[Values]] = {part.nodes[0]: [] for part in parts if not part.is_head}
    patterns: dict[str, list[Values]] = {part.name: [] for part in _heads(parts)}
    for batch in batches:
        found = record(model, batch, unchanged, sites)
        for node, rows in values.items():
            rows.extend(_rows(found[node.site][..., node.index], batch))
        for part in _heads(parts):
            layer, head = _head(part)
            shares = pattern(model, found, layer)[:, head]
            last = shares[torch.arange(len(batch)), torch.from_numpy(batch.end).to(shares.device)]
            patterns[part.name].extend(_rows(last, batch))
    at = [places for batch in batches for places in batch.marks]
    return {
        part.name: _of_head(patterns[part.name], at, marks, cases)
        if part.is_head
        else _of_node(values[part.nodes[0]], at, marks, cases)
        for part in parts
    }


def common_marks(batches: Iterable[Batch]) -> list[str]:
    """The marks that every prompt has, those of the fewest tokens first, and of as many in order of their names."""
    widths: dict[str, int] | None = None
    for places in (row for batch in batches for row in batch.marks):
        here = {name: len(places[name]) for name in places if places[name]}
        widths = here if widths is None else {n: w + here[n] for n, w in widths.items() if n in here}
    return sorted(widths or {}, key=lambda name: ((widths or {})[name], name))


def _heads(parts: Iterable[Part]) -> list[Part]:
    return [part for part in parts if part.is_head]


def _head(part: Part) -> tuple[int, int]:
    """Its layer and its number."""
    layer, _, head = part.name.partition(".head")
    return int(layer), int(head.strip("[]"))


def _rows(values: torch.Tensor, batch: Batch) -> list[Values]:
    """Per prompt the values at its tokens, the one in front included."""
    table = values.double().cpu().numpy()
    return [table[row, : end + 1] for row, end in enumerate(batch.end)]


def _of_node(
    values: Sequence[Values],
    at: Sequence[Mapping[str, Sequence[int]]],
    marks: Sequence[str],
    cases: Sequence[str],
) -> list[Sight]:
    """Where it stands out, and which two cases it tells apart where."""
    out: list[Sight] = []
    told: list[Sight] = []
    for mark in marks:
        areas = [_stands_out(row, places[mark]) for row, places in zip(values, at, strict=True)]
        if not np.isnan(areas).any():
            area = float(np.mean(areas))
            relation = ">=" if area >= 0.5 else "<="
            words = f"{'larger' if area >= 0.5 else 'smaller'} at `{mark}` than elsewhere"
            shows = (("there", f"auroc(ROLE, at={mark})", relation),)
            out.append(Sight(words, f"AUROC {area:.2f}", shows, max(area, 1 - area), f"finds_{mark}"))
        means = np.array([row[list(places[mark])].mean() for row, places in zip(values, at, strict=True)])
        for (a, first), (b, second) in combinations(enumerate(cases), 2):
            area = auroc(means[a :: len(cases)], means[b :: len(cases)])
            high, low, area = (first, second, area) if area >= 0.5 else (second, first, 1 - area)
            words = f"larger for {high} than for {low} at `{mark}`"
            claims = (("apart", f"auroc(ROLE, at={mark}, between=({high}, {low}))", ">="),)
            told.append(Sight(words, f"AUROC {area:.2f}", claims, area, f"tells_{high}"))
    return _best(told, out)


def _stands_out(row: Values, places: Sequence[int]) -> float:
    others = np.setdiff1d(np.arange(1, len(row)), list(places))
    return auroc(row[list(places)], row[others]) if len(others) else float("nan")


def _of_head(
    patterns: Sequence[Values],
    at: Sequence[Mapping[str, Sequence[int]]],
    marks: Sequence[str],
    cases: Sequence[str],
) -> list[Sight]:
    """Where it looks from the end, in which case the most and in which the least: at the mark that gets most beyond its
    share of the tokens, in any case."""
    found: list[tuple[float, Sight]] = []
    for mark in marks:
        if mark in (ENDING, START):
            continue
        rows = list(zip(patterns, at, strict=True))
        shares = np.array([row[list(places[mark])].sum() for row, places in rows])
        even = np.array([len(places[mark]) / len(row) for row, places in rows])
        by_case = [float(shares[number :: len(cases)].mean()) for number in range(len(cases))]
        most, least = int(np.argmax(by_case)), int(np.argmin(by_case))
        beyond = by_case[most] - float(even[most :: len(cases)].mean())
        looks = f"attention(ROLE, from=end, to={mark})"
        number = f"{100 * shares.mean():.0f}% of its attention"
        claims: Claimable
        if by_case[most] - by_case[least] < APART:
            words, claims = f"looks at `{mark}` from the end", (("looks", looks, ">="),)
            best, name = float(shares.mean()), f"reads_{mark}"
        else:
            words = f"looks at `{mark}` from the end for {cases[most]}, less for {cases[least]}"
            each = (f"{100 * by_case[case]:.0f}% for {cases[case]}" for case in (most, least))
            number += f" ({', '.join(each)})"
            claims = (
                ("looks", f"{looks} for case {cases[most]}", ">="),
                (f"not_{cases[least]}", f"{looks} for case {cases[least]}", "<="),
            )
            best, name = by_case[most], f"sees_{cases[most]}"
        # at MOST_OF exactly as strong as an area of TELLING
        strength = min(1.0, max(0.0, TELLING + (best - MOST_OF) * (1 - TELLING) / (1 - MOST_OF)))
        found.append((beyond, Sight(words, number, claims, strength, name)))
    return [max(found, key=lambda pair: pair[0])[1]] if found else []


def _best(*kinds: Sequence[Sight]) -> list[Sight]:
    """The strongest of each kind, the stronger first; of equals the first that was looked at."""
    return sorted((max(kind, key=lambda s: s.strength) for kind in kinds if kind), key=lambda s: -s.strength)
