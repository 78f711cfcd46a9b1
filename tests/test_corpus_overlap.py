"""No `test` prompt of any shipped task occurs in the text that the shipped model was trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from circuitlang.program.load import load
from circuitlang.prompts.document import real_files, rule_documents
from circuitlang.prompts.generate import Generator

ROOT = Path(__file__).parents[1]
DATAPOINTS = 1500  # of each task
DOCUMENTS = 160_000  # the training text holds about 145,000 rule documents; its seed and order are the same


def prompts_of_tasks() -> set[str]:
    texts: set[str] = set()
    for path in sorted((ROOT / "tasks").rglob("*.task")):
        for task in load(path).tasks.values():
            for datapoint in Generator(task, 0).datapoints("test", range(DATAPOINTS)):
                texts |= {prompt.text for prompt in datapoint.prompts}
    return texts


def found_in(texts: Iterable[str], prompts: set[str]) -> list[str]:
    """The prompts that occur in any of the texts. Prompts are looked for by their first line, which is fast and misses
    nothing: where a prompt occurs, its first line does."""
    by_line: dict[str, list[str]] = defaultdict(list)
    for prompt in prompts:
        by_line[prompt.split("\n", 1)[0]].append(prompt)
    found = []
    for text in texts:
        for line, group in by_line.items():
            at = text.find(line)
            while at >= 0:
                found += [prompt for prompt in group if text.startswith(prompt, at)]
                at = text.find(line, at + 1)
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
    assert found_in(["x = 1\ndef f():\n    y = [1, 2]\n"], {"def f():\n    y = [1", "def f():\n    z"}) == [
        "def f():\n    y = [1"
    ]


@pytest.mark.slow
def test_no_test_prompt_is_in_the_training_text() -> None:
    corpus = load(ROOT / "specs/models.cir").recipes["python_small"].training.corpus
    prompts = prompts_of_tasks()
    assert len(prompts) > 5000
    assert found_in(blocks(rule_documents(corpus, 0, 0, DOCUMENTS)), prompts) == []
    assert found_in(blocks(text for _, text in real_files(corpus, ROOT)), prompts) == []
