"""The programs of tests/language: every line that must be refused says so, and no other line is."""

import re
from pathlib import Path

import pytest

from circuitlang.language.program import errors, errors_circuit, errors_claim, errors_spec
from circuitlang.language.program.load import load_text
from circuitlang.language.syntax import mistakes
from circuitlang.report.diagnostics import sentence
from circuitlang.source.diagnostic import Diagnostic, ProgramError

FOLDER = Path(__file__).parent.parent.parent / "language"
ELSEWHERE = {
    "CIR-011": "test_parse.py: the file would be too large to keep",
    "CIR-013": "test_load.py: the texts here are UTF-8",
    "CIR-023": "test_load.py: needs ten files",
    "CIR-099": "test_unbuilt.py: no mistake; said where something is to be measured",
    "CIR-136": "test_plugins.py: needs a package",
}


def programs() -> list[tuple[str, int, str]]:
    """(file, line of its first line, text), padded so that line numbers are those of the file."""
    found = []
    for path in sorted([*FOLDER.glob("*.task"), *FOLDER.glob("*.cir")]):
        line = 0
        for text in re.split(r"^---\n", path.read_text(encoding="utf-8"), flags=re.M):
            found.append((path.name, line + 1, "\n" * line + text))
            line += text.count("\n") + 1
    return found


PROGRAMS = programs()


def diagnostics(name: str, text: str) -> tuple[Diagnostic, ...]:
    try:
        return load_text(text, name, FOLDER).warnings
    except ProgramError as error:
        return error.diagnostics


def expected(text: str) -> list[tuple[int, str, str]]:
    """(line, code, regex) of every annotation."""
    return [
        (number, match[1], match[2].strip())
        for number, line in enumerate(text.split("\n"), 1)
        for match in re.finditer(r"## (CIR-\d\d\d)\s*(.*?)(?=\s*## CIR|$)", line)
    ]


@pytest.mark.parametrize(("name", "line", "text"), PROGRAMS, ids=lambda value: str(value)[:20].strip())
def test_lines_are_refused_as_they_say(name: str, line: int, text: str) -> None:
    found = diagnostics(name, text)
    wanted = expected(text)
    shown = "\n\n".join(diagnostic.render() for diagnostic in found)
    assert {(d.span.line, d.code) for d in found} == {(number, code) for number, code, _ in wanted}, shown
    assert all(d.span.source.name == name for d in found)
    for number, code, pattern in wanted:
        said = [sentence(d) for d in found if (d.span.line, d.code) == (number, code)]
        assert any(re.search(pattern, words) for words in said), f"{number}: {pattern!r} not in {said}"


def codes() -> dict[str, str]:
    """Code -> function, read from the files of messages."""
    found: dict[str, str] = {}
    for module in (mistakes, errors, errors_spec, errors_circuit, errors_claim):
        text = Path(module.__file__ or "").read_text(encoding="utf-8")
        for function in re.split(r"^def ", text, flags=re.M)[1:]:
            for code in set(re.findall(r'"(CIR-\d\d\d)"', function)):
                assert code not in found, f"{code} has two meanings"
                found[code] = function.partition("(")[0]
    return found


def test_every_message_has_a_program_that_provokes_it() -> None:
    provoked = {code for _, _, text in PROGRAMS for _, code, _ in expected(text)}
    assert set(codes()) == provoked | set(ELSEWHERE)
    assert not provoked & set(ELSEWHERE)
    assert len(provoked) > 60


def test_there_are_many_programs() -> None:
    assert len(PROGRAMS) >= 80
    assert len({text.strip() for _, _, text in PROGRAMS}) == len(PROGRAMS)
