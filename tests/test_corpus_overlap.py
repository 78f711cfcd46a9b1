"""No `test` prompt of any shipped task occurs in the text that the shipped model was trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from circuitlang.program.load import load
from circuitlang.prompts.document import rule_documents
from circuitlang.prompts.files import real_files
from circuitlang.prompts.generate import Generator

ROOT = Path(__file__).parents[1]
DATAPOINTS = 200  # of each task
DOCUMENTS = 160_000  # the training text holds about 145,000 rule documents; its seed and order are the same


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


@pytest.mark.slow
def test_no_test_prompt_is_in_the_training_text() -> None:
    corpus = load(ROOT / "specs/models.cir").recipes["python_small"].training.corpus
    prompts = prompts_of_tasks()
    assert len(prompts) > 10_000
    assert found_in(blocks(rule_documents(corpus, 0, 0, DOCUMENTS)), prompts) == []
    assert found_in(blocks(text for _, text in real_files(corpus, ROOT)), prompts) == []
