"""Quantity -> the kind of its values per datapoint, which says which interval stands for their mean."""

from __future__ import annotations

from typing import Literal

from circuitlang.language.program.plugins import metric_row
from circuitlang.language.program.signature import Metric
from circuitlang.language.program.spec import Claim, Quantity

Kind = Literal["binary", "share", "difference", "loss", "real"]
"""What each is, and its interval: the table in claims/interval.py."""


def kind_of(quantity: Quantity, cases: int) -> Kind:
    """By the unit and the range of its metric's row. `cases`: of the task; of one, a datapoint is a prompt."""
    row = metric_row(quantity.metric)
    one = cases == 1 or quantity.case is not None
    return "binary" if row.binary and one else kind_of_metric(row)


def kind_of_metric(row: Metric) -> Kind:
    """Of the mean of several prompts' values."""
    if row.unit == "share":
        return "share"
    return "loss" if row.unit == "nats" and row.low == 0 else "real"


def of_difference(kind: Kind) -> Kind:
    """The kind of left minus right, datapoint by datapoint."""
    return "difference" if kind in ("binary", "share", "difference") else "real"


def kind_of_claim(claim: Claim, cases: int) -> Kind:
    """The kind of what is held against the claim's bound."""
    kind = kind_of(claim.left, cases)
    return of_difference(kind) if isinstance(claim.right, Quantity) else kind
