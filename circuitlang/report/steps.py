"""Claims over training steps -> a table and an SVG: when a circuit forms, and when it breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

from circuitlang.claims.verdict import Outcome
from circuitlang.report.listing import aligned
from circuitlang.source.visible import visible

Measured = tuple[Outcome, float | None, float | None, float | None]
"""A verdict, a value, and the ends of its interval where there is one."""
WIDE, HIGH, LEFT, TOP, BOTTOM = 560, 130, 70, 26, 24  # of a panel, and the room around its axes, in pixels
_COLOURS = {Outcome.PASS: "#2e7d32", Outcome.FAIL: "#c62828", Outcome.VOID: "#6a1b9a"}
_GREY = "#8d6e00"


@dataclass(frozen=True)
class Step:
    """A checkpoint. `claims`: by name; none where the model was not competent."""

    step: int
    verdict: Outcome
    claims: Mapping[str, Measured]


def _names(steps: Sequence[Step]) -> list[str]:
    return list(dict.fromkeys(name for each in steps for name in each.claims))


def step_lines(steps: Sequence[Step]) -> list[str]:
    """A row per checkpoint, and for each claim the steps between which its verdict came or went."""
    names = _names(steps)
    rows = [["step", "verdict", *map(visible, names)]]
    for each in steps:
        rows.append([f"{each.step:,}", each.verdict.value, *(_cell(each.claims.get(name)) for name in names)])
    return [
        *aligned(rows),
        *(f"{visible(name)}: {'; '.join(_turns(steps, name)) or 'the same at all steps'}" for name in names),
    ]


def _cell(found: Measured | None) -> str:
    if found is None:
        return "–"
    verdict, value, _, _ = found
    return verdict.value if value is None else f"{verdict.value} {value:.3g}"


def _holds(step: Step, name: str) -> bool:
    return name in step.claims and step.claims[name][0] is Outcome.PASS


def _turns(steps: Sequence[Step], name: str) -> list[str]:
    return [
        f"{'forms' if _holds(new, name) else 'breaks'} between {old.step:,} and {new.step:,}"
        for old, new in pairwise(steps)
        if _holds(old, name) != _holds(new, name)
    ]


def plot_steps(steps: Sequence[Step]) -> str:
    """A panel per claim: its value with the interval at each step, in the colour of its verdict."""
    names = _names(steps)
    high = max(1, len(names)) * HIGH
    parts = [_panel(steps, name, place * HIGH) for place, name in enumerate(names)]
    said = "" if names else '<text x="10" y="20">no model was competent</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE}" height="{high}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDE}" height="{high}" fill="#fff"/>\n{said}{"".join(parts)}</svg>\n'
    )


def _panel(steps: Sequence[Step], name: str, down: int) -> str:
    shown = [(each.step, each.claims[name]) for each in steps if name in each.claims]
    values = [v for _, (_, *found) in shown for v in found if v is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    first, last = steps[0].step, steps[-1].step

    def x(step: int) -> float:
        return LEFT + (WIDE - LEFT - 20) * (step - first) / max(1, last - first)

    def y(value: float) -> float:
        return down + TOP + (HIGH - TOP - BOTTOM) * (1 - (value - low) / ((high - low) or 1))

    parts = [
        f'<text x="8" y="{down + 16}" font-weight="bold">{escape(visible(name))}</text>\n',
        f'<text x="8" y="{y(high) + 4:.1f}">{high:.3g}</text>\n<text x="8" y="{y(low) + 4:.1f}">{low:.3g}</text>\n',
        f'<text x="{LEFT}" y="{down + HIGH - 6}">{first:,}</text>\n'
        f'<text x="{WIDE - 20}" y="{down + HIGH - 6}" text-anchor="end">{last:,}</text>\n',
    ]
    for step, (verdict, value, lowest, highest) in shown:
        if value is None:
            continue
        colour = _COLOURS.get(verdict, _GREY)
        if lowest is not None and highest is not None:
            parts.append(
                f'<path d="M{x(step):.1f} {y(lowest):.1f}V{y(highest):.1f}" stroke="{colour}" fill="none"/>\n'
            )
        title = f"<title>step {step:,}: {verdict.value} {value:.4g}</title>"
        parts.append(
            f'<circle cx="{x(step):.1f}" cy="{y(value):.1f}" r="4" fill="{colour}">{title}</circle>\n'
        )
    return "".join(parts)
