"""A text with mistakes -> the tree of what can be read of it, for editors, where most texts are half written.

An item that cannot be read is blanked out but for the name that it declares, a brace that is missing is put where a
blank stood: every span is that of the text. What is wrong is not said here; that is `recover`'s.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from lark import UnexpectedInput, UnexpectedToken

from circuitlang.language.syntax import tree
from circuitlang.language.syntax.advice import completes
from circuitlang.language.syntax.parse import built, grammar, limits
from circuitlang.language.syntax.recover import position
from circuitlang.language.syntax.strings import QUOTED
from circuitlang.source.diagnostic import Source

_WORK = 300_000  # characters parsed at most: what needs more is given up
_STEPS = 60
_CLOSES = frozenset(
    {"use", "task", "corpus", "model", "spec", "bridge", "circuit", "claim"}
)  # stand in no section
_GOES_ON = "with|answer|foil|weight|given|where|for|by|except|not|in|each|depth"
_SHORTEST = {
    "param": "=1",
    "rule": '=""',
    "draw": '=""',
    "case": 'answer""',
    "claim": ":nodes<1",
    "role": "=q",
}
_DECLARES = re.compile(rf"(?P<word>{'|'.join(_SHORTEST)})[ \t]+[A-Za-z_]\w*(?:[ \t]*,[ \t]*[A-Za-z_]\w*)*\b")
_PLACES = re.compile(
    QUOTED
    + r"|\#[^\n]*|\{[^{}\n]*\}"  # a repetition, or a section on one line
    + rf"|^[ \t]*(?P<start>(?!(?:{_GOES_ON})\b)(?P<word>[A-Za-z_]\w*)(?P<open>(?:[ \t]+\w+)?[ \t]*\{{)?)"
    + r"|(?P<close>\})",
    re.S | re.M,
)


def salvage(source: Source) -> tree.File:
    """The tree of the items that can be read, without comments; of a well-formed text all of them."""
    if limits(source):
        return tree.File(None, ())
    return built(readable(source.text), source)[0]


def readable(text: str) -> str:
    """The text with what is broken blanked out, so that it parses; braces may be added at the end."""
    places = _places(text)
    work = _WORK
    for _ in range(_STEPS):
        try:
            grammar().parse(text)
            return text
        except UnexpectedInput as error:
            at = position(error, text)
            work -= at
            if work < 0:
                break
            text = _mended(text, at, error, places)
    return ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a line begins like an item, or a closing brace. `end`: of a block its brace's, otherwise the next place.
    `inside`: of a block, the offset behind its opening brace."""

    start: int
    end: int
    next: int
    inside: int | None
    word: str


def _places(text: str) -> list[_Place]:
    found = [match for match in _PLACES.finditer(text) if match["start"] or match["close"]]
    begins = [match.start("close" if match["close"] else "start") for match in found]
    following = [*begins, len(text)][1:]
    ends = list(following)
    opened: list[int] = []
    for number, match in enumerate(found):
        if match["open"]:
            opened.append(number)
        elif match["close"] and opened:
            ends[opened.pop()] = match.end()
    return [
        _Place(begin, end, after, match.end("open") if match["open"] else None, match["word"] or "}")
        for begin, end, after, match in zip(begins, ends, following, found, strict=True)
    ]


def _mended(text: str, at: int, error: UnexpectedInput, places: list[_Place]) -> str:
    """The text without what the failure at an offset shows to be broken, or with the brace that is missing."""
    closes = isinstance(error, UnexpectedToken) and "_CLOSE" in (error.accepts or error.expected)
    ends = at >= len(text.rstrip())
    if ends and closes:
        return text + "}"
    here = bisect_left(places, at, key=lambda place: place.start)
    begun = places[here] if here < len(places) and places[here].start == at else None
    if begun is not None and isinstance(error, UnexpectedToken) and completes(error):
        if closes and begun.word in _CLOSES:
            return text[: at - 1] + "}" + text[at:]
        return _without(text, at, at + 1 if begun.word == "}" else begun.end)
    last = places[here - 1] if here else _Place(0, at, places[0].start if places else len(text), None, "")
    if not (begun or ends) and last.word != "}" and not accepted(text[: last.start]) & {"_CLOSE", "$END"}:
        here, begun = (
            here - 1,
            last,
        )  # the item before is not complete, and has taken the first word of this one
    before = [place for place in places[:here] if not text[place.start].isspace()]
    if begun is not None or ends:
        return _without(text, before[-1].start, before[-1].end) if before else _without(text, 0, at + 1)
    if last.inside is not None and at >= last.inside:
        return _without(text, max(last.inside, text.rfind("\n", 0, at)), last.next)
    if last.word == "}" or text[last.start].isspace():
        return _without(text, at, max(at + 1, last.next))
    return _without(text, last.start, last.end)


def accepted(text: str) -> frozenset[str]:
    """The terminals that may follow the beginning of a text; none where it is wrong."""
    parser = grammar().parse_interactive(text)
    try:
        for _ in parser.iter_parse():
            pass
    except UnexpectedInput:
        return frozenset()
    return frozenset(parser.accepts())


def _without(text: str, start: int, end: int) -> str:
    """The text with a range blanked out, but for the declaration that it begins with, where there is room for one."""
    left = re.sub(r"[^\n]", " ", text[start:end])
    head = _DECLARES.match(text, start, end)
    if head:
        short = f"{head.group()} {_SHORTEST[head['word']]} "
        if len(short) <= end - start and not text.startswith(short, start):
            left = short + left[len(short) :]
    return text[:start] + left + text[end:]
