"""Raw string tokens -> the text they mean, with the source offset of every character; and text -> canonical
quotes.

A decoded character keeps the offset of where it was written, so that a diagnostic can underline a hole inside
a dedented or escaped string.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from circuitlang.language.syntax import mistakes
from circuitlang.language.syntax.tree import Hole
from circuitlang.source.diagnostic import Diagnostic, Span

# A string, for scanning past it in texts that may be broken: one that is not closed goes on to the end of its line
# (of the file, in triple quotes), so that no character is looked at twice. For re.S.
QUOTED = (
    r'"""(?:[^\\]|\\.)*?(?:"""|\\?\Z)'
    r'|"(?:[^"\\\n]|\\[^\n])*"?'
    r"|'(?:[^'\\\n]|\\[^\n])*'?"
)
_SIMPLE = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'"}
_HEX = {"x": 2, "u": 4}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACE = re.compile(r"[{}]")


@dataclass(frozen=True)
class Decoded:
    """`text[i]` was written at offset `offsets[i]` of the token; `literal`: the places of characters written by
    an escape, which are never braces."""

    text: str
    offsets: Sequence[int]
    literal: frozenset[int]
    triple: bool


def decode(token: Span) -> tuple[Decoded, list[Diagnostic]]:
    """What a STRING or TRIPLE token means. A wrong escape is reported and stands for itself."""
    raw = token.text
    triple = raw.startswith('"""')
    kept = _dedented(raw) if triple else range(1, len(raw) - 1)
    if "\\" not in raw:
        text = "".join([raw[at] for at in kept]) if triple else raw[1:-1]
        return Decoded(text, kept, frozenset(), triple), []
    words: list[str] = []
    offsets: list[int] = []
    literal: list[int] = []
    found: list[Diagnostic] = []
    at = 0
    while at < len(kept):
        start = kept[at]
        length = 1
        character = raw[start]
        if character == "\\":
            length, character, problem = _escape(raw, start, token)
            found += [problem] if problem else []
            literal.append(len(words))
        words.append(character)
        offsets.append(start)
        at += length
    return Decoded("".join(words), offsets, frozenset(literal), triple), found


def _escape(raw: str, start: int, token: Span) -> tuple[int, str, Diagnostic | None]:
    """The length of the escape at `start`, its character, and what is wrong with it."""
    kind = raw[start + 1]
    if kind in _SIMPLE:
        return 2, _SIMPLE[kind], None
    digits = raw[start + 2 : start + 2 + _HEX.get(kind, 0)]
    if kind in _HEX and re.fullmatch(rf"[0-9a-fA-F]{{{_HEX[kind]}}}", digits):
        code = int(digits, 16)
        if not 0xD800 <= code <= 0xDFFF:  # half of a surrogate pair is not a character
            return 2 + len(digits), chr(code), None
        return 2 + len(digits), "?", mistakes.bad_escape(token.part(start, start + 6))
    return 2, kind, mistakes.bad_escape(token.part(start, start + 2))


def _dedented(raw: str) -> list[int]:
    """The offsets of a triple-quoted token's characters that remain: without the quotes, the first newline,
    the indentation that all lines share, blanks on otherwise blank lines, and carriage returns before
    newlines."""
    start, end = 3, len(raw) - 3
    first = re.compile(r"\r?\n").match(raw, start, end)
    if first:
        start = first.end()
    lines: list[tuple[int, int]] = []  # without their newlines
    while True:
        newline = raw.find("\n", start, end)
        lines.append((start, newline if newline >= 0 else end))
        if newline < 0:
            break
        start = newline + 1
    full = [raw[a:b] for a, b in lines if raw[a:b].strip(" \t\r")]
    shared = _common_prefix([line[: len(line) - len(line.lstrip(" \t"))] for line in full])
    kept: list[int] = []
    for number, (a, b) in enumerate(lines):
        stop = b - 1 if b > a and raw[b - 1] == "\r" and b < end else b
        if raw[a:stop].strip(" \t"):
            kept += range(a + len(shared), stop)
        if number < len(lines) - 1:
            kept.append(b)
    return kept


def lost_blanks(token: Span) -> Span | None:
    """The last line of a triple-quoted token, where it is blanks alone and indented deeper than the text."""
    before, newline, last = token.text[3:-3].rpartition("\n")
    full = [line for line in before.split("\n") if line.strip(" \t\r")]
    shared = _common_prefix([line[: len(line) - len(line.lstrip(" \t"))] for line in full])
    if not newline or not full or last.strip(" \t\r") or len(last) <= len(shared):
        return None
    return token.part(len(token.text) - 3 - len(last), len(token.text) - 3)


def _common_prefix(texts: list[str]) -> str:
    if not texts:
        return ""
    low, high = min(texts), max(texts)
    length = next(
        (i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high))
    )
    return low[:length]


def holes(decoded: Decoded, token: Span) -> tuple[tuple[str | Hole, ...], list[Diagnostic]]:
    """The parts of a template: `{name}` is a hole, `{{` and `}}` are braces."""
    parts: list[str | Hole] = []
    found: list[Diagnostic] = []
    words: list[str] = []

    def brace(at: int, which: str) -> bool:
        return at < len(decoded.text) and decoded.text[at] == which and at not in decoded.literal

    def span(start: int, end: int) -> Span:
        last = decoded.offsets[end - 1] + 1
        return token.part(decoded.offsets[start], last)

    at = 0
    while at < len(decoded.text):
        if (brace(at, "{") and brace(at + 1, "{")) or (brace(at, "}") and brace(at + 1, "}")):
            words.append(decoded.text[at])
            at += 2
        elif brace(at, "{"):
            name = _NAME.match(decoded.text, at + 1)
            if name and brace(name.end(), "}"):
                if words:
                    parts.append("".join(words))
                    words = []
                parts.append(Hole(name.group(), span=span(at + 1, name.end())))
                at = name.end() + 1
                continue
            end = at + 1
            while end < len(decoded.text) and decoded.text[end] not in '{}"\n':
                end += 1
            closed = brace(end, "}")
            found.append(mistakes.bad_hole(span(at, end + closed), closed))
            at = end + closed
        elif brace(at, "}"):
            found.append(mistakes.stray_brace(span(at, at + 1)))
            at += 1
        else:  # a literal brace, or what stands before the next brace
            following = _BRACE.search(decoded.text, at + 1)
            end = following.start() if following else len(decoded.text)
            words.append(decoded.text[at:end])
            at = end
    if words:
        parts.append("".join(words))
    return tuple(parts), found


def quoted(text: str, *, template: bool = False, quote: str | None = None) -> str:
    """The canonical one-line spelling of a text: double quotes, unless only single ones need no escape."""
    quote = quote or ("'" if '"' in text and "'" not in text else '"')
    body = "".join(_spelled(character, quote) for character in text)
    return f"{quote}{_doubled(body) if template else body}{quote}"


def tripled(text: str, indent: str) -> str:
    """The canonical triple-quoted spelling of a text with newlines (braces already doubled), at an
    indentation."""
    lines = [_triple_line(line, last) for line, last in _with_last(text.split("\n"))]
    full = [number for number, line in enumerate(lines) if line]
    if full and all(lines[number][0] == " " for number in full):  # the dedent would take these blanks away
        lines[full[0]] = r"\x20" + lines[full[0]][1:]
    lines = [indent + line if line or number == len(lines) - 1 else "" for number, line in enumerate(lines)]
    return '"""\n' + "\n".join(lines) + '"""'


def _with_last(lines: list[str]) -> list[tuple[str, bool]]:
    return [(line, number == len(lines) - 1) for number, line in enumerate(lines)]


def _triple_line(line: str, last: bool) -> str:
    """One line inside triple quotes; blanks that an editor or the dedent would drop are escaped."""
    spelled = "".join("'" if c == "'" else '"' if c == '"' else _spelled(c, "") for c in line)
    spelled = spelled.replace('"""', r"\"\"\"")
    if (
        last and (len(line) - len(line.rstrip('"'))) % 3
    ):  # of the quotes at the end one is left that ends the text
        spelled = spelled[:-1] + r"\""
    if spelled.endswith(" ") and (not last or not spelled.strip()):
        spelled = spelled[:-1] + r"\x20"
    return spelled


def _spelled(character: str, quote: str) -> str:
    if character == quote or character == "\\":
        return "\\" + character
    if character == "\n":
        return r"\n"
    if character == "\t":
        return r"\t"
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    # beyond \uFFFF there is no escape, and such characters may stand for themselves
    return f"\\u{code:04x}" if code < 0x10000 else character


def _doubled(body: str) -> str:
    return body.replace("{", "{{").replace("}", "}}")
