"""Exhibit: what a page shows of a circuit that a report does not hold; the text of exhibit.json.

Values per token are many, so they are packed: base64 of one byte each. `Packed` says how to read them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from math import isfinite
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints

from circuitlang.report.escape import no_command
from circuitlang.report.part import Part, Text, rounded_floats

Packed = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]
"""Base64. Values: a signed byte each, -127 to 127, in units of a scale / 127. Shares: an unsigned byte, in units of
1 / 255. Tokens: an unsigned little-endian 16-bit number each, an index into `words`."""


class Answered(Part):
    """What was made of a prompt. `probability`: of the right answer, over the whole vocabulary."""

    says: Text
    right: bool
    probability: float = Field(ge=0, le=1)


class ShownPrompt(Part):
    """A prompt of `select`, as tokens. `cut`: how many tokens in front of these are not shown. `partners`: for each
    token the place of its counterpart in the prompt of the case `against`, -1 where it has none."""

    datapoint: int = Field(ge=0)
    case: Text
    tokens: tuple[Text, ...]
    cut: int = Field(default=0, ge=0)
    answer: Text
    foils: tuple[Text, ...]
    model: Answered
    circuit: Answered
    against: Text | None = None
    partners: tuple[int, ...] = ()


class Context(Part):
    """A place of the pretraining text. `start`: of the window in `Exhibit.text`; `at`: the token that has `value`,
    counted from the start; `values`: of every token of the window."""

    start: int = Field(ge=0)
    at: int = Field(ge=0)
    value: float
    values: Packed


class Band(Part):
    """Places at one quantile of a node's values: `share` of the text's tokens have larger values, for the side `top`;
    smaller ones, for `bottom`."""

    side: Literal["top", "bottom"]
    share: float = Field(ge=0, le=0.5)
    contexts: tuple[Context, ...]


class WeightedToken(Part):
    """A token and its weight in a channel of the residual stream."""

    token: Text
    weight: float


class NodeExhibit(Part):
    """One kept node. `model` and `circuit`: its values on every token of `Exhibit.prompts`, in order, in units of
    `scale` / 127; `likeness`: their correlation, null where one is constant. `bands`: of the untouched model on
    pretraining text, highest first, in units of `text_scale` / 127; `silent`: the share of tokens where it is 0.
    `tokens`: of the whole vocabulary, those that it reads or writes the most, the largest weight first."""

    node: str
    scale: float = Field(ge=0)
    model: Packed
    circuit: Packed
    likeness: float | None = None
    text_scale: float = Field(default=0, ge=0)
    silent: float = Field(default=0, ge=0, le=1)
    bands: tuple[Band, ...] = ()
    tokens: tuple[WeightedToken, ...] = ()


class HeadExhibit(Part):
    """Attention of one head with a kept query, key or value channel. Per prompt, per token that attends: the sink's
    share, the share of the tokens that are cut, then of every shown token up to itself. `distance`: mean total
    variation between circuit and model over those tokens."""

    layer: int = Field(ge=0)
    head: int = Field(ge=0)
    model: tuple[Packed, ...]
    circuit: tuple[Packed, ...]
    distance: float = Field(ge=0)


class Size(Part):
    """The circuit of the `nodes` most needed nodes, on prompts of `select`. `error`: the loss's standard error;
    `agreement`: how often its choice is the untouched model's."""

    nodes: int = Field(ge=0)
    loss: float
    error: float = Field(ge=0)
    agreement: float = Field(ge=0, le=1)


class PartExhibit(Part):
    """A layer's attention or MLP. `rise`: of the loss in nats, on prompts of `select`, when all its kept nodes are
    ablated together."""

    layer: int = Field(ge=0)
    part: Literal["attention", "mlp"]
    nodes: int = Field(ge=1)
    rise: float


class BoxExhibit(Part):
    """Nodes that are one box of the mechanism. `rise`: as of a part."""

    nodes: tuple[str, ...]
    rise: float


class Exhibit(Part):
    """Of the first seed's circuit. `hashes`: of the report that it belongs to. Nothing here is of `test`."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    spec: Text
    seed: int
    hashes: dict[str, Text]
    prompts: tuple[ShownPrompt, ...] = ()
    nodes: tuple[NodeExhibit, ...] = ()
    heads: tuple[HeadExhibit, ...] = ()
    sink: bool = False
    parts: tuple[PartExhibit, ...] = ()
    boxes: tuple[BoxExhibit, ...] = ()
    card: tuple[Text, ...] = Field(
        default=(), description="lines of what the model's training recorded of itself"
    )
    words: tuple[Text, ...] = ()
    text: Packed = ""
    order: tuple[str, ...] = Field(default=(), description="nodes by need, the most needed first")
    sizes: tuple[Size, ...] = ()
    model_loss: float | None = None
    sized_on: int = Field(default=0, ge=0, description="prompts of `select` behind the sizes")

    def to_json(self) -> str:
        """What `exhibit.json` holds, in ASCII; the same for the same inputs."""
        data = rounded_floats(self.model_dump(mode="json", by_alias=True))
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)
        return no_command(text, r"\u005b") + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Raises ValueError where the text is not an exhibit of this schema."""
        return cls.model_validate(json.loads(text))


def pack_values(values: Sequence[float], scale: float) -> str:
    """Signed bytes in units of scale / 127. Raises ValueError for what is not a finite number."""
    if not all(map(isfinite, values)):
        raise ValueError("a value is not a finite number")
    unit = scale / 127 if scale > 0 else 1.0
    found = (max(-127, min(127, round(value / unit))) for value in values)
    return base64.b64encode(bytes(one & 0xFF for one in found)).decode()


def pack_shares(shares: Sequence[float]) -> str:
    """Unsigned bytes in units of 1 / 255."""
    return base64.b64encode(bytes(max(0, min(255, round(255 * share))) for share in shares)).decode()


def pack_tokens(numbers: Sequence[int]) -> str:
    """Unsigned 16-bit numbers, little-endian."""
    return base64.b64encode(b"".join(number.to_bytes(2, "little") for number in numbers)).decode()
