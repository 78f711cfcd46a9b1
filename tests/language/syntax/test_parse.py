"""Text to tree: spans, strings and their offsets, advice by example, limits, and that nothing but diagnostics comes
out of broken text."""

import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lark import Lark, UnexpectedInput, UnexpectedToken

from circuitlang.language.syntax import tree
from circuitlang.language.syntax.advice import AT_PLACE, AT_TOKEN, advise
from circuitlang.language.syntax.parse import grammar, keywords, parse
from circuitlang.language.syntax.strings import decode, quoted, tripled
from circuitlang.source.diagnostic import Diagnostic, ProgramError, Source, Span

LANGUAGE = Path(__file__).parent.parent.parent / "language"
GRAMMAR = Path(__file__).parent.parent.parent.parent / "circuitlang" / "language" / "syntax" / "grammar.lark"


def failing(text: str) -> list[str]:
    with pytest.raises(ProgramError) as caught:
        parse(Source("t", text))
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def value(literal: str) -> str:
    file = parse(Source("t", f"task t {{ rule a = {literal} }}"))
    assert isinstance(file.items[0], tree.Task)
    rule = file.items[0].items[0]
    assert isinstance(rule, tree.Rule)
    part = rule.body.options[0].items[0]
    assert isinstance(part, tree.String)
    return part.text


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ('"a"', "a"),
        ("'a\"b'", 'a"b'),
        (r'"\n\t\\\"\'\x41\u00e9"', "\n\t\\\"'Aé"),
        ('"""one"""', "one"),
        ('"""\n  one\n    two\n\n  three"""', "one\n  two\n\nthree"),
        ('"""\n    one\n  two\n   """', "  one\ntwo\n"),
        ('"""\r\n  one\r\n  two"""', "one\ntwo"),
        ('"""\n\tone\n\t  two"""', "one\n  two"),
        ('"""\n  \\x20one\n  two"""', " one\ntwo"),
        ('"""say "x" and \\""""', 'say "x" and "'),
        ('""""""', ""),
    ],
)
def test_strings(literal: str, text: str) -> None:
    assert value(literal) == text


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="utf-8")) | st.text(" \n\t\"'\\{}ab") | st.text('\n"\\', max_size=8))
@example('\n"""')
@example('\n\\"')
def test_every_text_can_be_written_in_both_quotes(text: str) -> None:
    tokens = [quoted(text), quoted(text, quote='"'), quoted(text, quote="'")]
    if "\n" in text:
        tokens.append(tripled(text, "      "))
    for token in tokens:
        decoded, found = decode(Span(Source("t", token), 0, len(token)))
        assert decoded.text == text
        assert not found
        assert len(decoded.offsets) == len(text)


def test_every_character_of_a_template_knows_where_it_was_written() -> None:
    text = 'task t { prompt """\n      a {first}\\n{{\n        {second}""" case c answer "\\"{third}" }'
    file = parse(Source("t", text))
    assert isinstance(file.items[0], tree.Task)
    prompt, case = file.items[0].items
    assert isinstance(prompt, tree.Prompt)
    assert isinstance(case, tree.Case)
    parts = (*prompt.template.parts, *case.answer.template.parts)
    assert [part for part in parts if isinstance(part, str)] == ["a ", "\n{\n  ", '"']
    holes = [part for part in parts if isinstance(part, tree.Hole)]
    assert [hole.span.text for hole in holes] == [hole.name for hole in holes] == ["first", "second", "third"]


def test_spans_cover_what_was_written() -> None:
    text = "spec s { claim a: loss given keep(circuit), drop(b -> c.d) where n = 1..2 for case x <= 15% }"
    file = parse(Source("t", text))
    assert isinstance(file.items[0], tree.Spec)
    claim = file.items[0].items[0]
    assert isinstance(claim, tree.Claim)
    assert claim.span.text == text[9:-2]
    assert claim.left.span.text == "loss given keep(circuit), drop(b -> c.d) where n = 1..2 for case x"
    assert [each.span.text for each in claim.left.given] == ["keep(circuit)", "drop(b -> c.d)"]
    assert claim.left.where[0].span.text == "n = 1..2"
    assert claim.right.span.text == "15%"
    assert file.items[0].span.text == text


def test_keywords_are_names_of_settings_and_ports() -> None:
    words = sorted(keywords() - {"circuit", "claim", "given", "where", "for"})  # these go on with a claim
    for before in (
        "",
        "x = 3",
        'x = "y"',
        "x = y",
        "x = 1..2",
        "x = 5%",
        "y { }",
        "claim a: loss <= 1",
        '"doc"',
    ):
        text = " ".join(f"{word} = 3" for word in words)
        file = parse(
            Source("t", f"spec s {{ {before} {text} a {{ {text} }} circuit {{ a.out -> answer }} }}")
        )
        assert isinstance(file.items[0], tree.Spec)
        found = [item.name.text for item in file.items[0].items if isinstance(item, tree.Setting)]
        assert found[-len(words) :] == words
    assert len(words) > 25


def test_numbers() -> None:
    text = "model m { a { a = 50M b = 1/64 c = -0.5 d = 1e-3 e = 12.5% f = 0..2 g = (1, 2K) h = yes } }"
    file = parse(Source("t", text))
    assert isinstance(file.items[0], tree.Model)
    values = [setting.value for setting in file.items[0].items[0].items]
    simple = [v.value for v in values if isinstance(v, (tree.Int, tree.Float, tree.Fraction, tree.Percent))]
    assert simple == [50_000_000, 1 / 64, -0.5, 0.001, 0.125]
    assert values[5:] == [
        tree.Range(tree.Int(0), tree.Int(2)),
        tree.Several((tree.Int(1), tree.Int(2000))),
        tree.Name("yes"),
    ]


def test_every_rule_has_its_class() -> None:
    text = GRAMMAR.read_text(encoding="utf-8")
    rules = set(re.findall(r"^[?!]?([a-z]\w*):(?!.*(?:-> many|\|$))", text, flags=re.M)) - {
        "number",
        "value",
        "atom",
    }
    rules -= {"setting_key"}  # read as `key`
    for rule in rules - {r for r in rules if re.search(rf"^{r}: .*-> many", text, flags=re.M)}:
        assert hasattr(tree, "".join(part.capitalize() for part in rule.split("_"))), rule
    assert len(rules) > 40


def test_the_grammar_is_not_ambiguous() -> None:
    Lark(GRAMMAR.read_text(encoding="utf-8"), parser="lalr", start="file", strict=True)


def test_the_parser_does_not_depend_on_what_is_kept_of_it(tmp_path, monkeypatch) -> None:
    """Made, read back, damaged, of another grammar, or where nothing can be kept: it takes and refuses the same."""
    text = (LANGUAGE / "good.task").read_text(encoding="utf-8").partition("\n---\n")[0]
    expected, wrong = parse(Source("t", text)), failing("task t { rule = }")
    kept = tmp_path / "kept" / "grammar"
    (tmp_path / "file").touch()
    for folder, before in (
        (kept.parent, None),
        (kept.parent, None),
        (kept.parent, b"x"),
        (tmp_path / "file", None),
    ):
        monkeypatch.setenv("CIRCUITLANG_CACHE", str(folder))
        if before is not None:
            kept.write_bytes(before)
        grammar.cache_clear()
        assert parse(Source("t", text)) == expected
        assert failing("task t { rule = }") == wrong
        assert kept.read_bytes() != before
    monkeypatch.undo()
    grammar.cache_clear()


EXAMPLES = [
    (advice, text) for table in (AT_TOKEN, AT_PLACE) for advice, texts in table.items() for text in texts
]


@pytest.mark.parametrize(("advice", "text"), EXAMPLES, ids=[text for _, text in EXAMPLES])
def test_every_example_yields_its_own_advice(advice: str, text: str) -> None:
    with pytest.raises(UnexpectedInput) as caught:
        grammar().parse(text)
    error = caught.value
    word = str(error.token) if isinstance(error, UnexpectedToken) else text[error.pos_in_stream or 0]
    assert advise(grammar(), error, word) == advice


def test_limits() -> None:
    assert failing("#" * (1 << 20) + "\n") == ["CIR-011"]
    assert failing("# " + "é" * (1 << 19)) == ["CIR-011"]
    parse(Source("t", "#" * 1000))
    deep = "(" * 64 + '"x"' + ")" * 64
    parse(Source("t", f"task t {{ rule a = {deep} }}"))
    assert failing(f"task t {{ rule a = ({deep}) }}") == ["CIR-010"]


def test_mistakes_in_several_blocks_are_found_quickly() -> None:
    text = "task t { rule = 3 }\n" * 200
    start = time.process_time()
    assert 2 <= len(failing(text)) <= 20
    assert time.process_time() - start < 10


def test_nothing_but_diagnostics_comes_out_of_broken_text() -> None:
    """Characters and words of the language's own test programs, removed, doubled, exchanged."""
    chance = random.Random(0)
    texts = [path.read_text(encoding="utf-8") for path in sorted(LANGUAGE.glob("*.*"))]
    chunks = [chunk for text in texts for chunk in re.split(r"^---\n", text, flags=re.M) if len(chunk) < 1500]
    pieces = re.findall(r"\w+|\S|\s+", " ".join(chunks))
    tried = refused = 0
    for _ in range(150):
        parts = re.findall(r"\w+|\S|\s+", chance.choice(chunks))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(parts))
            parts[at : at + chance.randint(0, 2)] = chance.choices(pieces, k=chance.randint(0, 2))
        tried += 1
        found = mistakes_of("".join(parts))
        refused += bool(found)
        assert all(0 <= d.span.start <= d.span.end <= len("".join(parts)) + 1 and d.render() for d in found)
    assert tried == 150
    assert refused > 50


def mistakes_of(text: str) -> tuple[Diagnostic, ...]:
    try:
        parse(Source("t", text))
    except ProgramError as error:
        return error.diagnostics
    return ()
