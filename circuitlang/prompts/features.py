"""Prompt to its surface features: what can be read off the text without understanding it, case by case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from circuitlang.language.program.task import Task
from circuitlang.prompts.prompt import Prompt

Range = tuple[int, int]  # characters [start, end)


def case_spans(task: Task) -> Callable[[Prompt], list[Range]]:
    """What gives the own text of a prompt of the task, as ranges in order that do not touch.

    Own is what a `with` binding produced, the names inside it included. Where cases have prompts of their own, so is
    every character there that no name produced.
    """
    bindings = {case.name: frozenset(case.bindings) for case in task.cases}
    one_prompt = all(case.prompt == task.cases[0].prompt for case in task.cases)

    def own(prompt: Prompt) -> list[Range]:
        names = bindings[prompt.case]
        ranges = [(mark.start, mark.end) for mark in prompt.marks if mark.name in names]
        if not one_prompt:
            ranges += _unmarked(prompt)
        return _joined(ranges)

    return own


def _unmarked(prompt: Prompt) -> list[Range]:
    """The characters between the marks: the literal text of the prompt's template."""
    found: list[Range] = []
    at = 0
    for mark in prompt.marks:  # in the order of their starts
        if mark.start > at:
            found.append((at, mark.start))
        at = max(at, mark.end)
    if at < len(prompt.text):
        found.append((at, len(prompt.text)))
    return found


def _joined(ranges: list[Range]) -> list[Range]:
    found: list[Range] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


Kind = Literal[
    "characters", "tokens", "lines", "indentation", "first token", "last token", "count", "count elsewhere"
]
SHAPES: tuple[Kind, ...] = ("characters", "tokens", "lines", "indentation")
ENDS: tuple[Kind, ...] = ("first token", "last token")
"""Features whose values are texts; those of all others are whole numbers."""

Cut = Callable[[Sequence[str]], list[list[Range]]]
"""Texts -> the tokens of each, as ranges of its characters."""


class Feature(NamedTuple):
    """`text`: what is counted, for counts: a character, or a token of several characters."""

    kind: Kind
    text: str = ""

    def __str__(self) -> str:
        what = f"the {'token' if len(self.text) > 1 else 'character'} {self.text!r}"
        match self.kind:
            case "characters" | "tokens" | "lines":
                return f"the prompt's length in {self.kind}"
            case "indentation":
                return "the indentation of the last line"
            case "first token" | "last token":
                return f"the {self.kind}"
            case "count":
                return f"how often {what} occurs"
            case "count elsewhere":
                return f"how often {what} occurs outside the cases' own text"


@dataclass(frozen=True, slots=True)
class Surface:
    """One prompt's features. `shape`: the numbers of `SHAPES`; `counts`: of characters and of longer tokens, what is
    missing is 0; `elsewhere`: the same outside the case's own text; `ends`: the tokens of `ENDS`."""

    shape: tuple[int, ...]
    counts: Mapping[str, int]
    elsewhere: Mapping[str, int]
    ends: tuple[str, ...]


def numbers(feature: Feature, surfaces: Sequence[Surface]) -> list[int]:
    """A feature's value in each prompt."""
    if feature.kind == "count":
        return [each.counts.get(feature.text, 0) for each in surfaces]
    if feature.kind == "count elsewhere":
        return [each.elsewhere.get(feature.text, 0) for each in surfaces]
    place = SHAPES.index(feature.kind)
    return [each.shape[place] for each in surfaces]


def texts(feature: Feature, surfaces: Sequence[Surface]) -> list[str]:
    """The first or last token of each prompt."""
    place = ENDS.index(feature.kind)
    return [each.ends[place] for each in surfaces]


_WORDS = re.compile(r"\w+|[^\w\s]+")


def words(texts: Sequence[str]) -> list[list[Range]]:
    """Tokens where no model's tokenizer is at hand: words, and runs of punctuation."""
    return [[match.span() for match in _WORDS.finditer(text)] for text in texts]


def surface(prompt: Prompt, tokens: Sequence[Range], own: Sequence[Range]) -> Surface:
    """`own`: ranges of the case's own text; a token is elsewhere when it shares no character with it."""
    text = prompt.text
    last = text[text.rfind("\n") + 1 :]
    indentation = len(last) - len(last.lstrip(" \t"))
    longer = [(start, end) for start, end in tokens if end - start > 1]
    counts = Counter(text)
    counts.update([text[start:end] for start, end in longer])
    elsewhere = Counter(_without(text, own))
    elsewhere.update([text[a:b] for a, b in longer if not any(a < high and low < b for low, high in own)])
    ends = tuple(text[slice(*tokens[place])] if tokens else "" for place in (0, -1))
    return Surface((len(text), len(tokens), text.count("\n") + 1, indentation), counts, elsewhere, ends)


def _without(text: str, ranges: Sequence[Range]) -> str:
    kept, at = [], 0
    for start, end in ranges:
        kept.append(text[at:start])
        at = end
    return "".join([*kept, text[at:]])
