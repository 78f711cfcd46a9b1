"""Values in terms of JSON -> the same values, and their text, alike on every machine."""

from __future__ import annotations

import json
from typing import Any

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
