"""A prompt's text -> the split it belongs to.

The split is a hash of the prompt's own text, so that no prompt can be in two splits: not across seeds, not
where two draws give the same text. A datapoint belongs to a split only when all its prompts do. Hashing
whole texts would throw away all but one datapoint in 3^cases. Any function of the text is as exact, so the
hash is taken of a feature that the prompts of a datapoint share (their words without the quote marks they
differ in, say) where there is one, and one datapoint in three is enough.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from circuitlang.language.program.expression import Choice, Expression, Repeat, Text
from circuitlang.language.program.expression import Sequence as Juxtaposition
from circuitlang.language.program.task import Task
from circuitlang.prompts.prompt import SPLITS, Split

_SPACES = {code: " " for code in range(128) if not (chr(code).isalnum() or chr(code) == "_")}

_BYTES = bytes(32 if code in _SPACES else code for code in range(256))
_BEGUN = blake2b(b"split ", digest_size=8)

PROBES = 256  # datapoints on which features are compared; fewer, but 8, where they are long
LONG = 2_000_000  # characters of all their prompts and values
_LITERALS = 6  # literals of the cases tried as the place to cut at
_COARSER = 1.5  # how many times as often as whole prompts a feature may coincide
_FINE = 1 / 4000  # coincidences that do not matter: thousands of groups to deal out


@dataclass(frozen=True, slots=True)
class Feature:
    """What of a text is hashed: its `part` before or after the first or last `cut`, and of that all the
    `words`, the first or last `count`, the set of them, or (`text`) every character."""

    words: Literal["text", "all", "set", "first", "last"] = "text"
    part: Literal["whole", "before", "after"] = "whole"
    cut: str = ""
    count: int = 0

    def of(self, text: str) -> str:
        if self.part == "before":
            text = text.partition(self.cut)[0]
        elif self.part == "after":
            text = text.rpartition(self.cut)[2]
        match self.words:
            case "text":
                return text
            case "all":
                return " ".join(text.translate(_SPACES).split())
            case "set":
                return " ".join(sorted(set(text.translate(_SPACES).split())))
            case "first":
                return " ".join(text.translate(_SPACES).split()[: self.count])
            case "last":
                return " ".join(text.translate(_SPACES).split()[-self.count :])

    def split_of(self, text: str) -> Split:
        state = _BEGUN.copy()
        state.update(self.of(text).encode("utf-8", "surrogatepass"))
        return SPLITS[int.from_bytes(state.digest(), "little") % 3]

    def belongs(self, split: Split) -> Callable[[str], bool]:
        """Whether a text is of the split, for many texts."""
        number, begun, from_bytes = SPLITS.index(split), _BEGUN, int.from_bytes
        words = None if self == Feature() else self._ascii_words

        def belongs(text: str) -> bool:
            try:
                data = text.encode("ascii") if words is None else words(text)
            except UnicodeEncodeError:
                return self.split_of(text) == split
            state = begun.copy()
            state.update(data)
            return from_bytes(state.digest(), "little") % 3 == number

        return belongs

    @property
    def _ascii_words(self) -> Callable[[str], bytes]:
        """`of` for texts of ASCII, as bytes; other texts raise UnicodeEncodeError."""
        before, after = self.part == "before", self.part == "after"
        cut, every, in_order = self.cut, self.words == "text", self.words != "set"
        part = {"first": slice(self.count), "last": slice(-self.count, None)}.get(self.words, slice(None))

        def words(text: str) -> bytes:
            if before:
                text = text.partition(cut)[0]
            elif after:
                text = text.rpartition(cut)[2]
            data = text.encode("ascii")
            if every:
                return data
            found = data.translate(_BYTES).split()
            return b" ".join(found[part] if in_order else sorted(set(found)))

        return words


def choose_feature(task: Task, probes: Sequence[tuple[str, ...]]) -> Feature:
    """The feature that keeps most datapoints, among those that hardly coincide more often than whole
    prompts do: a coarse one would deal out few groups, and the splits' frequencies would stray from the
    weights. `probes` are the texts of datapoints of the task that depend on nothing but the task."""
    whole = Feature()
    if len(task.cases) < 2 or len(probes) < 2:
        return whole
    allowed = max(_COARSER * _coincidence(whole, probes), _FINE)
    best, kept = whole, 0.0
    for feature in (whole, *_candidates(task, probes)):
        agreeing = sum(len({feature.of(text) for text in texts}) == 1 for texts in probes) / len(probes)
        share = agreeing / 3 + (1 - agreeing) / 3 ** len(task.cases)
        if share > kept * 1.01 and (feature == whole or _coincidence(feature, probes) <= allowed):
            best, kept = feature, share
    return best


def _candidates(task: Task, probes: Sequence[tuple[str, ...]]) -> list[Feature]:
    """Finer ones first."""
    cuts = _case_literals(task)[:_LITERALS]
    found = [Feature("all")]
    for words in ("all", "set"):
        for cut in cuts:
            found += [Feature(words, "before", cut), Feature(words, "after", cut)]
    found.append(Feature("set"))
    every = Feature("all")
    rows = [[every.of(text).split() for text in texts] for texts in probes]
    found.append(Feature("first", count=min(map(_shared_start, rows))))
    found.append(Feature("last", count=min(_shared_start([list(reversed(w)) for w in row]) for row in rows)))
    return [feature for feature in found if feature.words not in ("first", "last") or feature.count]


def _shared_start(texts: list[list[str]]) -> int:
    """How many first words all the texts have in common."""
    same = 0
    for column in zip(*texts, strict=False):
        if len(set(column)) > 1:
            break
        same += 1
    return same


def _coincidence(feature: Feature, probes: Sequence[tuple[str, ...]]) -> float:
    """How often two draws of a case give the same feature: one over the number of equally likely values. Of
    the case where that is most frequent."""
    pairs = len(probes) * (len(probes) - 1)
    counts = (Counter(map(feature.of, texts)) for texts in zip(*probes, strict=True))
    return max(sum(n * (n - 1) for n in count.values()) for count in counts) / pairs


def _case_literals(task: Task) -> list[str]:
    """The literals of the cases' own expressions, where cases are likely to part; longest first."""
    found: dict[str, None] = {}
    for case in task.cases:
        for expression in case.bindings.values():
            found.update(dict.fromkeys(_literals(expression)))
    return sorted((text for text in found if re.search(r"\S", text)), key=lambda text: (-len(text), text))


def _literals(expression: Expression) -> list[str]:
    match expression:
        case Text(text):
            return [text]
        case Juxtaposition(parts) | Choice(parts):
            return [text for part in parts for text in _literals(part)]
        case Repeat(body, joiner=joiner):
            return [*_literals(body), joiner]
        case _:
            return []
