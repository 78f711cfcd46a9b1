"""The reader and Lark agree on every text: the same tree with the same spans, or the same mistakes."""

import dataclasses
import random
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from lark import Lark, Token, Transformer, UnexpectedInput, v_args

from circuitlang.source import Diagnostic, ProgramError, Source, Span
from circuitlang.syntax import advice, mistakes, recover, strings, tables, tree
from circuitlang.syntax.lalr import keywords
from circuitlang.syntax.limits import limits
from circuitlang.syntax.parse import built, parse

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("specs/*.cir"), *ROOT.glob("tasks/*.task"), *ROOT.glob("tests/language/*.*")])
CHUNKS = [
    chunk for path in FILES for chunk in re.split(r"^---\n", path.read_text(encoding="utf-8"), flags=re.M)
]
PIECE = re.compile(r"\w+|\S|\s+")


@pytest.fixture(scope="module")
def lark() -> Lark:
    """Lark's parser from the grammar itself."""
    return tables.build(tables.GRAMMAR.read_text(encoding="utf-8"))


def test_the_tables_are_those_of_the_grammar(lark: Lark) -> None:
    grammar = tables.GRAMMAR.read_text(encoding="utf-8")
    expected = tables.to_json(tables.tables_of(lark), grammar)
    assert tables.TABLES.read_text(encoding="utf-8") == expected, "run `python -m circuitlang.syntax.tables`"


def test_tables_of_another_grammar_are_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tables.tables.__wrapped__()
    changed = tmp_path / "grammar.lark"
    grammar = tables.GRAMMAR.read_text(encoding="utf-8")
    changed.write_text(grammar.replace("/use\\b/", "/using\\b/"), encoding="utf-8")
    monkeypatch.setattr(tables, "GRAMMAR", changed)
    new = tables.tables.__wrapped__()
    assert {t.pattern for t in new.terminals} ^ {t.pattern for t in old.terminals} == {
        r"use\b",
        r"using\b",
    }
    assert new.states == old.states


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files(path: Path, lark: Lark, monkeypatch: pytest.MonkeyPatch) -> None:
    agree([path.read_text(encoding="utf-8")], lark, monkeypatch)


def test_chunks(lark: Lark, monkeypatch: pytest.MonkeyPatch) -> None:
    assert agree(CHUNKS, lark, monkeypatch) > 30


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        " \n",
        "taské",
        'task t { prompté "x" }',
        "task t { rule é }",
        'task t { rule a = "x"é }',
        "task t { rule a = b{3é} }",
        "task t { rule a = 1..2.5 }",
        "task t { rule a = 1...2 }",
        "model m { a { b = 1/2/3 } }",
        "model m { a { b = 1.5.5 c = 5%% } }",
        "spec s { claim a: loss(b->c ~> d) <= -1 }",
        "task t { param n = -1..-2 }",
        "spec s { circuit { a- > b } }",
        'task t { rule a = """x"" }',
        "task t { rule a = 12x }",
        "task t {}\x00",
    ],
)
def test_corners(text: str, lark: Lark, monkeypatch: pytest.MonkeyPatch) -> None:
    agree([text], lark, monkeypatch)


def test_broken_texts(lark: Lark, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of programs removed, doubled, exchanged; and pieces thrown together."""
    chance = random.Random(1)
    short = [chunk for chunk in CHUNKS if len(chunk) < 600]
    pieces = PIECE.findall(" ".join(short))
    texts: list[str] = []
    for _ in range(300):
        parts = PIECE.findall(chance.choice(short))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(parts))
            parts[at : at + chance.randint(0, 2)] = chance.choices(pieces, k=chance.randint(0, 2))
        texts.append("".join(parts))
    texts += ["".join(chance.choices(pieces, k=chance.randint(1, 9))) for _ in range(100)]
    right = agree(texts, lark, monkeypatch)
    assert 20 < right < 350


def agree(texts: list[str], lark: Lark, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of the texts are well formed."""
    found = [result(Source("t", text)) for text in texts]
    with monkeypatch.context() as patch:
        patch.setattr(recover, "explain", Lark.parse)
        patch.setattr(advice, "explain", Lark.parse)
        expected = [by_lark(Source("t", text), lark) for text in texts]
    for text, ours, theirs in zip(texts, found, expected, strict=True):
        assert ours == theirs, text
    return sum(not isinstance(each, list) for each in found)


def result(source: Source) -> object:
    try:
        parse(source)
        return spelled(built(source.text, source)[0])
    except ProgramError as error:
        return ordered(error.diagnostics)


def by_lark(source: Source, lark: Lark) -> object:
    found = limits(source)
    if found:
        return ordered(found)
    try:
        builder = ByLark(source)
        file = builder.transform(lark.parse(source.text))
        return ordered(builder.found) if builder.found else spelled(file)
    except UnexpectedInput as error:
        return ordered(recover.all_mistakes(lark, source, error))


def ordered(found: Any) -> list[Diagnostic]:
    return sorted(found, key=lambda d: (d.span.start, d.span.end, d.code))


def spelled(value: Any) -> object:
    """All of a tree, its spans included."""
    if isinstance(value, tree.Node):
        parts = [(each.name, spelled(getattr(value, each.name))) for each in dataclasses.fields(value)]
        return type(value).__name__, parts
    if isinstance(value, tuple):
        return [spelled(part) for part in value]
    return (value.start, value.end) if isinstance(value, Span) else value


class ByLark(Transformer):
    """Lark's own concrete tree -> the syntax tree."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self.found: list[Diagnostic] = []

    def __default__(self, data: str, children: list[Any], meta: Any) -> Any:
        make = getattr(tree, "".join(part.capitalize() for part in data.split("_")))
        return make(*children, span=self.whole(meta))

    def whole(self, meta: Any) -> Span:
        return Span(self.source, 0, 0) if meta.empty else Span(self.source, meta.start_pos, meta.end_pos)

    def at(self, token: Token) -> Span:
        return Span(self.source, token.start_pos or 0, (token.start_pos or 0) + len(token))

    def many(self, parts: list[Any]) -> tuple[Any, ...]:
        return tuple(part for part in parts if part is not None)

    def file(self, parts: list[Any]) -> tree.File:
        return tree.File(*parts, span=Span(self.source, 0, len(self.source.text)))

    def name(self, parts: list[Token]) -> tree.Name:
        if parts[0] in keywords():
            self.found.append(mistakes.keyword_as_name(self.at(parts[0])))
        return tree.Name(str(parts[0]), span=self.at(parts[0]))

    def key(self, parts: list[Token]) -> tree.Key:
        return tree.Key(str(parts[0]), span=self.at(parts[0]))

    def hop(self, parts: list[Any]) -> tree.Hop:
        span = Span(self.source, self.at(parts[0]).start, parts[1].span.end)
        return tree.Hop(str(parts[0]), parts[1], span=span)

    @v_args(meta=True)
    def role(self, meta: Any, parts: list[Any]) -> tree.Role:
        return tree.Role(parts[0], parts[1] is not None, *parts[2:], span=self.whole(meta))

    @v_args(meta=True)
    def answer(self, meta: Any, parts: list[Any]) -> tree.Answer:
        return tree.Answer(parts[0] is not None, parts[1], span=self.whole(meta))

    @v_args(meta=True)
    def intervention(self, meta: Any, parts: list[Any]) -> tree.Intervention:
        return tree.Intervention(parts[0], parts[1] is not None, *parts[2:], span=self.whole(meta))

    @v_args(meta=True)
    def claim(self, meta: Any, parts: list[Any]) -> tree.Claim:
        return tree.Claim(parts[0], parts[1], str(parts[2]), parts[3], span=self.whole(meta))

    def decoded(self, token: Token) -> strings.Decoded:
        made, found = strings.decode(self.at(token))
        self.found += found
        return made

    def doc(self, parts: list[Token]) -> tree.Doc:
        made = self.decoded(parts[0])
        return tree.Doc(made.text, made.triple, span=self.at(parts[0]))

    def string(self, parts: list[Token]) -> tree.String:
        made = self.decoded(parts[0])
        return tree.String(made.text, made.triple, span=self.at(parts[0]))

    def template(self, parts: list[Token]) -> tree.Template:
        made = self.decoded(parts[0])
        pieces, found = strings.holes(made, self.at(parts[0]))
        self.found += found
        return tree.Template(pieces, made.triple, span=self.at(parts[0]))

    def int(self, parts: list[Token]) -> tree.Int:
        digits = parts[0].rstrip("KMG")
        scale = {"K": 1000, "M": 10**6, "G": 10**9}.get(parts[0][-1], 1)
        return tree.Int(self.digits(parts[0], digits) * scale, span=self.at(parts[0]))

    def float(self, parts: list[Token]) -> tree.Float:
        value = float(parts[0])
        if abs(value) == float("inf"):
            self.found.append(mistakes.bad_number(self.at(parts[0]), "this number is too large"))
            value = 0.0
        return tree.Float(value, span=self.at(parts[0]))

    def fraction(self, parts: list[Token]) -> tree.Fraction:
        above, below = (self.digits(parts[0], text) for text in parts[0].split("/"))
        if below == 0:
            self.found.append(mistakes.bad_number(self.at(parts[0]), "a fraction cannot be over 0"))
        return tree.Fraction(Fraction(above, below or 1), span=self.at(parts[0]))

    def percent(self, parts: list[Token]) -> tree.Percent:
        digits = self.digits(parts[0], parts[0][:-1].replace(".", ""))
        share = Fraction(parts[0][:-1]) / 100 if digits else Fraction(0)
        return tree.Percent(share, span=self.at(parts[0]))

    def digits(self, token: Token, text: str) -> int:
        if len(text.lstrip("-")) > 18:
            self.found.append(mistakes.bad_number(self.at(token), "this number has more than 18 digits"))
            return 0
        return int(text)
