"""A text, however broken -> its words, texts, numbers, signs and comments with their offsets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from circuitlang.language.syntax.strings import QUOTED

Kind = Literal["comment", "string", "number", "word", "sign"]
_TOKEN = re.compile(
    rf"(?P<comment>\#[^\n]*)|(?P<string>{QUOTED})"
    r"|(?P<number>-?[0-9]+(?:(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?%?|/[0-9]+)[KMG]?)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<sign>->|~>|\.\.|<=|>=|==|[^\s\w]|\w)",
    re.S,
)
_HOLE = re.compile(r"(?<!\{)(?:\{\{)*\{(?P<name>[A-Za-z_]\w*)?\Z")


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    start: int
    end: int
    text: str

    @property
    def closed(self) -> bool:
        """Of a text: whether its closing quotes are there."""
        if self.text.startswith('"""'):
            return len(self.text) >= 6 and self.text.endswith('"""')
        return len(self.text) >= 2 and self.text.endswith(self.text[0])


def scan(text: str) -> list[Token]:
    """Every token in order; blanks are left out."""
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind: Kind = match.lastgroup  # type: ignore[assignment]
        found.append(Token(kind, match.start(), match.end(), match.group()))
    return found


def around(tokens: Sequence[Token], offset: int) -> Token | None:
    """The token that an offset stands in or touches: a word rather than a sign."""
    touching = [token for token in tokens if token.start <= offset <= token.end]
    return max(touching, key=lambda token: (token.kind == "word", token.start), default=None)


def hole_before(text: str) -> re.Match[str] | None:
    """The hole that the beginning of a template ends in, with the part of its name that is there."""
    return _HOLE.search(text)
