"""Prompt, Mark and Datapoint: what a task asks a model, and which name produced which characters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Split = Literal["train", "select", "test"]
SPLITS: tuple[Split, ...] = ("train", "select", "test")


class Mark(NamedTuple):
    """The characters [start, end) of a prompt's text that the name produced; never empty. A named tuple,
    because a prompt has a dozen and a frozen dataclass takes four times as long to make."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Prompt:
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


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One prompt per case, in the order of the task's cases. `held_out`: it uses a choice that only `test`
    has."""

    split: Split
    index: int
    prompts: tuple[Prompt, ...]
    held_out: bool
