"""A place in a text, however broken -> its tokens, the blocks around it, the keywords that may follow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from circuitlang.interfaces.lsp.salvage import accepted, readable
from circuitlang.language.syntax.parse import keywords
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


_BLOCKS = frozenset({"task", "corpus", "model", "spec", "bridge"})
_BEGIN = {
    "": _BLOCKS | {"use", "circuitlang"},
    "task": frozenset({"param", "rule", "draw", "hold", "case"}),
    "corpus": frozenset({"rule", "draw", "files", "document"}),
    "spec": frozenset({"claim", "circuit"}),
    "bridge": frozenset({"claim"}),
    "circuit": frozenset({"role", "never"}),
}


@dataclass(frozen=True)
class Context:
    """Where one is.

    blocks    kind and name of those around, outermost first; a section has no name
    item      the tokens of the item so far, without the word that is being written
    start     where that word begins
    string    the quoted text that the place is in
    """

    blocks: tuple[tuple[str, str], ...]
    item: tuple[Token, ...]
    start: int
    string: Token | None
    comment: bool

    @property
    def block(self) -> str:
        return self.blocks[-1][0] if self.blocks else ""

    @property
    def place(self) -> str:
        """The blocks as settings are known by: `spec`, `spec prune`."""
        return " ".join(kind for kind, _ in self.blocks)

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(token.text for token in self.item)


def context(text: str, offset: int) -> Context:
    """Where an offset is."""
    tokens = scan(text[:offset])
    last = tokens[-1] if tokens else None
    if last is not None and last.kind == "comment":
        return Context((), (), offset, None, "\n" not in text[last.end : offset])
    string = None
    start = offset
    if last is not None and last.end == offset:
        if last.kind == "string" and not last.closed:
            string = tokens.pop()
        elif last.kind == "word":
            start = tokens.pop().start
    blocks, item = _around([token for token in tokens if token.kind != "comment"])
    return Context(tuple(blocks), tuple(item), start, string, False)


def _around(tokens: list[Token]) -> tuple[list[tuple[str, str]], list[Token]]:
    """The blocks that are open behind the tokens, and the item that is."""
    blocks: list[tuple[str, str]] = []
    item: list[Token] = []
    repeats = parens = 0
    for place, token in enumerate(tokens):
        kind = blocks[-1][0] if blocks else ""
        following = tokens[place + 1].text if place + 1 < len(tokens) else ""
        if token.text == "{" and kind in ("task", "corpus"):
            repeats += 1
        elif token.text == "{":
            words = [other.text for other in item[-2:]]
            named = len(words) == 2 and words[0] in _BLOCKS
            blocks.append((words[0], words[1]) if named else ((words or [""])[-1], ""))
            item, parens = [], 0
            continue
        elif token.text == "}" and repeats:
            repeats -= 1
        elif token.text == "}":
            blocks = blocks[:-1]
            item, repeats, parens = [], 0, 0
            continue
        elif token.text in "()":
            parens = max(0, parens + (1 if token.text == "(" else -1))
        elif token.text in _BEGIN.get(kind, ()) and not _goes_on(item, token.text, following):
            item, repeats, parens = [], 0, 0
        elif token.kind == "word" and not parens and _setting(kind, item, following):
            item = []
        item.append(token)
    return blocks, item


def _goes_on(item: list[Token], word: str, following: str) -> bool:
    """Whether a word that can begin an item goes on with this one: `for case`, `keep(circuit)`."""
    if word == "circuit":
        return following != "{"
    return bool(item) and item[-1].text in ("for", *_BLOCKS, "role", "claim")


def _setting(kind: str, item: list[Token], following: str) -> bool:
    """Whether a word begins a setting or a section."""
    if kind in ("", "task", "corpus", "circuit") or following not in ("=", "{"):
        return False
    condition = bool(item) and item[0].text == "claim" and item[-1].text in ("where", ",")
    return not condition


def possible(text: str, where: Context) -> frozenset[str]:
    """The keywords that the grammar allows here."""
    first = where.item[0].start if where.item else where.start
    before = readable(text[:first])[:first].ljust(first)
    found = accepted(before + text[first : where.start])
    words = frozenset(_word(name) for name in found - _keys_of_settings(found)) & keywords()
    port = where.block not in ("task", "corpus") and where.words[-1:] not in (("->",), ("~>",))
    return words - {"answer"} if port else words  # elsewhere `answer` is read as any name is


def _word(terminal: str) -> str:
    return terminal.lstrip("_").lower()


@cache
def _settings() -> frozenset[str]:
    """What may stand in a section: every keyword too, as the name of a setting."""
    return accepted("model m { a {")


def _keys_of_settings(found: frozenset[str]) -> frozenset[str]:
    return _settings() if _settings() - {"_CLOSE"} <= found else frozenset()
