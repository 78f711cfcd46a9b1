"""The bytes of a file -> its text, or the place from which on they are no text in UTF-8."""

from __future__ import annotations

from pathlib import Path

from circuitlang.source import Diagnostic, Source, Span
from circuitlang.syntax import mistakes

_SAVE = "save the file as UTF-8"
_MARKS = {  # what such files begin with; the longer before those that they begin with
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def text_of(data: bytes) -> str:
    """The text without a byte order mark, line ends as newlines. Raises UnicodeDecodeError, also at a zero byte."""
    zero = data.find(b"\0")
    if zero >= 0:
        data[:zero].decode("utf-8")  # what is wrong before it comes first
        raise UnicodeDecodeError("utf-8", data, zero, zero + 1, "a zero byte")
    return _lines(data.decode("utf-8"))  # the codec utf-8-sig would count an error's place without the mark


def _lines(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def not_utf8(data: bytes, at: int, name: str, path: Path | None) -> Diagnostic:
    """What is wrong with a file that is no text in UTF-8 from this byte on."""
    mark = next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), None)
    if mark is not None:
        return mistakes.not_text(Span(Source(name, "", path), 0, 0), f"it begins like {mark}", _SAVE)
    zeros = data[:1000].count(0)
    if zeros:
        why, hint = "it contains zero bytes", "this is no text, or text in another encoding"
        if 3 * zeros > len(data[:1000]) > 3:
            why, hint = "every other byte is zero, as in UTF-16", _SAVE
        return mistakes.not_text(Span(Source(name, "", path), 0, 0), why, hint)
    before = _lines(data[:at].decode("utf-8"))
    text = before + _lines(data[at:].decode("latin-1"))
    why = f"byte {at + 1} is 0x{data[at]:02x}"
    place = Span(Source(name, text, path), len(before), len(before) + 1)
    return mistakes.not_text(place, why, f"{_SAVE}; here it is read as Latin-1")
