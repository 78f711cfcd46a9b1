"""Signature: what a word of the vocabulary takes and gives: settings, metrics, interventions, kinds of roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Literal

from circuitlang.site import Sublayer

Type = Literal[
    "integer",
    "number",
    "yes or no",
    "choice",
    "choices",
    "name",
    "name or text",
    "integers",
    "numbers",
    "integer range",
]
Block = Literal["spec", "bridge"]
Crossing = Literal["dense -> sparse", "sparse -> dense"]
"""From which of a bridge's models the computation changes to which."""
Form = Literal["circuit", "random", "role", "port", "arrow", "each node", "each edge", "each ROLE"] | Crossing
"""What an intervention can be of. A group counts as a role; `each ROLE` takes its members one at a time."""


@dataclass(frozen=True)
class Setting:
    """`low` and `high` bound every number of the value; `above` and `below` exclude the bound itself."""

    name: str
    type: Type
    meaning: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()

    def accepts(self, value: float) -> bool:
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    @property
    def share(self) -> bool:
        """Whether it is a number of 0 to 1, which may be written as a percentage."""
        return self.type == "number" and 1 in (self.high, self.below)

    @property
    def values(self) -> str:
        """What it takes, in words."""
        words = [f"`{choice}`" for choice in self.choices]
        if self.type == "choices":
            return f"one of {', '.join(words)}, or several as `({', '.join(self.choices[:2])})`"
        return " or ".join(words) or self.type

    @property
    def bounds(self) -> str:
        """The range in words, as `above 0 and at most 1`."""
        words = [
            (self.above, "above {:,.15g}"),
            (self.low, "at least {:,.15g}"),
            (self.below, "below {:,.15g}"),
            (self.high, "at most {:,.15g}"),
        ]
        return " and ".join(text.format(bound) for bound, text in words if bound is not None)


@dataclass(frozen=True)
class Section:
    """A block of settings. `holds`: the dataclass they fill, which also has the defaults."""

    name: str
    holds: type
    settings: tuple[Setting, ...]

    @property
    def defaults(self) -> Mapping[str, object]:
        """The value of every setting that may be left out."""
        return {field.name: field.default for field in fields(self.holds) if field.default is not MISSING}

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(setting.name for setting in self.settings if setting.name not in self.defaults)


@dataclass(frozen=True)
class Parameter:
    """An argument of a metric or an option of an intervention, written `name=…`; a role is written first and
    without its name. `kinds`: of which kinds the role can be; empty for any. `choices`: the words of a choice."""

    name: str
    type: Literal["role", "mark", "mark or text", "case", "two cases", "number", "choice", "site"]
    meaning: str
    required: bool = True
    kinds: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()

    @property
    def written(self) -> str:
        """How it is written in a signature, as `at=MARK`."""
        values = {
            "role": "",
            "mark": "MARK",
            "mark or text": "MARK",
            "case": "CASE",
            "two cases": "(CASE, CASE)",
            "number": "NUMBER",
            "site": "SITE",
            "choice": " or ".join(self.choices),
        }
        text = "ROLE" if self.type == "role" else f"{self.name}={values[self.type]}"
        return text if self.required else f"[{text}]"


@dataclass(frozen=True)
class Metric:
    """What a claim can measure.

    given     whether it is measured under an intervention
    low       the smallest value it can have, in its unit; None where there is none
    binary    whether one prompt's value is 0 or 1: a share of prompts
    contrast  whether it speaks of the other case, so that the task needs two
    blocks    where its claims stand
    built     whether anything computes it yet; what is not is checked, and a run refuses it
    measure   of a plug-in: "module:function" that measures it (docs/language.md, "More metrics")
    """

    name: str
    unit: Literal["nats", "share", "count", "activation", "ratio"]
    meaning: str
    given: Literal["may", "must", "never"] = "may"
    low: float | None = 0.0
    parameters: tuple[Parameter, ...] = ()
    binary: bool = False
    contrast: bool = False
    blocks: tuple[Block, ...] = ("spec",)
    built: bool = True
    measure: str = ""

    @property
    def high(self) -> float | None:
        return 1.0 if self.unit == "share" else None

    @property
    def counts(self) -> bool:
        """Whether it is one whole number of the circuit, not an expectation over datapoints."""
        return self.unit == "count"

    @property
    def role(self) -> Parameter | None:
        """The parameter that is a role, which is the first."""
        return next((parameter for parameter in self.parameters if parameter.type == "role"), None)

    @property
    def signature(self) -> str:
        """How it is written, as `auroc(ROLE, at=MARK, [between=(CASE, CASE)])`."""
        inside = ", ".join(parameter.written for parameter in self.parameters)
        return f"{self.name}({inside})" if inside else self.name


@dataclass(frozen=True)
class InterventionKind:
    """What can be done to a model.

    forms     what it can be done to
    kinds     the kinds of roles it can be done to; empty for any
    value     the range of the number that has to follow, as `(ROLE = NUMBER)`; None where none may
    nothing   the number that changes nothing, if there is one
    contrast  whether it needs the datapoint's other case
    built     the forms and options that can be measured yet; a run refuses the others
    change    of a plug-in: "module:function" that carries it out, in all its forms (docs/language.md)
    """

    name: str
    meaning: str
    forms: tuple[Form, ...]
    kinds: tuple[str, ...] = ()
    value: tuple[float, float] | None = None
    nothing: float | None = None
    options: tuple[Parameter, ...] = ()
    contrast: bool = False
    blocks: tuple[Block, ...] = ("spec",)
    built: tuple[str, ...] = ()
    change: str = ""

    @property
    def runs(self) -> tuple[str, ...]:
        """The forms and options that a run can carry out."""
        return (*self.forms, *(option.name for option in self.options)) if self.change else self.built

    @property
    def signatures(self) -> tuple[str, ...]:
        """How it is written, form by form, as `drop(each ROLE, [at=MARK])`."""
        names = {"role": "ROLE", "port": "ROLE.PORT", "arrow": "ROLE -> ROLE"}
        value = " = NUMBER" if self.value is not None else ""
        options = "".join(f", {option.written}" for option in self.options)
        return tuple(f"{self.name}({names.get(form, form)}{value}{options})" for form in self.forms)


@dataclass(frozen=True)
class RoleKind:
    """What a role of a circuit can bind to, and where it stands in the computation.

    position  order within a layer; None for a channel, which is there all along
    feeds     the kinds of the same layer that it is connected to by a weight, or by its own head
    reads     whether it reads the residual stream, or what does hands on to it: by which sub-layer
    writes    whether what it does reaches the residual stream without another head or neuron, and where
    valued    whether it has one value per token
    """

    name: str
    meaning: str
    position: int | None
    feeds: tuple[str, ...] = ()
    reads: Sublayer | None = None
    writes: Sublayer | None = None
    valued: bool = True


@dataclass(frozen=True)
class PortKind:
    """A side of a head that an arrow can name. `enters`: whether arrows end there; they begin elsewhere."""

    name: str
    meaning: str
    enters: bool


@dataclass(frozen=True)
class Feature:
    """A part of the language that is no row of another table. `built`: whether anything computes it yet."""

    name: str
    meaning: str
    built: bool = False
