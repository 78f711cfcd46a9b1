"""Every feature, asked of a real server: programs with the cursor written as <|>."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from circuitlang.interfaces.lsp.context import context, possible
from circuitlang.interfaces.lsp.keywords import KEYWORDS
from circuitlang.interfaces.lsp.signatures import interventions, metrics
from circuitlang.language.program.vocabulary import PORTS, ROLE_KINDS, SPEC_SECTIONS
from circuitlang.language.program.vocabulary_bridge import BRIDGE_SECTIONS
from circuitlang.language.syntax.parse import keywords, parse
from circuitlang.source.diagnostic import Source
from tests.interfaces.lsp.conftest import CURSOR, Client, place

TASK = '''# colours 🎨
task colours {
  "Tell flat from nested."
  param length = 1..4
  rule number = 0..99
  rule row = number{length by ", "}
  draw fn = "f" | "g" | "h" | "load"
  draw a, b = "x" | "é" | "z" | "rows" | "🎨"
  hold out a 25%
  prompt """
    def {fn}({a}):
        {b} = {list}"""
  case flat with list = "[" row answer "]\\n"
  case nested with list = "[[" row "], [" row answer "]]\\n"
}
'''
SPEC = """use "colours.task"

spec one {
  task = colours
  model = "zoo:python-small"
  prune { loss = 0.15  ablate = mean }
  claim sufficient: loss given keep(circuit) <= 0.15
  claim pinned: accuracy where length = 8 for case flat >= 50%
}
"""


BRIDGE = """
model big { architecture { layers = 2  width = 64  heads = 4 } }
bridge both {
  dense = big
  sparse = "zoo:python-small"
  spec = one
  claim near: encoder_error <= 0.5
}
"""


class Opened:
    """The task and the spec above in a project, the spec with something else in place of a part of it."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client, self.folder = client, folder
        (folder / "colours.task").write_text(TASK, encoding="utf-8")
        (folder / "one.cir").write_text(SPEC, encoding="utf-8")
        self.texts = {"colours.task": TASK, "one.cir": SPEC}
        self.uris = {name: client.open(folder / name, text) for name, text in self.texts.items()}

    def edit(self, name: str, old: str, new: str) -> str:
        """The text with `new`, which may hold the cursor, in place of `old`; the server gets it without the cursor."""
        assert self.texts[name].count(old) >= 1, old
        text = self.texts[name].replace(old, new, 1)
        self.client.change(self.uris[name], {"text": text.replace(CURSOR, "")})
        return text

    def at(self, method: str, name: str, old: str, new: str, **more: Any) -> Any:
        return self.client.at(method, self.uris[name], self.edit(name, old, new), **more)

    def labels(self, name: str, old: str, new: str) -> list[str]:
        return [item["label"] for item in self.at("completion", name, old, new)["items"]]

    def hover(self, name: str, old: str, new: str) -> str:
        found = self.at("hover", name, old, new)
        return found["contents"]["value"] if found else ""


@pytest.fixture
def opened(client: Client, project: Path):
    files = Opened(client, project)
    yield files
    for uri in files.uris.values():
        client.close(uri)


def underlined(text: str, range: dict[str, Any]) -> str:
    """What a range of UTF-16 units covers, on one line."""
    start, end = range["start"], range["end"]
    assert start["line"] == end["line"]
    line = text.split("\n")[start["line"]].encode("utf-16-le")
    return line[2 * start["character"] : 2 * end["character"]].decode("utf-16-le")


# --- diagnostics ----------------------------------------------------------------------------------


def test_a_right_program_has_no_diagnostics(opened: Opened) -> None:
    assert [opened.client.diagnostics(uri) for uri in opened.uris.values()] == [[], []]


def test_a_mistake_is_shown_where_it_is_behind_wide_characters(opened: Opened) -> None:
    text = opened.edit("colours.task", '= "f" |', '= "🎨e\u0301" nosuch |')
    (found,) = opened.client.diagnostics(opened.uris["colours.task"])
    assert (found["code"], found["severity"], underlined(text, found["range"])) == ("CIR-030", 1, "nosuch")
    assert "unknown name `nosuch`" in found["message"]
    assert "help: known names" in found["message"]


def test_a_changed_file_changes_what_is_said_of_those_that_use_it(opened: Opened) -> None:
    opened.client.diagnostics(opened.uris["one.cir"])
    opened.edit("colours.task", "task colours", "task colour")
    while not opened.client.published[opened.uris["one.cir"]]:
        opened.client.wait_for_diagnostics()
    (found,) = opened.client.published[opened.uris["one.cir"]]
    assert "unknown task `colours`" in found["message"]
    actions = opened.client.ask(
        "textDocument/codeAction",
        textDocument={"uri": opened.uris["one.cir"]},
        range=found["range"],
        context={"diagnostics": [found]},
    )
    (edit,) = actions[0]["edit"]["changes"][opened.uris["one.cir"]]
    assert (actions[0]["title"], edit["newText"]) == ("Write `colour`", "colour")
    assert underlined(SPEC, edit["range"]) == "colours"


def test_a_warning_is_no_error(opened: Opened) -> None:
    opened.edit("colours.task", "  rule row", '  rule idle = "x"\n  rule row')
    (found,) = opened.client.diagnostics(opened.uris["colours.task"])
    assert (found["code"], found["severity"]) == ("CIR-033", 2)


# --- hover ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "shown"),
    [
        ("one.cir", "loss = 0.15", "lo<|>ss = 0.15", ["at most 10", "in nats", "default `0.15`"]),
        ("one.cir", "ablate = mean", "ablate = me<|>an", ["`mean` or `mean(task)` or `zero`"]),
        ("one.cir", "prune {", "pr<|>une {", ["learning_rate"]),
        ("one.cir", "sufficient: loss", "sufficient: lo<|>ss", ["chance is ln 2", "In nats"]),
        ("one.cir", "keep", "<|>keep", ["ablate every node outside".capitalize()]),
        ("one.cir", "circuit)", "circuit<|>)", ["pruned circuit"]),
        (
            "one.cir",
            "task = colours",
            "task = col<|>ours",
            ["Tell flat from nested.", "different datapoints"],
        ),
        ("one.cir", "keep(circuit)", "drop(x, a<|>t=list)", ["Only at the tokens of this mark"]),
        ("one.cir", "  prune", "  circuit {\n    x.ke<|>y -> answer\n  }\n  prune", ["Arrows end there"]),
        ("one.cir", "  prune", "  circuit {\n    role x = he<|>ad\n  }\n  prune", ["An attention head"]),
        ("one.cir", "where", "wh<|>ere", ["keyword", "Pins a param"]),
        ("one.cir", "length = 8", "len<|>gth = 8", ["param length = 1..4", "`at=length`"]),
        ("one.cir", "case flat", "case f<|>lat", ["case flat with list"]),
        ("one.cir", '"colours.task"', '"colo<|>urs.task"', ["`task colours`"]),
        ("one.cir", "claim suff", "claim s<|>uff", ["claim sufficient: loss given keep(circuit) <= 0.15"]),
        ("colours.task", "{list}", "{li<|>st}", ['list = "[" row', 'list = "[[" row', "marked `list`"]),
        ("colours.task", "number{", "num<|>ber{", ["rule number = 0..99", "Rule of task `colours`"]),
        ("colours.task", "rule row", "ru<|>le row", ["made afresh at every use"]),
    ],
)
def test_hover(opened: Opened, name: str, old: str, new: str, shown: list[str]) -> None:
    text = opened.hover(name, old, new)
    assert all(each in text for each in shown), text


def test_hover_says_nothing_in_a_comment_or_a_text(opened: Opened) -> None:
    assert opened.hover("colours.task", "# colours", "# rule<|> task") == ""
    assert opened.hover("colours.task", "Tell flat", "Tell<|> rule") == ""


def test_every_keyword_has_a_meaning_and_an_example_that_parses() -> None:
    assert set(KEYWORDS) == keywords()
    around = {"": "{}", "circuit": "spec s {{ circuit {{ {} }} }}"}
    for word, row in KEYWORDS.items():
        text = around.get(row.inside, f"{row.inside} b {{{{ {{}} }}}}").format(row.example)
        parse(Source(word, text))
        assert word in row.example.split() or f"{word}(" in row.example or f"({word}" in row.example


# --- definition and references --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "file", "lines"),
    [
        ("one.cir", "task = colours", "task = <|>colours", "colours.task", ["task colours {"]),
        ("one.cir", '"colours.task"', '"colours<|>.task"', "colours.task", ["# colours 🎨"]),
        ("one.cir", "length = 8", "length<|> = 8", "colours.task", ["  param length = 1..4"]),
        ("one.cir", "case flat", "case fl<|>at", "colours.task", ["  case flat with"]),
        ("colours.task", "{b}", "{<|>b}", "colours.task", ["  draw a, b ="]),
        ("colours.task", "{list}", "{<|>list}", "colours.task", ["  case flat with", "  case nested with"]),
        ("colours.task", "{length by", "{len<|>gth by", "colours.task", ["  param length"]),
        ("colours.task", "out a", "out <|>a", "colours.task", ["  draw a, b ="]),
    ],
)
def test_definition(opened: Opened, name: str, old: str, new: str, file: str, lines: list[str]) -> None:
    found = opened.at("definition", name, old, new)
    assert {each["uri"] for each in found} == {opened.uris[file]}
    starts = [opened.texts[file].split("\n")[each["range"]["start"]["line"]] for each in found]
    assert [start.startswith(line) for start, line in zip(starts, lines, strict=True)] == [True] * len(lines)


def test_definitions_are_found_while_another_item_is_half_written(opened: Opened) -> None:
    half = "claim half: loss given\n  claim pinned: accuracy where len<|>gth"
    found = opened.at("definition", "one.cir", "claim pinned: accuracy where length", half)
    assert [each["uri"] for each in found] == [opened.uris["colours.task"]]


def test_references(opened: Opened) -> None:
    for declared, count in ((True, 3), (False, 1)):
        found = opened.at(
            "references", "colours.task", "{list}", "{li<|>st}", context={"includeDeclaration": declared}
        )
        assert len(found) == count
    found = opened.at(
        "references", "colours.task", "param length", "param <|>length", context={"includeDeclaration": True}
    )
    assert sorted(Path(each["uri"]).name for each in found) == ["colours.task", "colours.task", "one.cir"]
    assert len(opened.at("documentHighlight", "colours.task", "{a}", "{<|>a}")) == 3


# --- rename ---------------------------------------------------------------------------------------


def renamed(opened: Opened, name: str, old: str, new: str, to: str) -> dict[str, str]:
    """The texts of all files after a rename."""
    texts = {**opened.texts, name: opened.edit(name, old, new).replace(CURSOR, "")}
    where = place(opened.uris[name], opened.texts[name].replace(old, new, 1))
    changes = opened.client.ask("textDocument/rename", **where, newName=to)["changes"]
    for uri, edits in changes.items():
        file = Path(uri).name
        lines = texts[file].split("\n")
        for edit in sorted(
            edits, key=lambda e: (e["range"]["start"]["line"], -e["range"]["start"]["character"])
        ):
            start, end = edit["range"]["start"], edit["range"]["end"]
            line = lines[start["line"]].encode("utf-16-le")
            line = line[: 2 * start["character"]] + to.encode("utf-16-le") + line[2 * end["character"] :]
            lines[start["line"]] = line.decode("utf-16-le")
        texts[file] = "\n".join(lines)
    return texts


def test_rename_reaches_holes_and_other_files(opened: Opened) -> None:
    texts = renamed(opened, "colours.task", "{list}", "{li<|>st}", "items")
    assert texts["colours.task"] == TASK.replace("list", "items")
    texts = renamed(opened, "one.cir", "length", "le<|>ngth", "count")
    assert texts["colours.task"] == TASK.replace("length", "count")
    assert texts["one.cir"] == SPEC.replace("length", "count")
    texts = renamed(opened, "colours.task", "task colours", "task colo<|>urs", "hues")
    assert texts["one.cir"] == SPEC.replace("task = colours", "task = hues")


def test_rename_reaches_files_that_are_not_open(opened: Opened) -> None:
    opened.client.close(opened.uris.pop("one.cir"))
    texts = renamed(opened, "colours.task", "case flat", "case <|>flat", "plain")
    assert texts["one.cir"] == SPEC.replace("case flat", "case plain")


@pytest.mark.parametrize(
    ("old", "new", "to", "why"),
    [
        ("{list}", "{li<|>st}", "rule", "keyword"),
        ("{list}", "{li<|>st}", "2x", "no name"),
        ("{list}", "{li<|>st}", "end", "mark"),
        ("{list}", "{li<|>st}", "row", "already a name"),
        ("case flat", "case <|>flat", "nested", "already a case"),
        ("rule row", "ru<|>le row", "x", "only a name"),
        ("case flat with", "case <|>flat with with", "x", "mend it first"),
    ],
)
def test_a_rename_that_would_change_the_meaning_is_refused(
    opened: Opened, old: str, new: str, to: str, why: str
) -> None:
    text = opened.edit("colours.task", old, new)
    where = place(opened.uris["colours.task"], text)
    answer = opened.client.request("textDocument/rename", **where, newName=to)
    assert why in answer["error"]["message"]


def test_prepare_rename_gives_the_name(opened: Opened) -> None:
    assert underlined(TASK, opened.at("prepareRename", "colours.task", "{list}", "{li<|>st}")) == "list"


# --- completion -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "some", "none"),
    [
        ("one.cir", "spec one", "<|>\nspec one", {"use", "task", "spec", "corpus"}, {"claim", "loss"}),
        (
            "one.cir",
            "  claim suff",
            "  <|>\n  claim suff",
            {"claim", "circuit", "verdict", "task"},
            {"rule", "use"},
        ),
        ("one.cir", "task = colours", "task = <|>", {"colours"}, {"one", "answer"}),
        ("one.cir", '"zoo:python-small"', '"<|>', {"zoo:python-small"}, {"colours"}),
        ("one.cir", '"colours.task"', '"<|>"', {"colours.task"}, {"one.cir"}),
        ("one.cir", "ablate = mean", "ablate = <|>", {"mean", "zero"}, {"yes"}),
        ("one.cir", "ablate = mean", "<|>", {"ablate", "seeds"}, {"claim", "task", "confidence"}),
        ("one.cir", "loss given", "<|> given", {row.name for row in metrics("spec")}, {"keep", "to_dense"}),
        ("one.cir", "loss given keep(circuit)", "loss <|>", {"given", "where", "for"}, {"keep", "claim"}),
        ("one.cir", "keep(circuit)", "<|>", {row.name for row in interventions("spec")}, {"loss", "steer"}),
        ("one.cir", "keep(circuit)", "keep(<|>)", {"circuit", "random"}, {"node", "loss"}),
        ("one.cir", "keep(circuit)", "drop(each <|>)", {"node"}, {"circuit"}),
        ("one.cir", "length = 8", "<|>", {"length"}, {"row", "fn"}),
        ("one.cir", "case flat", "case <|>", {"flat", "nested"}, {"list"}),
        ("one.cir", "loss given keep(circuit)", "auroc(x, at=<|>", {"list", "a", "end"}, {"flat"}),
        ("one.cir", "loss given keep(circuit)", "auroc(x, <|>", {"at"}, {"keep"}),
        ("one.cir", "  prune", "  circuit { role x = <|> }\n  prune", set(ROLE_KINDS), {"x"}),
        (
            "one.cir",
            "  prune",
            "  circuit {\n    role x = head\n    x -> <|>\n  }\n  prune",
            {"x", "answer"},
            {"role"},
        ),
        (
            "one.cir",
            "  prune",
            "  circuit {\n    role x = head\n    x.<|>\n  }\n  prune",
            set(PORTS),
            {"x"},
        ),
        (
            "colours.task",
            "  hold out",
            "  <|>\n  hold out",
            {"rule", "draw", "param", "case"},
            {"claim", "row"},
        ),
        ("colours.task", "hold out a", "hold out <|>", {"fn", "a", "b"}, {"row", "length"}),
        ("colours.task", "number{length", "number{<|>", {"length"}, {"row", "fn"}),
        ("colours.task", "number{", "<|> {", {"number", "row", "fn"}, {"list", "flat"}),
        ("colours.task", "{fn}", "{<|>", {"fn", "row", "list"}, {"rule"}),
        ("colours.task", "{fn}", "{f<|>}", {"fn"}, set()),
        ("colours.task", 'with list = "[" row', "with <|>", {"list"}, {"row"}),
        ("colours.task", "rule row", "rule <|>", set(), {"number", "rule"}),
        ("colours.task", "# colours", "# col<|>", set(), {"task", "rule"}),
    ],
)
def test_completion(opened: Opened, name: str, old: str, new: str, some: set[str], none: set[str]) -> None:
    labels = opened.labels(name, old, new)
    assert some <= set(labels), labels
    assert not none & set(labels), labels
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize(
    ("old", "new", "some", "none"),
    [
        ("dense = big", "dense = <|>", {"big"}, {"colours", "one"}),
        ("spec = one", "spec = <|>", {"one"}, {"big", "both"}),
        ('"zoo:python-small"', '"<|>', {"zoo:python-small"}, set[str]()),
        ("  spec = one", "  <|>\n  spec = one", {"dense", "claim", *BRIDGE_SECTIONS}, {"prune", "circuit"}),
        ("encoder_error", "<|>", {row.name for row in metrics("bridge")}, {"auroc", "nodes"}),
        ("encoder_error", "flip given steer(<|>", {"mark_reader"}, {"circuit", "random"}),
        ("encoder_error", "flip given steer(x, to=<|>", {"flat", "nested"}, {"list"}),
        ("  spec = one", "  loss { <|> }\n  spec = one", {"pretraining", "to_dense"}, {"claim", "tokens"}),
    ],
)
def test_completion_in_a_bridge(opened: Opened, old: str, new: str, some: set[str], none: set[str]) -> None:
    circuit = "  circuit {\n    role mark_reader = attn_in\n  }\n  claim sufficient"
    opened.texts["one.cir"] = SPEC.replace("  claim sufficient", circuit) + BRIDGE
    labels = opened.labels("one.cir", old, new)
    assert some <= set(labels), labels
    assert not none & set(labels), labels


def test_a_completion_replaces_the_word_that_was_begun(opened: Opened) -> None:
    text = opened.edit("one.cir", "task = colours", "task = co<|>")
    items = opened.client.at("completion", opened.uris["one.cir"], text)["items"]
    (item,) = [item for item in items if item["label"] == "colours"]
    assert underlined(text.replace(CURSOR, ""), item["textEdit"]["range"]) == "co"
    assert "Tell flat from nested." in item["documentation"]["value"]


@pytest.mark.parametrize("text", [TASK, SPEC])
def test_every_keyword_that_is_offered_can_stand_there(text: str) -> None:
    """And the one that stands there is offered, wherever the grammar reads it as a keyword."""
    from circuitlang.interfaces.lsp.context import scan

    tried = 0
    for token in scan(text):
        if token.kind == "word" and token.text in keywords():
            words = possible(text, context(text, token.start))
            following = text[token.end : token.end + 3].strip()[:1]
            assert token.text in words or following == "=" or token.text == "circuit", (token, words)
            tried += 1
    assert tried > 5


# --- whole files ----------------------------------------------------------------------------------


def test_formatting_gives_the_canonical_text_or_nothing(opened: Opened) -> None:
    uri = opened.uris["one.cir"]
    options = {"tabSize": 2, "insertSpaces": True}
    opened.edit("one.cir", "  prune { loss = 0.15  ablate = mean }", "\nprune{loss=0.15 ablate=mean}")
    (edit,) = opened.client.ask("textDocument/formatting", textDocument={"uri": uri}, options=options)
    assert "  prune { loss = 0.15  ablate = mean }\n" in edit["newText"]
    assert edit["range"]["end"] == {"line": 10, "character": 0}
    opened.client.change(uri, {"text": edit["newText"]})
    assert opened.client.ask("textDocument/formatting", textDocument={"uri": uri}, options=options) == []
    opened.edit("one.cir", "prune {", "prune")
    assert opened.client.ask("textDocument/formatting", textDocument={"uri": uri}, options=options) == []


def test_symbols_and_folds(opened: Opened) -> None:
    document = {"uri": opened.uris["colours.task"]}
    (task,) = opened.client.ask("textDocument/documentSymbol", textDocument=document)
    names = ["length", "number", "row", "fn", "a", "b", "prompt", "flat", "nested"]
    assert (task["name"], [each["name"] for each in task["children"]]) == ("colours", names)
    folds = opened.client.ask("textDocument/foldingRange", textDocument=document)
    assert [(each["startLine"], each["endLine"]) for each in folds] == [(9, 11), (1, 13)]
    opened.edit("colours.task", "rule row = number", "rule row = = number")  # what it declares is still there
    (task,) = opened.client.ask("textDocument/documentSymbol", textDocument=document)
    assert [each["name"] for each in task["children"]] == names


def test_semantic_tokens_are_in_order_and_cover_the_names(opened: Opened) -> None:
    uri = opened.uris["colours.task"]
    data = opened.client.ask("textDocument/semanticTokens/full", textDocument={"uri": uri})["data"]
    legend = opened.client.capabilities["capabilities"]["semanticTokensProvider"]["legend"]
    line = character = 0
    words = []
    for place_ in range(0, len(data), 5):
        down, ahead, length, kind, declares = data[place_ : place_ + 5]
        line, character = line + down, ahead if down else character + ahead
        end = {"line": line, "character": character + length}
        text = underlined(TASK, {"start": {"line": line, "character": character}, "end": end})
        words.append((text, legend["tokenTypes"][kind], declares))
    assert words[0] == ("colours", "class", 1)
    assert ("list", "variable", 0) in words
    assert ("flat", "enumMember", 1) in words


def test_signature_help(opened: Opened) -> None:
    found = opened.at("signatureHelp", "one.cir", "loss given", "auroc(x, <|>) given")
    assert found["signatures"][0]["label"].startswith("auroc(ROLE, at=MARK")
    assert found["activeParameter"] == 1
    assert opened.at("signatureHelp", "one.cir", "claim suff", "claim <|>suff") is None


def test_every_setting_of_a_spec_is_described(opened: Opened) -> None:
    for section in SPEC_SECTIONS.values():
        for setting in section.settings:
            text = opened.hover(
                "one.cir", "  prune {", f"  {section.name} {{ {setting.name}<|> = 1 }}\n  prune {{"
            )
            assert setting.meaning[1:] in text
