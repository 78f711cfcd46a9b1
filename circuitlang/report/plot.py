"""Frontier -> an SVG: circuit size (logarithmic) against pretraining loss, one line per dense seed and sparse width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import geometric_mean
from xml.sax.saxutils import escape

from circuitlang.report.frontier import Frontier, Trained, counted

WIDE, HIGH = 430, 360  # of a panel, in pixels
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 46, 46  # room around the axes
SHOWN = ("edges", "edges, resampled")
_COLOURS = ("#1565c0", "#c62828", "#2e7d32", "#6a1b9a", "#8d6e00", "#00838f")
"""Of the sparse widths, narrowest first. Dense is grey."""
_GREY = "#555"


@dataclass(frozen=True)
class Dot:
    """A model in a panel. `size`: geometric mean over the panel's tasks; `line`: what it is joined with."""

    loss: float
    size: float
    label: str
    line: tuple[object, ...]
    dense: bool
    colour: str


def plot(found: Frontier) -> str:
    """A panel per measure, over the tasks of which every compared model has a circuit; without any it says so."""
    widths = sorted({model.width for model in found.models if model.nonzeros is not None})
    colours = {width: _COLOURS[i % len(_COLOURS)] for i, width in enumerate(widths)}
    panels = [_panel(found, measure, colours, i * WIDE) for i, measure in enumerate(SHOWN)]
    total, high = WIDE * len(SHOWN), HIGH + 24 * (1 + len(widths) // 5)
    title = escape(f"{found.base}: circuit size against pretraining loss")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {high}" width="{total}" height="{high}" '
        f'role="img" aria-label="{title}" font-family="Helvetica,Arial,sans-serif" font-size="11">\n'
        f'<title>{title}</title>\n<rect width="{total}" height="{high}" fill="#fff"/>\n'
        + "".join(panels)
        + _legend(colours)
        + "</svg>\n"
    )


def _panel(found: Frontier, measure: str, colours: dict[int, str], x: int) -> str:
    tasks = found.common(measure)
    dots = [_dot(model, measure, tasks, colours) for model in found.models if tasks and model.sizes]
    named = "edges" if measure == "edges" else "edges, where ablated nodes have values of other text"
    over = (
        f"geometric mean over {counted(len(tasks))}: {', '.join(tasks)}"
        if tasks
        else "no task has a circuit in every model"
    )
    head = _text(LEFT, 16, named, weight="bold") + _text(LEFT, 32, _cut(over, 62), fill=_GREY)
    if not dots:
        return f'<g transform="translate({x},0)">\n{head}</g>\n'
    across = _Axis.over([dot.loss for dot in dots], LEFT, WIDE - RIGHT, 0.05)
    up = _Axis.over([math.log10(dot.size) for dot in dots], HIGH - BOTTOM, TOP, 0.08)
    return (
        f'<g transform="translate({x},0)">\n{head}'
        + _axes(across, up)
        + _lines(dots, across, up)
        + "".join(_mark(dot, across, up) for dot in dots)
        + "</g>\n"
    )


@dataclass(frozen=True)
class _Axis:
    """Linear from values to pixels."""

    low: float
    high: float
    start: int
    end: int

    @staticmethod
    def over(values: Iterable[float], start: int, end: int, least: float) -> _Axis:
        """A tenth wider than the values on either side, and never narrower than 2 `least`."""
        values = list(values)
        low, high = min(values), max(values)
        room = max((high - low) / 10, least - (high - low) / 2, 0.0)
        return _Axis(low - room, high + room, start, end)

    def at(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def _axes(across: _Axis, up: _Axis) -> str:
    parts = [
        f'<path d="M{LEFT} {TOP}V{HIGH - BOTTOM}H{WIDE - RIGHT}" fill="none" stroke="#222"/>\n',
        _text((LEFT + WIDE - RIGHT) / 2, HIGH - 10, "pretraining loss, nats per token", anchor="middle"),
        f'<text transform="translate(14,{(TOP + HIGH - BOTTOM) / 2:g}) rotate(-90)" '
        'text-anchor="middle">edges</text>\n',
    ]
    for value in _round_steps(across.low, across.high):
        at = across.at(value)
        parts.append(f'<path d="M{at:g} {HIGH - BOTTOM}v4" stroke="#222"/>\n')
        parts.append(_text(at, HIGH - BOTTOM + 16, f"{value:g}", anchor="middle"))
    for value in _round_sizes(up.low, up.high):
        at = up.at(math.log10(value))
        parts.append(f'<path d="M{LEFT - 4} {at:g}h{WIDE - RIGHT - LEFT + 4}" stroke="#ddd"/>\n')
        parts.append(_text(LEFT - 7, at + 4, f"{value:,}", anchor="end"))
    return "".join(parts)


def _round_steps(low: float, high: float) -> list[float]:
    """Some three to seven round numbers."""
    step = 10 ** math.floor(math.log10(high - low))
    while (high - low) / step < 3:
        step /= 2
    while (high - low) / step > 7:
        step *= 2
    first = math.ceil(low / step)
    return [round(step * i, 10) for i in range(first, math.floor(high / step) + 1)]


def _round_sizes(low: float, high: float) -> list[int]:
    """1, 2 and 5 times powers of ten; where that is fewer than three, 1 to 9 times."""
    tens = range(max(0, math.floor(low)), math.ceil(high) + 1)
    few, many = (
        [n * 10**ten for ten in tens for n in steps if low <= math.log10(n * 10**ten) <= high]
        for steps in ((1, 2, 5), range(1, 10))
    )
    return few if len(few) > 2 else many


def _dot(model: Trained, measure: str, tasks: Sequence[str], colours: dict[int, str]) -> Dot:
    sizes = [model.size(task, measure) or 1 for task in tasks]
    size = geometric_mean(sizes)
    dense = model.nonzeros is None
    kind = "dense" if dense else f"{model.nonzeros:,} nonzeros"
    return Dot(
        model.loss,
        size,
        f"width {model.width}, {kind}, seed {model.seed}: loss {model.loss:.3f}, {size:.0f} edges",
        (dense, model.seed, 0 if dense else model.width),
        dense,
        _GREY if dense else colours[model.width],
    )


def _lines(dots: Sequence[Dot], across: _Axis, up: _Axis) -> str:
    """Through the models of one seed and width, or of one seed's dense ones, by loss."""
    parts = []
    for _, group in groupby(
        sorted(dots, key=lambda dot: (*map(str, dot.line), dot.loss)), key=lambda dot: dot.line
    ):
        there = list(group)
        if len(there) > 1:
            points = " ".join(f"{across.at(dot.loss):g},{up.at(math.log10(dot.size)):g}" for dot in there)
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{there[0].colour}" stroke-opacity=".5"/>\n'
            )
    return "".join(parts)


def _mark(dot: Dot, across: _Axis, up: _Axis) -> str:
    x, y = across.at(dot.loss), up.at(math.log10(dot.size))
    shape = (
        f'<rect x="{x - 4:g}" y="{y - 4:g}" width="8" height="8"'
        if dot.dense
        else f'<circle cx="{x:g}" cy="{y:g}" r="5"'
    )
    return f'{shape} fill="{dot.colour}"><title>{escape(dot.label)}</title></{"rect" if dot.dense else "circle"}>\n'


def _legend(colours: dict[int, str]) -> str:
    parts = [
        f'<rect x="{LEFT - 4}" y="{HIGH + 2}" width="8" height="8" fill="{_GREY}"/>\n',
        _text(LEFT + 10, HIGH + 10, "dense"),
    ]
    for i, (width, colour) in enumerate(colours.items(), 1):
        x, y = LEFT + 130 * (i % 5), HIGH + 6 + 24 * (i // 5)
        parts.append(
            f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}"/>\n'
            + _text(x + 10, y + 4, f"sparse, width {width}")
        )
    return "".join(parts)


def _text(
    x: float, y: float, text: str, anchor: str = "start", fill: str = "#222", weight: str = "normal"
) -> str:
    said = escape(text)
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{fill}" font-weight="{weight}">{said}</text>\n'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
