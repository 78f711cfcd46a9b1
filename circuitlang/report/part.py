"""What every part of a report is made of: frozen data, finite numbers, text without lone surrogates."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from circuitlang.claims.battery.check_result import Threshold
from circuitlang.claims.verdict import Interval
from circuitlang.report.escape import lone_surrogates_spelled
from circuitlang.report.json_text import lines_of_json, untitled

Text = Annotated[
    str, BeforeValidator(lambda text: lone_surrogates_spelled(text) if isinstance(text, str) else text)
]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    @classmethod
    def schema_text(cls) -> str:
        """The JSON Schema of what is written of it, as docs/*.schema.json hold it."""
        schema = untitled(cls.model_json_schema(by_alias=True, mode="serialization"))
        head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        return lines_of_json({**head, **schema}) + "\n"


class Measured(Part):
    """A mean with its interval, in the metric's unit; `datapoints` is 0 for what is counted, not sampled."""

    value: float
    low: float
    high: float
    datapoints: int = Field(ge=0)
    method: Text
    relation: Literal["<", "<=", ">", ">="] | None = Field(
        default=None, description="of the threshold, if any"
    )
    threshold: float | None = Field(default=None, description="what the number needs to be")

    @classmethod
    def of(cls, interval: Interval, needs: Threshold | None = None) -> Self:
        relation, threshold = needs or (None, None)
        return cls(
            relation=relation,
            threshold=threshold,
            value=interval.value,
            low=interval.low,
            high=interval.high,
            datapoints=interval.datapoints,
            method=interval.method,
        )
