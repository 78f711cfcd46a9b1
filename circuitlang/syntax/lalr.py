"""Text + tables -> values, built while reading: the tokens, parts and positions of Lark's contextual LALR parser.

Lark itself is several times slower and takes longer to load than a small program takes to check; it is asked only
to explain what is refused here (explain.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from circuitlang.syntax.tables import END, Tables, Terminal, tables

Make = Callable[[Any, list[Any], int, int], Any]
"""(what the caller of `read` handed in, a rule's parts, and the offsets of all that it covers; 0, 0 where that is
nothing) -> a value."""
Reduction = tuple[int, int, str, tuple[int | None, ...], tuple[int, ...], Make | None]
"""(which of the ways below, how many symbols, what they become, the parts that are kept, which of these are lists
to be joined, how a value is made of them). A part is counted from the last symbol; None is one that was left
out. Without `Make` the value is the list of parts."""
SAME, ONE, GROW, ANY = range(4)
"""Ways to reduce: one symbol whose value stays; one symbol that is kept; a list and, as the last symbol, what is
appended to it; anything."""

_WORD, _LAST = "NAME", "LAST"  # the groups of words, keywords among them, and of the end of the text


class Refused(Exception):
    """The text cannot go on as it does at `at`. `states`: the parser's stack there, before the token at fault."""

    def __init__(self, at: int, states: list[int]) -> None:
        super().__init__(at)
        self.at = at
        self.states = states


class Reader:
    """A parser of texts. It keeps nothing of them."""

    def __init__(self, tables: Tables) -> None:
        self._states = tables.states
        self._end = tables.end
        self._words = {_word(t): t.name for t in tables.terminals if _is_word(t)}
        self._terminals = [t for t in tables.terminals if t.name not in tables.ignored]
        blank = "|".join(_expression(t) for t in tables.terminals if t.name in tables.ignored)
        self._blank = re.compile(f"(?:{blank})*+")
        token = "|".join(f"(?P<{t.name}>{_expression(t)})" for t in self._terminals if not _is_word(t))
        self._token = re.compile(rf"(?:{blank})*+(?:{token}|(?P<{_LAST}>\Z))")

    def read(self, text: str, reductions: Sequence[Reduction], build: Any) -> Any:
        """The value of a whole text; `reductions[-1 - r]` is that of rule r, `build` goes to their makers. Raises
        Refused."""
        states, words, match, last = self._states, self._words, self._token.match, self._end
        stack: Any = (
            0,
            None,
            -1,
            -1,
            None,
        )  # state, value, its start (-1: it covers nothing), end, what is below
        row = states[0]
        at = 0
        while True:
            before = stack
            found = match(text, at)
            if found is None:
                raise self._refused(text, at, before)
            kind = found.lastgroup or ""
            start, at = found.span(kind)
            value = text[start:at]
            if kind == _WORD:
                kind = words.get(value, _WORD)
                if kind not in row:
                    kind = _WORD
                elif not text[at : at + 1].isascii():  # perhaps the keyword's word does not end here
                    kind = ""
            elif kind == _LAST:
                kind = END
            action = row.get(kind)
            if action is None:
                kind, at = self._in_context(text, start, row)
                value = text[start:at]
                action = row.get(kind)
            while action is not None and action < 0:
                way, size, origin, kept, joined, make = reductions[action]
                if way == SAME:
                    _, made, begin, end, stack = stack
                elif way == ONE:
                    _, made, begin, end, stack = stack
                    parts = [made] if len(kept) == 1 else [None if place is None else made for place in kept]
                    made = parts if make is None else make(build, parts, begin, end)
                elif way == GROW:  # in place, so that long lists take no quadratic time
                    _, part, _, end, stack = stack
                    for _ in range(size - 2):
                        stack = stack[4]
                    _, made, begin, _, stack = stack
                    made.append(part)
                else:
                    cells: list[Any] = []
                    begin = end = -1
                    for _ in range(size):
                        cells.append(stack)
                        if stack[2] >= 0:
                            begin = stack[2]
                            if end < 0:
                                end = stack[3]
                        stack = stack[4]
                    if joined:
                        made = _joined(cells, kept, joined)
                    else:
                        made = [None if place is None else cells[place][1] for place in kept]
                    if make is not None:
                        made = make(build, made, max(begin, 0), max(end, 0))
                state = states[stack[0]][origin]
                if state == last and kind == END:
                    return made
                stack = (state, made, begin, end, stack)
                row = states[state]
                action = row.get(kind)
            if action is None:
                raise self._refused(text, start, before)
            stack = (action, value, start, at, stack)
            row = states[action]

    def _in_context(self, text: str, start: int, accepted: object) -> tuple[str, int]:
        """The token where only some terminals can stand: another one where the first that matches cannot."""
        assert isinstance(accepted, dict)
        for terminal in self._terminals:
            if terminal.name in accepted:
                found = re.compile(_expression(terminal)).match(text, start)
                if found:
                    return terminal.name, found.end()
        return "", start

    def _refused(self, text: str, at: int, stack: Any) -> Refused:
        states: list[int] = []
        while stack is not None:
            states.append(stack[0])
            stack = stack[4]
        blank = self._blank.match(text, at)
        return Refused(blank.end() if blank else at, states[::-1])


@cache
def reader() -> Reader:
    """Of the language. Made at the first use, once: it never changes."""
    return Reader(tables())


@cache
def keywords() -> frozenset[str]:
    """Every word that the grammar reserves."""
    return frozenset(_word(terminal) for terminal in tables().terminals if _is_word(terminal))


def _joined(cells: list[Any], kept: tuple[int | None, ...], joined: tuple[int, ...]) -> list[Any]:
    """The parts in one list."""
    made: list[Any] = []
    for place in kept:
        if place in joined:
            made += cells[place][1]
        else:
            made.append(None if place is None else cells[place][1])
    return made


def _is_word(terminal: Terminal) -> bool:
    """Whether a terminal is a keyword."""
    return terminal.regular and terminal.pattern.endswith(r"\b")


def _word(terminal: Terminal) -> str:
    """The keyword itself."""
    return terminal.pattern.removesuffix(r"\b")


def _expression(terminal: Terminal) -> str:
    pattern = terminal.pattern if terminal.regular else re.escape(terminal.pattern)
    return f"(?{terminal.flags}:{pattern})"
