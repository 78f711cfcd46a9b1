"""Mechanism -> mechanism.svg: tokens of two prompts, boxes above them, the answer on top. 12-pixel text, 800 wide.

No font, script or link of its own, no `style` attribute: a page may carry it under a strict policy, with CSS in its own
style. As a file it carries that itself, for light and for dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from circuitlang.claims.verdict import Outcome
from circuitlang.report.mechanism import ANSWER, TOKENS, Box, Mechanism, Said
from circuitlang.report.prompt_svg import (
    BOLD,
    LINE,
    SIDE,
    WIDTH,
    Prompt,
    cut,
    quoted,
    shown,
    text,
    token_text,
    wrapped,
)

_GAP, _RISE = 14, 34  # between boxes of a row; between rows
_PAD = 8
_LANE = 8  # room for a line that passes a row
_BOX, _WIDE = 236, 372  # widths of a box, and of one with claims
SIGNS = {
    Outcome.PASS: "✓",
    Outcome.UNDECIDED: "?",
    Outcome.NOT_MEASURED: "?",
    Outcome.VOID: "∅",
    Outcome.FAIL: "✗",
}
_CLASSES = {Outcome.PASS: "good", Outcome.UNDECIDED: "open", Outcome.NOT_MEASURED: "open"}
COLOURS = ("#0072b2", "#d55e00", "#008a63", "#b0568f", "#8a6d00", "#3b7fb0", "#8c4a2f", "#555fae", "#4d7a1e")
"""Of boxes, in order, and then again; each has a contrast of 3 or more to white and to black."""

CSS = """
.mechanism text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--ink); }
.mechanism .mono { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; }
.mechanism .strong { font-weight: 650; }
.mechanism .soft { fill: var(--soft); }
.mechanism .good { fill: var(--pass); } .mechanism .open { fill: var(--open); } .mechanism .bad { fill: var(--fail); }
.mechanism .paper { fill: var(--paper); } .mechanism .panel { fill: var(--panel); stroke: var(--line); }
.mechanism .mark tspan { font-size: 12px; }
.mechanism .letter { fill: #fff; font-weight: 650; text-anchor: middle; }
.mechanism .edge { fill: none; stroke: var(--soft); stroke-width: 1.3; }
.mechanism .edge.claimed { stroke-width: 2.6; stroke: var(--pass); }
.mechanism .edge.claimed.bad { stroke: var(--fail); } .mechanism .edge.claimed.open { stroke: var(--open); }
.mechanism .edge.never { stroke-dasharray: 2 4; }
.mechanism .edge.faint { stroke-dasharray: 5 4; }
.mechanism .tip { fill: var(--soft); }
.mechanism .arc { fill: none; }
"""
OWN = """
.mechanism { --paper: #fff; --ink: #1c1f23; --soft: #5d6570; --line: #d9dde3; --panel: #f6f7f9; --pass: #1b7f3b;
  --fail: #b3261e; --open: #8a6100; }
@media (prefers-color-scheme: dark) { .mechanism { --paper: #14171b; --ink: #e6e8eb; --soft: #9aa3ae; --line: #353b43;
  --panel: #1d2126; --pass: #4cc27a; --fail: #ff7b72; --open: #e3b341; } }
"""
"""Colours where no page gives them: those of page.css."""


@dataclass
class _Item:
    """A box, or the lane of an arrow through a row (`box` None), with its place."""

    box: Box | None
    lines: list[tuple[str, str]]
    width: float
    x: float = 0.0
    y: float = 0.0

    @property
    def height(self) -> float:
        return LINE * len(self.lines) + 2 * _PAD if self.box else 0

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


def mechanism_svg(found: Mechanism, title: str, alone: bool = True) -> str:
    """The picture. `alone`: with its own style, as a file or in a notebook; without, for a page that has CSS."""
    drawing = _Drawing(found)
    parts = list(drawing.parts(title))
    style = f"<style>{OWN}{CSS}</style>\n" if alone else ""
    size = f'viewBox="0 0 {WIDTH} {drawing.height:.0f}" width="{WIDTH}" height="{drawing.height:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="mechanism" {size} role="img" aria-label={quoted(title)}>\n'
        f'{style}<rect class="paper" width="{WIDTH}" height="{drawing.height:.0f}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


class _Drawing:
    def __init__(self, found: Mechanism) -> None:
        self._found = found
        self._colour = {box.key: COLOURS[i % len(COLOURS)] for i, box in enumerate(found.boxes)}
        self._ranks = _ranked(found)
        self._rows = self._laid()
        self._cases = [Prompt(case, self._colour) for case in found.cases]
        self._top = 92.0  # of the first row
        y = self._top
        for row in reversed(self._rows):
            for item in row:
                item.y = y
            y += max((item.height for item in row), default=0) + _RISE
        self._foot = y  # of the rows
        self.height = y + max((p.height for p in self._cases), default=0) + LINE * (len(found.notes) + 2) + 12

    # --- where boxes stand

    def _laid(self) -> list[list[_Item]]:
        """Rows from the bottom, of as many boxes as fit, and the lanes of arrows that pass them."""
        rows: list[list[_Item]] = []
        for rank in range(1 + max(self._ranks.values(), default=-1)):
            rows.append([])
            for box in self._found.boxes:
                if self._ranks[box.key] == rank:
                    lines = self._claims(box)
                    width = _WIDE if lines else _BOX
                    if sum(item.width + _GAP for item in rows[-1]) + width > WIDTH - 2 * SIDE:
                        rows.append([])
                    rows[-1].append(_Item(box, [*_lines(box, width), *lines], width))
        at = {item.box.key: i for i, row in enumerate(rows) for item in row if item.box}
        self._paths: list[tuple[int, list[_Item]]] = []
        for number, arrow in enumerate(self._found.arrows):
            low, high = at.get(arrow.source, -1), at.get(arrow.target, len(rows))
            if arrow.source == "" or arrow.target == "" or (arrow.source == TOKENS and low + 1 < high):
                continue
            lanes = [_Item(None, [], _LANE) for _ in range(low + 1, high)]
            for row, lane in zip(rows[low + 1 : high], lanes, strict=True):
                row.append(lane)
            self._paths.append((number, [*_with(rows, arrow.source), *lanes, *_with(rows, arrow.target)]))
        near: dict[int, list[_Item]] = {}
        for _, path in self._paths:
            for one, other in pairwise(path):
                near.setdefault(id(one), []).append(other)
                near.setdefault(id(other), []).append(one)
        for row in rows:
            _spread(row)
        for _ in range(6):
            for row in (*rows, *reversed(rows)):
                pull = {id(i): _mean([n.middle for n in near.get(id(i), [])] or [i.middle]) for i in row}
                row.sort(key=lambda item: pull[id(item)])
                _spread(row)
        return rows

    def _claims(self, box: Box) -> list[tuple[str, str]]:
        """What is claimed of a box and of the arrows out of it."""
        titles = {each.key: each.title for each in self._found.boxes} | {ANSWER: ANSWER}
        found = [line for said in box.claims for line in _claimed(said, "")]
        for arrow in self._found.arrows:
            if arrow.claimed and arrow.source == box.key:
                to = f"{'no ' * arrow.never}→ {titles.get(arrow.target, '?')}"
                to = f"{to} ({arrow.label})" if arrow.label else to
                found += [line for said in arrow.claims for line in _claimed(said, to)] or [(to, "")]
        return found

    # --- what is drawn

    def parts(self, title: str) -> Iterator[str]:
        yield text(SIDE, 20, title, "strong")
        yield from self._answer()
        for number, path in self._paths:
            yield from self._edge(number, path)
        for row in self._rows:
            yield from (part for item in row if item.box for part in self._box(item, item.box))
        column = (WIDTH - 2 * SIDE) / max(1, len(self._cases))
        for i, prompt in enumerate(self._cases):
            yield from prompt.parts(SIDE + i * column, self._foot)
        y = self.height - LINE * (len(self._found.notes) + 1)
        rest = self._found.rest
        if rest is not None:
            tip = f"<title>{shown(', '.join(rest.nodes[:400]))}</title>"
            yield f'<g id="mechanism-rest">{tip}{text(SIDE, y, f"{rest.title}: {rest.effect}", "soft")}</g>'
        for i, note in enumerate(self._found.notes, 1):
            yield text(SIDE, y + LINE * i, cut(note, WIDTH - 2 * SIDE), "soft")

    def _answer(self) -> Iterator[str]:
        yield f'<rect class="panel" x="{SIDE}" y="30" width="{WIDTH - 2 * SIDE}" height="28" rx="6"/>'
        said = "   ·   ".join(f"{case.case} → {token_text(case.answer)}" for case in self._found.cases)
        yield text(WIDTH / 2, 48, f"answer   {said}" if said else "answer", "strong", ' text-anchor="middle"')

    def _edge(self, number: int, path: Sequence[_Item]) -> Iterator[str]:
        arrow = self._found.arrows[number]
        points: list[tuple[float, float]] = []
        for item in path:
            bottom = item.y + max(each.height for row in self._rows if item in row for each in row)
            if item.box is None:
                points += [(item.middle, bottom), (item.middle, item.y)]
            else:
                leaves = item.box.key == arrow.source
                points.append((item.middle, item.y if leaves else item.y + item.height))
        if arrow.source == TOKENS:
            points.insert(0, (path[0].middle, self._foot - 4))
        if arrow.target == ANSWER:
            points.append((points[-1][0], 58))
        if len(points) < 2:
            return
        d = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
        for (x, y), (to_x, to_y) in pairwise(points):
            half = (y + to_y) / 2
            d += f" C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}"
        x, y = points[-1]
        kinds = ["edge", *(["claimed"] if arrow.claimed else []), *(["never"] if arrow.never else [])]
        kinds += [_class(said.outcome) for said in arrow.claims[:1]] or ["faint"] * (not arrow.weights)
        said = (
            "; ".join(filter(None, (arrow.label, *(c.text for c in arrow.claims))))
            or f"{arrow.weights} edges"
        )
        name = f"{arrow.source} → {arrow.target}{' is claimed not to exist' if arrow.never else ''}: {said}"
        yield f'<g><title>{shown(name)}</title><path class="{" ".join(kinds)}" d="{d}"/>'
        yield f'<path class="tip" d="M{x:.1f} {y:.1f}l-4 8h8z"/></g>'

    def _box(self, item: _Item, box: Box) -> Iterator[str]:
        colour = self._colour[box.key]
        dashed = "" if box.nodes else ' stroke-dasharray="4 4"'
        nodes = ", ".join(box.nodes[:400])
        yield f'<g id="mechanism-{box.key}" class="box" data-nodes={quoted(nodes)}>'
        yield f"<title>{shown(nodes or box.effect)}</title>"
        place = (
            f'x="{item.x:.1f}" y="{item.y:.1f}" width="{item.width:.1f}" height="{item.height:.1f}" rx="6"'
        )
        yield f'<rect class="panel" {place}/>'
        yield f'<rect fill="none" stroke="{colour}" stroke-width="1.6"{dashed} {place}/>'
        y = item.y + _PAD + 12
        for line, kind in item.lines:
            if kind == "head":
                yield f'<circle cx="{item.x + 16:.1f}" cy="{y - 4:.1f}" r="9" fill="{colour}"/>'
                yield text(item.x + 16, y, box.key, "letter")
                yield text(item.x + 30, y, line, "strong")
            else:
                yield text(item.x + 10, y, line, kind)
            y += LINE
        yield "</g>"


def _lines(box: Box, width: float) -> list[tuple[str, str]]:
    """The text of a box, from its top, where arrows leave, with the class of each line."""
    room = width - 20
    count = f" · {len(box.nodes)} node{'s' * (len(box.nodes) != 1)}"
    found = [(cut(box.title, room - 16 - BOLD * len(count), BOLD) + count, "head")]
    does = f"{box.name}: {box.number}" if box.number else box.name
    found += [(line, "") for text in (does, *box.facts) for line in wrapped(text, room)]
    found += [(line, "strong") for line in wrapped(box.effect, room, BOLD)]
    return found


def _claimed(said: Said, arrow: str) -> list[tuple[str, str]]:
    text = f"{SIGNS[said.outcome]} {': '.join(filter(None, (arrow, said.text)))}"
    return [(line, _class(said.outcome)) for line in wrapped(text, _WIDE - 20)]


def _class(outcome: Outcome) -> str:
    return _CLASSES.get(outcome, "bad")


def _with(rows: Sequence[Sequence[_Item]], key: str) -> list[_Item]:
    return [item for row in rows for item in row if item.box and item.box.key == key]


def _spread(row: Sequence[_Item]) -> None:
    """Side by side, the room that is left shared out between them."""
    used = sum(item.width for item in row)
    gap = min(3.0 * _GAP, (WIDTH - 2 * SIDE - used) / max(1, len(row) - 1))
    x = (WIDTH - used - gap * (len(row) - 1)) / 2
    for item in row:
        item.x, x = x, x + item.width + gap


def _ranked(found: Mechanism) -> dict[str, int]:
    """Box -> how many boxes lie below it at most. Boxes are in order of computation; arrows against it do not count."""
    order = {box.key: i for i, box in enumerate(found.boxes)}
    ranks: dict[str, int] = {}
    for box in found.boxes:
        below = [
            a.source
            for a in found.arrows
            if a.target == box.key and order.get(a.source, len(order)) < order[box.key]
        ]
        ranks[box.key] = 1 + max((ranks[key] for key in below), default=-1)
    return ranks


def _mean(places: Sequence[float]) -> float:
    return sum(places) / len(places)
