"""What every task gives, for ever: reports, cached circuits and models name tasks and seeds, not prompts."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

import pytest

from circuitlang.language.program.load import load
from circuitlang.language.program.task import Task
from circuitlang.prompts.document import RuleDocuments
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import SPLITS, Datapoint, Prompt
from tests.prompts.conftest import MAKERS

PROGRAM = load(Path(__file__).with_name("golden.task"))
DATAPOINTS = 40  # of each split
DOCUMENTS = 300
PINS: dict[str, dict[str, tuple[int, int]]] = {
    "counted_rows": {"length": (7, 7), "width": (0, 1)},
    "answers_that_may_meet": {"shift": (5, 6)},
    "brackets": {"length": (0, 6)},
}

GOLDEN = {
    "brackets": "70937b5cb97d9cf2",
    "quotes": "91c10ae433147df1",
    "names": "bd22e13cc955f82d",
    "small": "5ae9dc01891c4233",
    "nested": "2aea10647d54a7e0",
    "plain_draws": "68c2abeef289124d",
    "counted_rows": "71e69c74accb9d41",
    "recursion": "2b43b2c31b6400bd",
    "names_and_foils": "6da75753ce22c3ba",
    "one_sided": "262f392daebdde77",
    "uses_that_vary": "fff83608a43d9434",
    "answers_that_may_meet": "a1d18fb912e4bb8d",
}
CORPUS = "a4a578e00b4c0cbc"


TASKS: dict[str, Task] = {name: make() for name, make in MAKERS.items()} | dict(PROGRAM.tasks)


def rows(task: Task) -> Iterator[object]:
    for seed in (0, 7):
        generator = Generator(task, seed)
        for where in (None, PINS.get(task.name)):
            for split in SPLITS:
                yield from map(data, generator.datapoints(split, range(DATAPOINTS), where))
            yield [prompts(generator.unsplit(i, where)) for i in range(DATAPOINTS)]


def data(datapoint: Datapoint) -> tuple[object, ...]:
    return datapoint.split, datapoint.index, datapoint.held_out, prompts(datapoint.prompts)


def prompts(made: Iterable[Prompt]) -> list[tuple[object, ...]]:
    return [
        (
            p.case,
            p.text,
            p.answer,
            p.foils,
            p.negated,
            [tuple(mark) for mark in p.marks],
            list(p.draws.items()),
        )
        for p in made
    ]


def digest(made: Iterable[object]) -> str:
    return blake2b("\n".join(map(repr, made)).encode(), digest_size=8).hexdigest()


@pytest.mark.parametrize("name", list(GOLDEN))
def test_a_task_gives_the_same_for_ever(name):
    assert digest(rows(TASKS[name])) == GOLDEN[name]


def test_a_corpus_gives_the_same_for_ever():
    documents = RuleDocuments(PROGRAM.corpora["programs"], 3)
    assert digest(documents.text(i) for i in range(DOCUMENTS)) == CORPUS
