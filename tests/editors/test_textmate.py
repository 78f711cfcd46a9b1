"""The colours of an editor: the TextMate grammar says of every token what the language's own lexer says of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Token

from circuitlang.language.program.vocabulary import METRICS
from circuitlang.language.syntax import tree
from circuitlang.language.syntax.parse import grammar, keywords, parse
from circuitlang.source.diagnostic import Source
from tests.editors import textmate

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "editors" / "vscode"
FILES = [*(ROOT / "tasks").glob("*.task"), *(ROOT / "specs").glob("*.cir")]
PAGES = [p for p in sorted((ROOT / "docs").glob("*.md")) if p.name != "diagnostics.md"]  # of wrong programs
BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"^```circuitlang\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
]
TEXTS = {
    **{path.name: path.read_text(encoding="utf-8") for path in FILES},
    **{f"block {number}": block for number, block in enumerate(BLOCKS)},
}
SCOPES = {
    "NAME": "",
    "STRING": "string.quoted",
    "TRIPLE": "string.quoted.triple",
    "INT": "constant.numeric.integer",
    "FLOAT": "constant.numeric.float",
    "PERCENT": "constant.numeric.percent",
    "FRACTION": "constant.numeric.fraction",
    "ARROW": "keyword.operator.arrow",
    "RELATION": "keyword.operator.relation",
    "_DOTS": "keyword.operator.range",
}


def lexed(text: str) -> list[Token]:
    return list(grammar().parse_interactive(text).iter_parse())


def test_there_is_enough_to_look_at() -> None:
    assert len(TEXTS) > 12
    kinds = {token.type for text in TEXTS.values() for token in lexed(text)}
    assert set(SCOPES) <= kinds


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_token_has_the_scope_of_its_kind(text: str) -> None:
    scopes = textmate.tokenise(text)
    assert not [part for part in scopes if any("invalid" in name for name in part)]
    for token in lexed(text):
        start, end = token.start_pos or 0, token.end_pos or 0
        inner = [" ".join(part) for part in scopes[start:end]]
        setting = re.match(r"[ \t]*=(?!=)", text[end:]) is not None
        if token.value in keywords() and not setting:
            assert all(re.search(r"keyword\.(?:declaration|other)", part) for part in inner), (token, inner)
        elif token.type in SCOPES:
            assert all(SCOPES[token.type] in part for part in inner), (token, inner)
            assert not any(re.search(r"keyword\.(?:declaration|other)", part) for part in inner), (
                token,
                inner,
            )
    for match in re.finditer(r"(?<=\n)[ \t]*(#.*)$", text, re.M):
        assert all(
            "comment" in part[-1]
            for part in scopes[match.start(1) : match.end(1)]
            if "string" not in " ".join(part)
        )


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_is_declared_and_what_is_a_hole_stands_out(text: str) -> None:
    scopes = textmate.tokenise(text)

    def named(span: tree.Span) -> str:
        return " ".join(scopes[span.start])

    for block in parse(Source("text", text)).items:
        if isinstance(block, tree.Use):
            continue
        assert "entity.name.type" in named(block.name.span)
        for item in block.items:
            if isinstance(item, (tree.Rule, tree.Param, tree.Case, tree.Claim)):
                assert f"entity.name.function.{type(item).__name__.lower()}" in named(item.name.span)
            elif isinstance(item, tree.Draw):
                assert all("entity.name.function.draw" in named(name.span) for name in item.names)
            elif isinstance(item, tree.Section):
                assert "entity.name.section" in named(item.name.span)
                assert all("variable.other.property" in named(inner.name.span) for inner in item.items)
            if isinstance(item, tree.Claim):
                assert "support.function.metric" in named(item.left.metric.span)
            templates = [item.template] if isinstance(item, tree.Prompt) else []
            templates += [item.answer.template] if isinstance(item, tree.Case) else []
            for template in templates:
                assert all(
                    "variable.other.hole" in named(part.span)
                    for part in template.parts
                    if isinstance(part, tree.Hole)
                )


def words_of(rule: object) -> set[str]:
    """The words that the patterns give a keyword's scope."""
    found: set[str] = set()
    if isinstance(rule, dict):
        scopes = json.dumps([rule.get("name"), rule.get("captures"), rule.get("beginCaptures")])
        if re.search(r"keyword\.(?:declaration|other)", scopes) and ("match" in rule or "begin" in rule):
            pattern = re.sub(
                r"\\b|\[A-Za-z_\]\[A-Za-z0-9_\]\*|\[ \\t\]", " ", rule.get("match") or rule["begin"]
            )
            found |= set(re.findall(r"[a-z]{2,}", pattern))
        for inner in rule.values():
            found |= words_of(inner)
    elif isinstance(rule, list):
        for inner in rule:
            found |= words_of(inner)
    return found


def test_the_grammars_know_the_same_keywords() -> None:
    assert words_of(dict(textmate.grammar())) == keywords()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('task t { prompt "a {b" }', "{"),
        ('task t { prompt "a } b" }', "}"),
        ('task t { rule a = "\\q" }', "\\q"),
        ('task t { prompt "{{a}} \\x41 {b}" }', ""),
        ('task t { rule a = "{b" }', ""),
    ],
)
def test_what_is_wrong_inside_quotes_is_marked(text: str, wrong: str) -> None:
    scopes = textmate.tokenise(text)
    marked = "".join(
        c for c, part in zip(text, scopes, strict=True) if any("invalid" in name for name in part)
    )
    assert marked == wrong


@given(st.text(st.sampled_from(list("task {}\"'#\\n=|x1.\n->prompt")), max_size=60))
@settings(max_examples=100)
def test_any_text_gets_scopes(text: str) -> None:
    assert len(textmate.tokenise(text)) == len(text)


def test_the_metrics_are_no_list_in_the_grammar() -> None:
    """A metric is known by where it stands, so that a new one needs nothing here."""
    grammar_text = textmate.GRAMMAR.read_text(encoding="utf-8")
    assert not [name for name in METRICS if re.search(rf"\b{name}\b", grammar_text)]


NODE = """
const fs = require('fs'), path = require('path');
const load = (name) => require(path.join(process.argv[1], 'node_modules', name));
const tm = load('vscode-textmate'), oniguruma = load('vscode-oniguruma');
const wasm = path.join(process.argv[1], 'node_modules/vscode-oniguruma/release/onig.wasm');
const onigLib = oniguruma.loadWASM(fs.readFileSync(wasm).buffer).then(() => ({
  createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
  createOnigString: (text) => new oniguruma.OnigString(text),
}));
const file = path.join(process.argv[1], 'syntaxes/circuitlang.tmLanguage.json');
const rawGrammar = async () => tm.parseRawGrammar(fs.readFileSync(file, 'utf8'), file);
const registry = new tm.Registry({ onigLib, loadGrammar: rawGrammar });
registry.loadGrammar('source.circuitlang').then((grammar) => {
  const texts = JSON.parse(fs.readFileSync(0, 'utf8'));
  const all = texts.map((text) => {
    let stack = tm.INITIAL;
    return text.split('\\n').map((line) => {
      const found = grammar.tokenizeLine(line, stack);
      stack = found.ruleStack;
      return found.tokens.map((t) => [t.startIndex, Math.min(t.endIndex, line.length), t.scopes]);
    });
  });
  process.stdout.write(JSON.stringify(all));
});
"""


@pytest.mark.skipif(
    not shutil.which("node") or not (FOLDER / "node_modules" / "vscode-textmate").is_dir(),
    reason="needs node, and `npm install` in editors/vscode",
)
def test_the_editors_own_tokeniser_gives_the_same_scopes() -> None:
    texts = [text.encode("ascii", "replace").decode() for text in TEXTS.values()]  # one unit per character
    done = subprocess.run(
        ["node", "-e", NODE, str(FOLDER)], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    for text, lines in zip(texts, json.loads(done.stdout), strict=True):
        ours = textmate.tokenise(text)
        offset = 0
        for line, tokens in zip(text.split("\n"), lines, strict=True):
            for start, end, scopes in tokens:
                for place in range(offset + start, offset + end):
                    assert ours[place] == tuple(scopes), (line, place - offset)
            offset += len(line) + 1
