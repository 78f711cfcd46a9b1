"""Task: a checked task. If one exists, it is valid: every name resolves, every draw can be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from circuitlang.language.program.expression import Expression, Template
from circuitlang.source.diagnostic import Span


@dataclass(frozen=True)
class Param:
    """An integer of [low, high], uniform, drawn per datapoint; a claim may pin it, beyond the range if need
    be."""

    name: str
    low: int
    high: int


@dataclass(frozen=True)
class Rule:
    """A production, expanded afresh at every use. `depth` bounds recursion; None where it does not
    recurse."""

    name: str
    body: Expression
    depth: int | None


@dataclass(frozen=True)
class Draw:
    """Drawn once per datapoint. More than one name: drawn in order without replacement.
    The values of the names in `without` (drawn earlier) are left out."""

    names: tuple[str, ...]
    body: Expression
    without: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One of the alternatives that make a datapoint. `negated`: `answer not "x"`. `foil`: None means the
    other cases' answers."""

    name: str
    bindings: Mapping[str, Expression]
    prompt: Template
    answer: Template
    negated: bool
    foil: Template | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Task:
    """`params`, `rules` and `draws` in the order written. `hold_out`: draw's name -> the share of its choices
    that occur in the test split only. `text` is the canonical text of the block: the generator's key and the
    cache's."""

    name: str
    doc: str | None
    params: tuple[Param, ...]
    rules: Mapping[str, Rule]
    draws: tuple[Draw, ...]
    hold_out: Mapping[str, Fraction]
    cases: tuple[Case, ...]
    text: str
    span: Span = field(compare=False, repr=False)

    @property
    def param_names(self) -> tuple[str, ...]:
        return tuple(param.name for param in self.params)
