"""A parser's failure -> what was most likely meant, and the text from which parsing can go on."""

from __future__ import annotations

import re
from difflib import get_close_matches

from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from circuitlang.source import Diagnostic, Source, Span
from circuitlang.syntax import mistakes

MAX_BYTES = 1 << 20
MAX_NESTING = 64
_BLOCK = re.compile(
    r"^[ \t]*(?:task|corpus|model|spec|bridge)[ \t]+[A-Za-z_]\w*[ \t\r\n]*\{|^use[ \t]+[\"']", re.M
)
_LEXED = re.compile(r'"""(?:[^\\]|\\.)*?"""|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|\#[^\n]*|[()]', re.S)


def limits(source: Source) -> list[Diagnostic]:
    """What is refused before it is parsed: very large files, and nesting that a recursive reader cannot
    follow."""
    if len(source.text) > MAX_BYTES or len(source.text.encode("utf-8", "replace")) > MAX_BYTES:
        return [mistakes.too_large(Span(source, 0, 0), MAX_BYTES)]
    depth = 0
    for match in _LEXED.finditer(source.text):
        depth += {"(": 1, ")": -1}.get(match.group(), 0)
        if depth > MAX_NESTING:
            return [mistakes.too_deep(Span(source, *match.span()), MAX_NESTING)]
    return []


def explain(
    lark: Lark, source: Source, text: str, error: UnexpectedInput, words: frozenset[str]
) -> Diagnostic | None:
    """The diagnostic of one failure."""
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        token: Token = error.token
        start = token.start_pos or 0
        span = Span(source, start, start + len(token))
        known = [word for word in words if _terminal(word) in (error.accepts or error.expected)]
        near = get_close_matches(str(token), known, n=1) if token.type == "NAME" else []
        hint = f"did you mean `{near[0]}`?" if near else None
        return mistakes.unexpected(span, f"`{span.text}`", hint)
    if isinstance(error, UnexpectedCharacters):
        start = error.pos_in_stream or 0
        if text[start] in "\"'":
            end = text.find("\n", start)
            return mistakes.unterminated(Span(source, start, end if end >= 0 else len(text)))
        return mistakes.bad_character(Span(source, start, start + 1))
    end = len(source.text.rstrip())
    return mistakes.unexpected(Span(source, max(0, end - 1), end), "the end of the file", "a `}` is missing")


def _terminal(word: str) -> str:
    return word.upper() if word in ("not", "each") else "_" + word.upper()


def resume(source: Source, text: str, error: UnexpectedInput) -> str | None:
    """The text with everything before the next block blanked out, or None if no block follows."""
    at = error.pos_in_stream if isinstance(error.pos_in_stream, int) else len(text)
    following = _BLOCK.search(text, at)
    if following is None:
        return None
    return re.sub(r"[^\n]", " ", text[: following.start()]) + text[following.start() :]
