"""A diagnostic's code -> what it means, a wrong program and a right one, as explanations/CIR-nnn.md has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from importlib.resources import files

from circuitlang.report.escape import no_command
from circuitlang.report.language_reference import codes
from circuitlang.source.diagnostic import CommandError

_PROGRAMS = re.compile(r"```wrong\n(.*?)```\n\n```right\n(.*?)```\n", re.S)
_WARNING = " (a warning)."
SCHEMA = 1
"""Version of the JSON of `explain --format json`."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """`meaning` is one sentence, from the function that gives the message. `wrong` and `right` are whole programs, None
    where no text can show the mistake; a line of `wrong` that is refused ends in `## CODE`."""

    code: str
    meaning: str
    severity: str
    about: str
    wrong: str | None
    right: str | None
    why: str


def explanations() -> Mapping[str, Explanation]:
    """Every code in order; those without a file of their own with their meaning only."""
    from circuitlang.prompts.admit import CODES  # not for light commands that print diagnostics only

    rows = {code: (row.meaning, "warning" if row.warning else "error") for code, row in codes().items()}
    for code, meaning in CODES.items():
        warning = meaning.endswith(_WARNING)
        rows[code] = meaning.replace(_WARNING, "."), "warning" if warning else "error"
    return {code: _explanation(code, *rows[code]) for code in sorted(rows)}


def _explanation(code: str, meaning: str, severity: str) -> Explanation:
    file = files("circuitlang").joinpath("report", "explanations", f"{code}.md")
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    programs = _PROGRAMS.search(text)
    if programs is None:
        about, _, why = text.strip().partition("\n\n")
        return Explanation(code, meaning, severity, about, None, None, why)
    about, why = text[: programs.start()].strip(), text[programs.end() :].strip()
    return Explanation(code, meaning, severity, about, programs[1], programs[2], why)


def normal_code(written: str) -> str:
    """`43`, `cir43` and `CIR-43` are CIR-043."""
    match = re.fullmatch(r"(?:CIR)?[-_ ]?(\d{1,3})", written.strip().upper())
    return f"CIR-{int(match[1]):03}" if match else written.strip().upper()


def nearest(code: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The codes that look alike, otherwise those whose numbers are nearest."""
    codes = sorted(known)
    digits = re.sub(r"\D", "", code)[:9]
    number = int(digits) if digits else 0
    alike = get_close_matches(code, codes, n=count, cutoff=0.8)
    return sorted(alike or sorted(codes, key=lambda other: abs(int(other[-3:]) - number))[:count])


def list_lines(found: Iterable[Explanation]) -> Iterator[str]:
    """One line per code."""
    for each in found:
        yield f"{each.code}  {each.meaning}{' (warning)' * (each.severity == 'warning')}"


def explanation_lines(each: Explanation) -> Iterator[str]:
    """The whole explanation, programs indented."""
    yield f"{each.code} ({each.severity}): {each.meaning}"
    for part in (each.about, _indented("Wrong", each.wrong), _indented("Right", each.right), each.why):
        if part:
            yield ""
            yield from part.split("\n")


def _indented(title: str, program: str | None) -> str:
    if program is None:
        return ""
    return "\n    ".join((f"{title}:", "", *program.rstrip().split("\n"))).replace("    \n", "\n")


def explanations_json(found: Iterable[Explanation]) -> str:
    """The same as data."""
    data = {"schema": SCHEMA, "codes": [asdict(each) for each in found]}
    return no_command(json.dumps(data, indent=1), r"\u005b") + "\n"


def section(each: Explanation) -> str:
    """One explanation in Markdown."""
    parts = [f"### {each.code}", f"{each.meaning}{' *(warning)*' * (each.severity == 'warning')}", each.about]
    for word, program in (("wrong", each.wrong), ("right", each.right)):
        if program is not None:
            parts.append(
                f"{word.capitalize()}:\n\n```circuitlang{' wrong' * (word == 'wrong')}\n{program}```"
            )
    return "\n\n".join(part for part in (*parts, each.why) if part) + "\n"


def explain(code: str | None) -> list[Explanation]:
    """`explain`: what a code means, or all codes. CommandError with the nearest codes for an unknown one."""
    known = explanations()
    if code is None:
        return list(known.values())
    name = normal_code(code)
    if name not in known:
        raise CommandError(
            f"there is no diagnostic {code}; the nearest are {', '.join(nearest(name, known))}"
        )
    return [known[name]]
