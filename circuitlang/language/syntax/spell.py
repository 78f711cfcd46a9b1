"""A part of the syntax tree -> its canonical spelling on one line; and what a look-alike character meant."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from circuitlang.language.syntax import tree
from circuitlang.language.syntax.strings import quoted

_SUFFIXES = (("G", 10**9), ("M", 10**6), ("K", 10**3))


def spell(node: tree.Node) -> str:
    """Any value, port, wire, quantity or intervention."""
    match node:
        case tree.Name() | tree.Key() | tree.Called():
            return node.text
        case tree.Int():
            return _int(node.value)
        case tree.Float():
            return repr(node.value)
        case tree.Fraction():
            return f"{node.value.numerator}/{node.value.denominator}"
        case tree.Percent():
            return f"{_decimal(node.value * 100)}%"
        case tree.Range():
            return f"{spell(node.low)}..{spell(node.high)}"
        case tree.String():
            return quoted(node.text)
        case tree.Several():
            return f"({', '.join(map(spell, node.values))})"
        case tree.Port():
            return f"{node.name.text}.{node.part.text}" if node.part else node.name.text
        case tree.Wire():
            return spell(node.first) + "".join(f" {hop.arrow} {spell(hop.port)}" for hop in node.hops)
        case tree.Named():
            return f"{node.name.text}={spell(node.value)}"
        case tree.Condition():
            return f"{node.name.text} = {spell(node.value)}"
        case tree.Intervention():
            return _intervention(node)
        case tree.Quantity():
            return _quantity(node)
    raise TypeError(f"no spelling for {type(node).__name__}")


def _int(value: int) -> str:
    """Large round numbers with a suffix, as 50M; below ten thousand every digit is written."""
    if abs(value) >= 10_000:
        for suffix, scale in _SUFFIXES:
            if value % scale == 0:
                return f"{value // scale}{suffix}"
    return str(value)


def _decimal(value: Fraction) -> str:
    """A fraction that is a finite decimal, exactly, without an exponent."""
    text = format(Decimal(value.numerator) / Decimal(value.denominator), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _intervention(node: tree.Intervention) -> str:
    each = "each " if node.each else ""
    value = f" = {spell(node.value)}" if node.value else ""
    options = "".join(f", {spell(option)}" for option in node.options)
    return f"{node.kind.text}({each}{spell(node.target)}{value}{options})"


def _quantity(node: tree.Quantity) -> str:
    arguments = f"({', '.join(map(spell, node.arguments))})" if node.arguments else ""
    text = node.metric.text + arguments
    if node.given:
        text += f" given {', '.join(map(spell, node.given))}"
    if node.where:
        text += f" where {', '.join(map(spell, node.where))}"
    return text + (f" for case {node.case.text}" if node.case else "")


def choice(node: tree.Choice) -> str:
    return " | ".join(map(sequence, node.options))


def sequence(node: tree.Sequence) -> str:
    weight = f" weight {spell(node.weight)}" if node.weight else ""
    return " ".join(map(_part, node.items)) + weight


def _part(node: tree.Part) -> str:
    match node:
        case tree.Group():
            return f"({choice(node.body)})"
        case tree.Repeat():
            joiner = f" by {quoted(node.joiner.text)}" if node.joiner else ""
            return f"{_part(node.body)}{{{spell(node.count)}{joiner}}}"
    return spell(node)


def binding(node: tree.Binding) -> str:
    return f"{node.name.text} = {choice(node.body)}"


def template(node: tree.Template) -> str:
    """A template in one pair of quotes, chosen for all its parts together."""
    texts = "".join(part for part in node.parts if isinstance(part, str))
    quote = quoted(texts)[0]
    parts = [
        quoted(part, template=True, quote=quote)[1:-1] if isinstance(part, str) else f"{{{part.name}}}"
        for part in node.parts
    ]
    return f"{quote}{''.join(parts)}{quote}"


def name_list(names: Iterable[tree.Name]) -> str:
    return ", ".join(name.text for name in names)


def case_head(case: tree.Case) -> str:
    """A case up to its answer, on one line."""
    bindings = f" with {', '.join(map(binding, case.bindings))}" if case.bindings else ""
    prompt = f" prompt {template(case.prompt.template)}" if case.prompt else ""
    return f"case {case.name.text}{bindings}{prompt}"


def answer_part(case: tree.Case) -> str:
    """A case from its answer on, on one line."""
    negation = "not " if case.answer.negated else ""
    foil = f" foil {template(case.foil.template)}" if case.foil else ""
    return f"answer {negation}{template(case.answer.template)}{foil}"


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
