"""Prompt, Mark and Datapoint: what a task asks a model, and which name produced which characters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

Split = Literal["train", "select", "test"]
SPLITS: tuple[Split, ...] = ("train", "select", "test")


class Mark(NamedTuple):
    """The characters [start, end) of a prompt's text that the name produced; never empty. A named tuple,
    because a prompt has a dozen and a frozen dataclass takes four times as long to make."""

    name: str
    start: int
    end: int


class Origin(Protocol):
    """What knows the marks of a datapoint's prompts and works them out when it is first asked."""

    def marks(self, case: int) -> tuple[Mark, ...]: ...


class _Unmarked:
    """Where a prompt remembers how to get its marks, until somebody wants them."""

    __slots__ = ("_number", "_origin")
    _number: int
    _origin: Origin


@dataclass(frozen=True, slots=True)
class Prompt(_Unmarked):
    """One case of one datapoint. `foils`: what the answer is compared with, all different from it;
    `negated`: the right continuation is anything but `answer`. `marks`: in the order of their starts,
    outer before inner. `draws`: the text of every draw and param of the datapoint."""

    case: str
    text: str
    answer: str
    foils: tuple[str, ...]
    negated: bool
    marks: tuple[Mark, ...]
    draws: Mapping[str, str]

    def said(self, choice: int, one_sided: bool) -> str:
        """The text of a choice: 0 is the answer, i the i-th foil; in a one-sided task 0 is what is right, 1 what is
        not."""
        if one_sided:
            return f"not {self.answer}" if self.negated == (choice == 0) else self.answer
        return self.answer if choice == 0 else self.foils[choice - 1]

    if not TYPE_CHECKING:  # a checker must not believe that a prompt has every attribute

        def __getattr__(self, name: str) -> object:
            if name != "marks":
                raise AttributeError(f"a prompt has no {name}")
            marks = self._origin.marks(self._number)
            object.__setattr__(self, "marks", marks)
            object.__delattr__(self, "_origin")
            return marks


def unmarked_prompt(
    case: str,
    text: str,
    answer: str,
    foils: tuple[str, ...],
    negated: bool,
    draws: Mapping[str, str],
    origin: Origin,
    number: int,
) -> Prompt:
    """A prompt whose marks are worked out when they are first looked at. Made without the constructor of a
    frozen dataclass, which takes three times as long."""
    prompt = _new(Prompt)
    _case(prompt, case)
    _text(prompt, text)
    _answer(prompt, answer)
    _foils(prompt, foils)
    _negated(prompt, negated)
    _draws(prompt, draws)
    _origin(prompt, origin)
    _number(prompt, number)
    return prompt


_new = object.__new__
_case, _text, _answer, _foils, _negated, _draws, _origin, _number = (
    getattr(Prompt, name).__set__
    for name in ("case", "text", "answer", "foils", "negated", "draws", "_origin", "_number")
)


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One prompt per case, in the order of the task's cases. `held_out`: it uses a choice that only `test`
    has."""

    split: Split
    index: int
    prompts: tuple[Prompt, ...]
    held_out: bool
