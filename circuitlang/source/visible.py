"""Any text -> text that shows what it holds: what could move a cursor, hide or reorder characters is spelled out."""

from __future__ import annotations

import re
import unicodedata

RUNNER_COMMAND = re.compile(r"##\w*\[")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\x1b": r"\e"}
# Control, format (bidi marks, zero-width, tags), lone surrogates, line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def shown(character: str) -> str:
    r"""A character as it is, or its escape, as `\n` or `\u202e`, where it cannot be seen."""
    if character.isascii() and character.isprintable():
        return character
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if unicodedata.category(character) in _HIDDEN or code & 0xFFFE == 0xFFFE:  # the latter: not in XML
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return character


def visible(text: str) -> str:
    r"""One line; what could move a cursor, hide or reorder text is spelled out, as `\n` or `\u202e`.

    A backslash of the text itself stays single: this is for reading, not for reading back. A command to a CI runner is
    broken up too.
    """
    if text.isascii() and text.isprintable():
        return no_command(text)
    return no_command("".join(map(shown, text)))


def no_command(text: str, bracket: str = r"\x5b") -> str:
    r"""Text without `##[name]`, `##vso[name]`, `##teamcity[name]`: commands to CI runners wherever they stand.
    `bracket`: how `[` is spelled in their place; `\u005b` in JSON."""
    return RUNNER_COMMAND.sub(lambda found: found[0][:-1] + bracket, text) if "##" in text else text


def columns(cell: str) -> int:
    """How many columns of a terminal a visible text takes: wide characters two, combining ones none."""
    if cell.isascii():
        return len(cell)
    return sum(_columns(character) for character in cell)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
