"""What every part of a report is made of: frozen data, finite numbers, well-formed text; and its JSON."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from circuitlang.claims.battery.check_result import Threshold
from circuitlang.claims.verdict import Interval
from circuitlang.report.escape import lone_surrogates_spelled

SIGNIFICANT_DIGITS = 6  # of floats in a report: the last digits of a mean differ between devices


def lines_of_json(data: Any, indent: int = 0, width: int = 100, ascii: bool = False) -> str:
    """JSON in which whatever fits on a line of `width` stands on one. `ascii`: other characters are spelled out."""
    line = json.dumps(data, ensure_ascii=ascii, allow_nan=False)
    if len(line) + indent <= width or not isinstance(data, dict | list):
        return line
    named = isinstance(data, dict)
    inner = " " * (indent + 1)
    items = data.items() if named else enumerate(data)
    rows = (
        f"{inner}{f'{json.dumps(k)}: ' if named else ''}{lines_of_json(v, indent + 1, width, ascii)}"
        for k, v in items
    )
    start, end = "{}" if named else "[]"
    return f"{start}\n" + ",\n".join(rows) + f"\n{' ' * indent}{end}"


def untitled(schema: Any) -> Any:
    """Without the titles that pydantic derives from names: they say the names again."""
    if isinstance(schema, dict):
        return {key: untitled(value) for key, value in schema.items() if key != "title"}
    return [untitled(value) for value in schema] if isinstance(schema, list) else schema


def rounded_floats(data: Any) -> Any:
    if isinstance(data, float):
        return float(f"{data:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(data, dict):
        return {key: rounded_floats(value) for key, value in data.items()}
    return [rounded_floats(value) for value in data] if isinstance(data, list) else data


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
