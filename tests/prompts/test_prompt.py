"""Prompts whose marks are still to be worked out are like those whose marks are known."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import pytest

from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Mark, Prompt, unmarked_prompt

MARKS = (Mark("name", 0, 3), Mark("number", 4, 5))


class Counted:
    """Gives the marks and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def marks(self, case: int) -> tuple[Mark, ...]:
        assert case == 1
        self.asked += 1
        return MARKS


def marked() -> Prompt:
    return Prompt("one", "the 5", "!", ("?",), False, MARKS, {"number": "5"})


def unmarked(origin: Counted | None = None) -> Prompt:
    return unmarked_prompt("one", "the 5", "!", ("?",), False, {"number": "5"}, origin or Counted(), 1)


@pytest.mark.parametrize("same", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p)), replace])
def test_copies_are_equal(same: Callable[[Prompt], Prompt]):
    assert same(unmarked()) == marked() == unmarked()
    assert repr(same(unmarked())) == repr(marked())
    assert replace(unmarked(), marks=()) == replace(marked(), marks=()) != marked()


def test_marks_are_worked_out_once():
    origin = Counted()
    prompt = unmarked(origin)
    assert (prompt.text, prompt.answer, origin.asked) == ("the 5", "!", 0)
    assert prompt.marks is prompt.marks
    assert origin.asked == 1


def test_a_prompt_does_not_change():
    for prompt in (unmarked(), marked()):
        with pytest.raises(FrozenInstanceError):
            prompt.text = "other"  # type: ignore
        with pytest.raises(AttributeError, match="no such"):
            prompt.such  # type: ignore  # noqa: B018
        with pytest.raises(TypeError, match="unhashable"):
            hash(prompt)


def test_the_marks_do_not_depend_on_who_is_asked_first(any_task):
    generator = Generator(any_task, 0)
    forward = [p.marks for i in range(9) for p in generator.datapoint("test", i).prompts]
    backward = [p.marks for i in reversed(range(9)) for p in reversed(generator.datapoint("test", i).prompts)]
    assert forward == backward[::-1]
