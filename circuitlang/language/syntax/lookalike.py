"""A character that begins nothing -> what was meant by it: quotes, dashes, blanks and letters that only look plain."""

from __future__ import annotations

import re
import unicodedata

_MEANT = {
    "\"": "“”„‟″«»＂", "'": "‘’‚‛′`´‹›", "-": "‐‑‒–—―−", "->": "→⟶⇒➔➜", "<=": "≤⩽", ">=": "≥⩾", "==": "≡", "..": "…‥",
    "|": "¦│｜∣", ",": "，、‚", ":": "：∶", "=": "＝", "{": "｛", "}": "｝", "(": "（", ")": "）",
}  # fmt: skip
_LETTERS = dict(
    zip(
        "аеорсухіјѕԁһԛԝвкмнтАВЕКМНОРСТХУІЈЅαοντρικυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
        "aeopcyxijsdhqwbkmhtABEKMHOPCTXYIJSaovtpikuABEZHIKMNOPTYX",
        strict=True,
    )
)


def lookalike(character: str) -> str | None:
    """Advice about one character outside of texts and comments; None for one that looks like nothing else."""
    if character.isascii() and character.isprintable():
        return None
    name = _name(character)
    meant = next((meant for meant, alike in _MEANT.items() if character in alike), None)
    if meant in ('"', "'"):
        return f"write straight quotes: {meant}…{meant}"
    if meant:
        return f"write `{meant}`"
    category = unicodedata.category(character)
    if category in ("Zs", "Zl", "Zp"):
        return f"this is {name}; write a plain blank"
    if category in ("Cc", "Cf"):
        return f"this is {name}, which cannot be seen; remove it"
    if character in _LETTERS:
        return f"this is {name}, which only looks like `{_LETTERS[character]}`"
    plain = unicodedata.normalize("NFKC", character)
    if plain != character and plain.isascii() and plain.isprintable():
        return f"this is {name}; write `{plain}`"
    if category[0] in "LMN":
        return "names are made of the letters a to z and A to Z, digits and `_`; other letters stand in texts only"
    return None


def mended(text: str, at: int) -> str | None:
    """The text with the plain character in place of a look-alike, of the same length; quotes on the whole line. None
    where no single character will do."""
    character = text[at]
    if not lookalike(character):
        return None
    meant = next((meant for meant, alike in _MEANT.items() if character in alike), None)
    plain = meant or _LETTERS.get(character) or unicodedata.normalize("NFKC", character)
    if unicodedata.category(character)[0] in "ZC":
        plain = " "
    if len(plain) != 1 or not plain.isascii():
        return None
    begin, end = at, at + 1
    if plain in "\"'":
        begin, end = text.rfind("\n", 0, at) + 1, (text + "\n").find("\n", at)
    alike = _MEANT.get(plain, "") + character
    return text[:begin] + re.sub(f"[{re.escape(alike)}]", plain, text[begin:end]) + text[end:]


def _name(character: str) -> str:
    """What Unicode calls a character: `a NO-BREAK SPACE`, or its number where it has no name."""
    name = unicodedata.name(character, f"U+{ord(character):04X}")
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}" if " " in name else f"the character {name}"
