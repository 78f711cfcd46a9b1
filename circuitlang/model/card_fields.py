"""What a card says, field by field: it comes with somebody's model, and nothing in it is taken on trust."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Count = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    """What else it says is kept, and shown by nobody."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Parameters(_Part):
    nonzero: Count
    all: Count = Field(gt=0)


class Machine(_Part):
    device: str
    threads: Count
    precision: str


class Competence(_Part):
    accuracy: Share
    loss: float
    mass: Share


class Imported(_Part):
    files: dict[str, str] = {}
    config: dict[str, Any] = {}


class Start(_Part):
    """A model that a training started from."""

    model: str
    digest: str
    tokens: Count | None = None
    start: Start | None = None


class Card(_Part):
    name: str = "?"
    doc: str | None = None
    text: str | None = None
    tokens: Count | None = None
    hours: float | None = None
    machine: Machine | None = None
    start: Start | None = None
    imported: Imported | None = None
    parameters: Parameters | None = None
    validation_loss: dict[str, float] = {}
    competence: dict[str, Competence] = {}
    nonzeros: dict[str, Annotated[list[Count], Field(min_length=2, max_length=2)]] = {}

    @model_validator(mode="after")
    def _trained(self) -> Self:
        if self.machine is not None and (self.tokens is None or self.hours is None):
            raise ValueError("a card with a machine says how many tokens it saw, and in how many hours")
        return self


def require_card(data: object) -> None:
    """ValueError, on one line, that names the first field which is not as it must be."""
    try:
        Card.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"`{where}`: {first['msg']}" if where else first["msg"]) from None
