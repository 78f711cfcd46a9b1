"""A prompt as SVG, with marks under the tokens that boxes read and arcs of attention; and how text is set there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import quoteattr

from circuitlang.report.mechanism import Shown
from circuitlang.source.visible import columns, visible

WIDTH = 800
SIDE, LINE = 10, 16  # at the edges; from a line to the next
SANS, BOLD, _MONO = 6.3, 6.9, 7.25  # pixels a column takes, at 12 pixels
_MARK = 14  # from a line of a prompt to the marks under it
_TALL = 12  # lines of a prompt that are shown, its last
_Mark = tuple[str, str, float | None]  # a box's key, what is written, and its share of attention


class Prompt:
    """A case's prompt as text, with the tokens that boxes read marked under it, and arcs of attention to them."""

    def __init__(self, case: Shown, colour: dict[str, str]) -> None:
        self._case, self._colour = case, colour
        self._columns = int((WIDTH / 2 - 2 * SIDE) / _MONO) - 1
        self._places: dict[int, tuple[int, int, int]] = {}  # token -> line, column, columns
        self._lines: list[str] = [""]
        for at, token in enumerate(case.tokens):
            self._put(at, token)
        self._from = max(0, len(self._lines) - _TALL)
        self._marks = self._marked()
        self._tops, y = [0.0] * len(self._lines), 2.0 * LINE + 16
        for number in range(self._from, len(self._lines)):
            self._tops[number] = y
            rows = 1 + max((row for _, row, _, on in self._marks if on == number), default=-1)
            y += LINE + _MARK * rows + (10 if rows else 0)
        self.height = y + 6

    def _put(self, at: int, token: str) -> None:
        for i, piece in enumerate(token.split("\n")):
            shown = visible(piece) + ("⏎" if i < token.count("\n") else "")
            if columns(self._lines[-1]) + columns(shown) > self._columns and self._lines[-1]:
                self._lines.append("")
            shown = shown if columns(shown) <= self._columns else cut(shown, self._columns, 1)
            if shown:
                self._places.setdefault(at, (len(self._lines) - 1, columns(self._lines[-1]), columns(shown)))
            self._lines[-1] += shown
            if i < token.count("\n"):
                self._lines.append("")

    def _marked(self) -> list[tuple[int, int, list[_Mark], int]]:
        """Per token that is read: which, the row of its marks under its line, they, and the line. They have room beside
        those before them in the row."""
        by_token: dict[int, list[_Mark]] = {}
        for read in self._case.reads:
            said = read.key if read.share is None else f"{read.key} {read.share:.0%}"
            by_token.setdefault(read.token, []).append((read.key, said, read.share))
        ends: dict[tuple[int, int], int] = {}
        found = []
        for token, parts in sorted(by_token.items()):
            line, column, _ = self._places.get(token, (-1, 0, 0))
            if line >= self._from:
                long = len(" ".join(said for _, said, _ in parts))
                start = min(column, max(0, self._columns - long))
                row = next(n for n in range(len(by_token)) if ends.get((line, n), -1) < start)
                ends[line, row] = start + long + long // 8 + 1
                found.append((token, row, parts, line))
        return found

    def parts(self, x: float, top: float) -> Iterator[str]:
        case = self._case
        yield text(x, top + 12, f"case {case.case}", "strong")
        yield text(
            x, top + 12 + LINE, cut(f"circuit {case.circuit}, model {case.model}", WIDTH / 2 - 20), "soft"
        )
        for token, row, marks, number in self._marks:
            left, y, width = self._at(token, x, top)
            colour = self._colour[marks[0][0]]
            place = f'x="{left - 1:.1f}" y="{y - 12:.1f}" width="{width + 2:.1f}" height="16" rx="3"'
            yield f'<rect {place} fill="{colour}" fill-opacity="0.28"/>'
            yield from self._arcs(token, marks, number, x, top)
            long = len(" ".join(said for _, said, _ in marks))
            spans = " ".join(
                f'<tspan fill="{self._colour[key]}">{shown(said)}</tspan>' for key, said, _ in marks
            )
            start = min(left, x + _MONO * max(0, self._columns - long))
            yield f'<text class="strong mark" x="{start:.1f}" y="{y + _MARK * (row + 1):.1f}">{spans}</text>'
        for line, y in list(zip(self._lines, self._tops, strict=True))[self._from :]:
            if line:
                yield text(x, top + y, line, "mono", f' textLength="{columns(line) * _MONO:.1f}"')

    def _at(self, token: int, x: float, top: float) -> tuple[float, float, float]:
        """Left, baseline and width of a token."""
        line, column, wide = self._places[token]
        return x + column * _MONO, top + self._tops[line], wide * _MONO

    def _arcs(self, token: int, marks: Sequence[_Mark], line: int, x: float, top: float) -> Iterator[str]:
        """From the last token, wider the larger the share; under a line, or from above the last one to an earlier."""
        last = len(self._case.tokens) - 1
        if last not in self._places or token == last:
            return
        (to, y, wide), (end, end_y, end_wide) = self._at(token, x, top), self._at(last, x, top)
        rows = 1 + max(row for _, row, _, on in self._marks if on == line)
        for number, (key, _, share) in enumerate(marks):
            if share is not None:
                one, other, low = end + end_wide / 2, to + wide / 2 + 3 * number, y + _MARK * rows + 4
                start = end_y + _MARK * rows + 4 if y == end_y else end_y - 12
                bend = low + 8 if y == end_y else low + 14
                yield (
                    f'<path class="arc" stroke="{self._colour[key]}" stroke-opacity="0.8" '
                    f'stroke-width="{0.8 + 2.4 * share:.1f}" d="M{one:.1f} {start:.1f} '
                    f'C{one:.1f} {bend:.1f} {other:.1f} {bend:.1f} {other:.1f} {low:.1f}"/>'
                )


def wrapped(text: str, room: float, column: float = SANS) -> list[str]:
    """Lines of whole words; a word that is too long is cut."""
    lines: list[str] = []
    for word in filter(None, visible(text).replace("AUROC ", "AUROC\u00a0").split(" ")):
        word = cut(word, room, column)
        if lines and columns(lines[-1]) + 1 + columns(word) <= room / column:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines if len(lines) <= 6 else [*lines[:5], "…"]


def cut(text: str, room: float, column: float = SANS) -> str:
    shown, most = visible(text), int(room / column)
    if columns(shown) <= most:
        return shown
    while shown and columns(shown) >= most:
        shown = shown[: most - 1] if len(shown) > most else shown[:-1]
    return shown + "…"


def token_text(text: str) -> str:
    return f"‘{cut(text.replace(chr(10), '⏎'), 160)}’"


def text(x: float, y: float, text: str, kind: str = "", more: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}{more}>{shown(text)}</text>'


def shown(text: str) -> str:
    """What stands in an element; spaces in a row stay."""
    shown = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return shown.replace("  ", "\u00a0\u00a0")


def quoted(text: str) -> str:
    return quoteattr(visible(text))
