"""One input of the fuzzers: what is executed on it, what it starts from, and how its text is changed."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from circuitlang.language.program.load import load, read
from circuitlang.language.program.program import Program
from circuitlang.language.program.vocabulary import (
    INTERVENTIONS,
    METRICS,
    MODEL_SECTIONS,
    ROLE_KINDS,
    SPEC_SECTIONS,
)
from circuitlang.language.syntax.format import format_file
from circuitlang.language.syntax.parse import keywords, parse
from circuitlang.prompts.document import RuleDocuments
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import SPLITS
from circuitlang.prompts.support import check_support
from circuitlang.report.language_reference import codes
from circuitlang.source.diagnostic import CommandError, ProgramError, Source

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 4096  # bytes of an input that a mutation makes
_TOKEN = re.compile(
    rb'"""|"(?:[^"\\\n]|\\.)*"|[A-Za-z_]\w*|[0-9]+(?:\.[0-9]+)?|->|~>|[<>=]=|\.\.|\s+|.', re.S
)
_BLOCK = re.compile(r"^(?=(?:task|corpus|model|spec|bridge) )", re.M)


def execute(data: bytes, folder: Path) -> str:
    """Everything that a text goes through without a model, as a file of a project; returns how far it came. Raises
    nothing for any input: what is raised is a finding."""
    path = folder / "input.cir"
    path.write_bytes(data)
    try:
        source = read(path)
    except ProgramError as error:
        _said(error)
        return "no text"
    except CommandError:
        return "no text"
    try:
        file = parse(source)
    except ProgramError as error:
        _said(error)
        return "not parsed"
    written = format_file(file)
    again = parse(Source("formatted", written))
    assert again == file, "formatting changed the meaning"
    assert format_file(again) == written, "formatting twice changed the text"
    try:
        program = load(path, folder)
    except ProgramError as error:
        _said(error)
        return "not accepted"
    _generate(program)
    return "accepted"


def _said(error: ProgramError) -> None:
    """A diagnostic can be shown: it has a known code, a place in its text, and words."""
    assert str(error)
    known = codes()
    for diagnostic in error.diagnostics:
        assert diagnostic.code in known, diagnostic.code
        span = diagnostic.span
        assert 0 <= span.start <= span.end <= len(span.source.text), diagnostic.code
        assert diagnostic.message


def _generate(program: Program) -> None:
    """The sizes, and one datapoint of every split of every task and one document of every corpus."""
    for task in program.tasks.values():
        if check_support(task):
            continue
        with suppress(ProgramError, CommandError):  # a split without datapoints; rules too deep to expand
            generator = Generator(task, 0)
            for split in SPLITS:
                assert len(generator.datapoint(split, 1).prompts) == len(task.cases)
    for corpus in program.corpora.values():
        if corpus.documents:
            with suppress(CommandError):
                RuleDocuments(corpus, 0).text(0)


def seeds() -> list[bytes]:
    """Every block of the files that ship and of the language's tests, and whole files that are short."""
    texts: list[str] = []
    for folder in ("tasks", "specs", "tests/language"):
        for path in sorted([*(ROOT / folder).rglob("*.task"), *(ROOT / folder).rglob("*.cir")]):
            for text in re.split(r"^---\n", path.read_text(encoding="utf-8"), flags=re.M):
                texts += [text, *_BLOCK.split(text)]
    return [data for text in dict.fromkeys(texts) if text.strip() and len(data := text.encode()) <= LONGEST]


def dictionary() -> list[str]:
    """The words of the language."""
    sections = [*MODEL_SECTIONS.values(), *SPEC_SECTIONS.values()]
    words = {*keywords(), *METRICS, *INTERVENTIONS, *ROLE_KINDS, *(section.name for section in sections)}
    words |= {setting.name for section in sections for setting in section.settings}
    marks = [
        "{",
        "}",
        "{{",
        "(",
        ")",
        "[",
        "]",
        "=",
        "|",
        "..",
        ",",
        ":",
        "->",
        "~>",
        "<=",
        "==",
        ">",
        "+",
        ".",
        "%",
    ]
    values = [
        "0",
        "-1",
        "1/64",
        "50M",
        "25%",
        "1e-3",
        "99999999999999999999",
        '"',
        "'",
        '"""',
        '"{x}"',
        r"\n",
        r"\u00e9",
    ]
    return [
        *sorted(words),
        *marks,
        *values,
        "#",
        "# c\n",
        "\n",
        " ",
        "\r\n",
        "\t",
        "é",
        "\U0001f600",
        "\0",
        "circuit",
        "random",
    ]


class Mutator:
    """Changes of texts by tokens and lines, in which more of them stay programs than in changes of bytes."""

    def __init__(self) -> None:
        self.seeds = seeds()
        self._words = [word.encode() for word in dictionary()]

    def mutate(self, data: bytes, number: int) -> bytes:
        """Another text: a pure function of (text, number)."""
        rng = random.Random(number)
        for _ in range(rng.choice((1, 1, 2, 4))):
            data = self._lines(data, rng) if rng.random() < 0.3 else self._tokens(data, rng)
        return data[:LONGEST]

    def _tokens(self, data: bytes, rng: random.Random) -> bytes:
        tokens = _TOKEN.findall(data) or [b""]
        at = rng.randrange(len(tokens))
        to = at + rng.choice((1, 1, 1, 2, 5))
        match rng.randrange(6):
            case 0:
                tokens[at:to] = []
            case 1:
                tokens[at:at] = [rng.choice(self._words)]
            case 2:
                tokens[at:to] = [rng.choice(self._words)]
            case 3:
                tokens[at:at] = tokens[at:to] * rng.choice((1, 1, 2, 50))
            case 4:
                tokens[at] = rng.choice(_TOKEN.findall(rng.choice(self.seeds)))
            case _:
                tokens[at] = rng.choice([token for token in tokens if token[:1].isalnum()] or [b"x"])
        return b"".join(tokens)

    def _lines(self, data: bytes, rng: random.Random) -> bytes:
        lines = data.split(b"\n")
        at = rng.randrange(len(lines))
        other = rng.choice(self.seeds).split(b"\n")
        start = rng.randrange(len(other))
        match rng.randrange(4):
            case 0:
                del lines[at]
            case 1:
                lines[at:at] = other[start : start + rng.choice((1, 1, 3))]
            case 2:
                lines[at:at] = [rng.choice(lines)]
            case _:
                lines += other
        return b"\n".join(lines)


def project(folder: Path) -> Path:
    """A project for inputs to stand in, with a file that they may use."""
    (folder / "tasks").mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").touch()
    shipped = ROOT / "tasks" / "python.task"
    (folder / "tasks" / "python.task").write_bytes(shipped.read_bytes())
    return folder


def mutants(count: int, seed: int = 0) -> Sequence[bytes]:
    """Inputs for where there is no atheris: the seeds, and changes of changes of them."""
    mutator, rng = Mutator(), random.Random(seed)
    pool = list(mutator.seeds)
    while len(pool) < count:
        pool.append(mutator.mutate(rng.choice(pool), rng.getrandbits(64)))
    return pool[:count]
