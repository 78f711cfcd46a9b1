"""Prompts: frozen, equal where they say the same, and each with its marks whoever is asked first."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import pytest

from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Mark, Prompt

PROMPT = Prompt(
    "one", "the 5", "!", ("?",), False, (Mark("name", 0, 3), Mark("number", 4, 5)), {"number": "5"}
)


@pytest.mark.parametrize("same", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p)), replace])
def test_copies_are_equal(same: Callable[[Prompt], Prompt]):
    assert same(PROMPT) == PROMPT != replace(PROMPT, marks=())


def test_a_prompt_does_not_change():
    with pytest.raises(FrozenInstanceError):
        PROMPT.text = "other"  # type: ignore


def test_the_marks_do_not_depend_on_who_is_asked_first(any_task):
    generator = Generator(any_task, 0)
    forward = [p.marks for i in range(9) for p in generator.datapoint("test", i).prompts]
    backward = [p.marks for i in reversed(range(9)) for p in reversed(generator.datapoint("test", i).prompts)]
    assert forward == backward[::-1]
