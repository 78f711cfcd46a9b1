"""Dose responses -> an SVG: what becomes of the dense model's answer by the strength of steering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDE, HIGH = 400, 300  # of a panel, in pixels
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 34, 62
_COLOURS = ("#1565c0", "#2e7d32", "#777", "#c62828")

Curves = Mapping[str, Sequence[tuple[float, float]]]
"""Name -> (strength, share), both 0 to 1."""


def dose_plot(title: str, found: Mapping[str, Curves]) -> str:
    """A panel per node that steers, with its curves."""
    wide = WIDE * len(found)
    said = escape(f"{title}: the dense model's answer by the strength of steering", {'"': "&quot;"})
    panels = "".join(_panel(node, curves, place * WIDE) for place, (node, curves) in enumerate(found.items()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {HIGH}" width="{wide}" height="{HIGH}" '
        f'role="img" aria-label="{said}" font-family="Helvetica,Arial,sans-serif" font-size="11">\n'
        f'<title>{said}</title>\n<rect width="{wide}" height="{HIGH}" fill="#fff"/>\n{panels}</svg>\n'
    )


def _panel(node: str, curves: Curves, x: int) -> str:
    parts = [
        f'<g transform="translate({x},0)">\n<text x="{LEFT}" y="18" font-weight="bold">{escape(node)}</text>\n',
        f'<path d="M{LEFT} {TOP}V{HIGH - BOTTOM}H{WIDE - RIGHT}" fill="none" stroke="#222"/>\n',
        f'<text x="{(LEFT + WIDE - RIGHT) / 2:g}" y="{HIGH - BOTTOM + 32}" text-anchor="middle">strength</text>\n',
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        across, up = _at(tick, tick)
        parts.append(f'<text x="{across:g}" y="{HIGH - BOTTOM + 16}" text-anchor="middle">{tick:g}</text>\n')
        parts.append(f'<text x="{LEFT - 7}" y="{up + 4:g}" text-anchor="end">{tick:g}</text>\n')
    for place, (name, points) in enumerate(curves.items()):
        colour, key = _COLOURS[place % len(_COLOURS)], LEFT + place * 110
        line = " ".join(f"{across:g},{up:g}" for across, up in (_at(*point) for point in points))
        dashes = ' stroke-dasharray="4 3"' if "random" in name else ""
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"{dashes}/>\n'
        )
        parts.append(f'<rect x="{key}" y="{HIGH - 18}" width="9" height="9" fill="{colour}"/>\n')
        parts.append(f'<text x="{key + 13}" y="{HIGH - 10}">{escape(name)}</text>\n')
    return "".join(parts) + "</g>\n"


def _at(strength: float, share: float) -> tuple[float, float]:
    """In pixels."""
    across = LEFT + strength * (WIDE - LEFT - RIGHT)
    return round(across, 1), round(HIGH - BOTTOM - share * (HIGH - TOP - BOTTOM), 1)
