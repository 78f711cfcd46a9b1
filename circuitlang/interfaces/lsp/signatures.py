"""A metric or an intervention -> its arguments, what each of them names, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping

from circuitlang.language.program.signature import InterventionKind, Metric, Parameter
from circuitlang.language.program.vocabulary import INTERVENTIONS, METRICS

_NAMES = {"mark": "mark", "mark or text": "mark", "case": "case", "two cases": "case"}


def signatures(word: str) -> tuple[str, ...]:
    """How a metric or an intervention is written, form by form."""
    metric, kind = METRICS.get(word), INTERVENTIONS.get(word)
    if metric is not None:
        given = {"may": " [given …]", "must": " given …", "never": ""}[metric.given]
        return (metric.signature + given,)
    return kind.signatures if kind is not None else ()


def _parameters(word: str) -> tuple[Parameter, ...]:
    metric, kind = METRICS.get(word), INTERVENTIONS.get(word)
    return metric.parameters if metric is not None else kind.options if kind is not None else ()


def options(word: str) -> Mapping[str, Parameter]:
    """Of a metric or an intervention: the arguments that are written `name=…`."""
    return {each.name: each for each in _parameters(word) if each.type != "role"}


def names(word: str, option: str) -> str | None:
    """What the value of an argument names: a `mark` or a `case`; None where it is a number or unknown."""
    found = options(word).get(option)
    return _NAMES.get(found.type) if found is not None else None


def choices(word: str, option: str) -> tuple[str, ...]:
    """The words that the value of an argument can be; none where it is no choice."""
    found = options(word).get(option)
    return found.choices if found is not None else ()


def takes_role(word: str) -> bool:
    """Whether a role can stand in the parentheses of a metric or an intervention."""
    metric, kind = METRICS.get(word), INTERVENTIONS.get(word)
    return (metric is not None and metric.role is not None) or (kind is not None and "role" in kind.forms)


def targets(word: str) -> tuple[str, ...]:
    """The words that an intervention applies to; roles and arrows come on top."""
    kind = INTERVENTIONS.get(word)
    return tuple(form for form in kind.forms if form in ("circuit", "random")) if kind is not None else ()


def members(word: str) -> tuple[str, ...]:
    """What an intervention repeats over, behind `each`; roles come on top."""
    kind = INTERVENTIONS.get(word)
    forms = kind.forms if kind is not None else ()
    return tuple(form.removeprefix("each ") for form in forms if form in ("each node", "each edge"))


def metrics(block: str) -> list[Metric]:
    """The metrics of a spec's or a bridge's claims."""
    return [row for row in METRICS.values() if block in row.blocks]


def interventions(block: str) -> list[InterventionKind]:
    """The interventions of a spec's or a bridge's claims."""
    return [row for row in INTERVENTIONS.values() if block in row.blocks]
