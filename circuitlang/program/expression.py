"""Checked text expressions: what rules, draws and bindings expand to; no names left to look up."""

from __future__ import annotations

from typing import Literal

from circuitlang.record import record


@record
class Text:
    text: str


@record
class Number:
    """A uniform integer of [low, high], written in decimal."""

    low: int
    high: int


@record
class Ref:
    """The text of a name: a rule is expanded afresh, a draw or a param has one text per datapoint."""

    name: str
    kind: Literal["rule", "draw", "param", "binding"]


@record
class Repeat:
    """`body` as often as drawn from [low, high], or as often as the param `count` says, joined by
    `joiner`."""

    body: Expression
    low: int
    high: int
    count: str | None  # the name of a param; then low and high are its range
    joiner: str


@record
class Sequence:
    items: tuple[Expression, ...]


@record
class Choice:
    """One of the options, with probability proportional to its weight. An option that is a `Number` of n
    values counts as n options when drawn without replacement."""

    options: tuple[Expression, ...]
    weights: tuple[float, ...]


Expression = Text | Number | Ref | Repeat | Sequence | Choice


@record
class Template:
    """Literal text and holes, in order. A hole is a `Ref`."""

    parts: tuple[Text | Ref, ...]
