"""No `test` prompt of any shipped task occurs in the text that our models are trained on, and no template is a rule."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from circuitlang.language.program.load import load, load_text
from circuitlang.language.program.recipe import Corpus, Document
from circuitlang.prompts.corpus_files import real_files
from circuitlang.prompts.document import RuleDocuments, rule_documents
from circuitlang.prompts.generate import Generator

ROOT = Path(__file__).parents[1]
DATAPOINTS = 200  # of each task
DOCUMENTS = (
    200_000  # the training texts hold about 145,000 and 180,000 rule documents; seed and order are the same
)
EXPANSIONS = 40  # of each rule
CORPORA = [("specs/models.cir", "simple_python"), ("specs/copies.cir", "python_again")]


def prompts_of_tasks() -> set[str]:
    texts: set[str] = set()
    for task in load(ROOT / "tasks/python.task").tasks.values():
        for datapoint in Generator(task, 0).datapoints("test", range(DATAPOINTS)):
            texts |= {prompt.text for prompt in datapoint.prompts}
    return texts


def found_in(texts: Iterable[str], prompts: set[str]) -> list[str]:
    """The prompts that occur in any of the texts. A prompt is looked for by its longest whole line, which is fast and
    misses nothing: where a prompt occurs, what stands between its first line and its last stands there as whole lines.
    A prompt of one or two lines is looked for by its first."""
    by_line: dict[str, list[tuple[int, str]]] = defaultdict(list)
    by_first: dict[str, list[str]] = defaultdict(list)
    for prompt in prompts:
        lines = prompt.split("\n")
        if len(lines) > 2:
            line = max(lines[1:-1], key=len)
            by_line[line].append((prompt.index(f"\n{line}\n") + 1, prompt))
        else:
            by_first[lines[0]].append(prompt)
    found = []
    for text in texts:
        at = 0
        for line in text.split("\n"):
            for before, prompt in by_line.get(line, ()):
                if at >= before and text.startswith(prompt, at - before):
                    found.append(prompt)
            at += len(line) + 1
        for first, group in by_first.items():
            at = text.find(first)
            while at >= 0:
                found += [prompt for prompt in group if text.startswith(prompt, at)]
                at = text.find(first, at + 1)
    return found


def blocks(texts: Iterable[str], size: int = 2_000_000) -> Iterable[str]:
    """The same texts, joined into a few long ones with a character between them that no prompt holds."""
    held: list[str] = []
    length = 0
    for text in texts:
        held.append(text)
        length += len(text)
        if length > size:
            yield "\0".join(held)
            held, length = [], 0
    yield "\0".join(held)


def test_the_search_finds_what_is_there() -> None:
    text = "x = 1\ndef f():\n    y = [1, 2]\n    z = 3\n"
    there = {
        "def f():\n    y = [1",
        "def f():\n    y = [1, 2]\n    z",
        "1\ndef f():\n    y = [1, 2]\n    z = 3\n",
        "y = [",
    }
    absent = {
        "def f():\n    z",
        "def f():\n    y = [1, 2]\n    y",
        "x = 2\ndef f():\n    y",
        "f():\n    y = [1\n",
    }
    assert set(found_in([text], there | absent)) == there


FIXED = {*keyword.kwlist, *dir(builtins), "self", "__init__"}
TOKEN = re.compile(r"""\s*\"[^"\n]*"|'[^'\n]*'|\w+(?:\.\d+)?|\s+|.""")


def shape(text: str) -> str:
    """The text with its names numbered as they come, and each number and finished string the same: what stays when
    everything that a task draws is drawn otherwise."""
    names: dict[str, str] = {}
    parts = []
    for token in TOKEN.findall(text):
        word = token.strip()
        if word[:1] in ("'", '"') and len(word) > 1:
            parts.append("S")
        elif word[:1].isdigit():
            parts.append("0")
        elif word.isidentifier() and word not in FIXED:
            parts.append(names.setdefault(word, f"v{len(names)}"))
        else:
            parts.append(token)
    return "".join(parts)


def holds_template(text: str, shapes: set[str]) -> bool:
    lines = text.splitlines(keepends=True)
    return any(shape("".join(lines[at : at + 12])).startswith(tuple(shapes)) for at in range(len(lines)))


def test_a_template_is_known_by_its_shape() -> None:
    (first,) = {shape("class A:\n    def __init__(self, x, y):\n        self.y = y\n        self.x =")}
    assert holds_template(
        "n = 1\nclass B:\n    def __init__(self, n, m):\n        self.m = m\n        self.n = n\n", {first}
    )
    assert not holds_template(
        "class B:\n    def __init__(self, n, m):\n        self.n = n\n        self.m = m\n", {first}
    )
    assert shape("x = [1, 22.5, 'a b']") == shape("rows = [7, 3, 'c']") != shape("x = [1, x, 'a']")


@pytest.fixture(scope="module")
def shapes() -> set[str]:
    """Of prompts of every shipped task."""
    tasks = load(ROOT / "tasks/python.task").tasks.values()
    datapoints = (each for task in tasks for each in Generator(task, 0).datapoints("test", range(20)))
    return {shape(prompt.text) for datapoint in datapoints for prompt in datapoint.prompts}


def templates(corpus: Corpus, shapes: set[str]) -> dict[str, float]:
    """The rules of which a tenth of what they expand to holds a prompt with other names, numbers and strings."""
    every = replace(corpus, documents=tuple(Document(rule, 1.0) for rule in corpus.rules))
    documents = RuleDocuments(every, 0)
    held = {
        rule: sum(holds_template(documents.rule_text(entry, i), shapes) for i in range(EXPANSIONS))
        / EXPANSIONS
        for entry, rule in enumerate(corpus.rules)
    }
    return {rule: share for rule, share in held.items() if share >= 0.1}


@pytest.mark.parametrize(("file", "name"), CORPORA)
def test_no_template_of_a_task_is_a_rule(file: str, name: str, shapes: set[str]) -> None:
    assert templates(load(ROOT / file).corpora[name], shapes) == {}


def test_a_template_among_the_rules_is_found(shapes: set[str]) -> None:
    planted = """
    corpus planted {
      draw a, b = "p" | "q" | "r"
      rule swap = "def f(" a ", " b "):\\n    z = " 0..9 "\\n    " a ", " b " = " b ", " a "\\n"
      rule loop = "while " b ":\\n    " a ", " b " = " b ", " a "\\n"
      document swap
      document loop
    }
    """
    assert templates(load_text(planted, "planted.cir", ROOT).corpora["planted"], shapes) == {"swap": 1.0}


@pytest.mark.slow
@pytest.mark.parametrize(("file", "name"), CORPORA)
def test_no_test_prompt_is_in_the_training_text(file: str, name: str) -> None:
    corpus = load(ROOT / file).corpora[name]
    prompts = prompts_of_tasks()
    assert len(prompts) > 10_000
    assert found_in(blocks(rule_documents(corpus, 0, 0, DOCUMENTS)), prompts) == []
    assert found_in(blocks(text for _, text in real_files(corpus, ROOT)), prompts) == []
