"""User text -> text that shows what it holds and commands nothing: no terminal, no page, no CI runner."""

from __future__ import annotations

import re
import unicodedata

_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\x1b": r"\e"}
# Control, format (bidi marks, zero-width, tags), lone surrogates, line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def _shown(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if unicodedata.category(character) in _HIDDEN or code & 0xFFFE == 0xFFFE:  # the latter: not in XML
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return character


def visible(text: str) -> str:
    r"""One line; what could move a cursor, hide or reorder text is spelled out, as `\n` or `\u202e`.

    A backslash of the text itself stays single: this is for reading, not for reading back. `##[`, a command to a CI
    runner wherever it stands, is broken up too.
    """
    return "".join(map(_shown, text)).replace("##[", r"##\x5b")


def lone_surrogates_spelled(text: str) -> str:
    """Text that can be written as UTF-8. Bytes of a command line that are none become `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def harmless_to_ci(lines: str) -> str:
    """Lines that no CI runner takes for a command: `::name::` where a line begins, `##[name]` anywhere."""
    return "\n".join(_harmless(line) for line in lines.split("\n"))


def _harmless(line: str) -> str:
    line = line.replace("##[", r"##\x5b")
    if not _ANSI.sub("", line).lstrip().startswith("::"):
        return line
    return line.replace("::", r"\x3a:", 1)
