"""Checked text expressions: what rules, draws and bindings expand to; no names left to look up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Number:
    """A uniform integer of [low, high], written in decimal."""

    low: int
    high: int


@dataclass(frozen=True)
class Ref:
    """The text of a name: a rule is expanded afresh, a draw or a param has one text per datapoint."""

    name: str
    kind: Literal["rule", "draw", "param", "binding"]


@dataclass(frozen=True)
class Repeat:
    """`body` as often as drawn from [low, high], or as often as the param `count` says, joined by
    `joiner`."""

    body: Expression
    low: int
    high: int
    count: str | None  # the name of a param; then low and high are its range
    joiner: str


@dataclass(frozen=True)
class Sequence:
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Choice:
    """One of the options, with probability proportional to its weight. An option that is a `Number` of n
    values counts as n options when drawn without replacement."""

    options: tuple[Expression, ...]
    weights: tuple[float, ...]


Expression = Text | Number | Ref | Repeat | Sequence | Choice


@dataclass(frozen=True)
class Template:
    """Literal text and holes, in order. A hole is a `Ref`."""

    parts: tuple[Text | Ref, ...]
