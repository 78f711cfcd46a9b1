"""The vocabulary and the codes -> the tables of the language reference, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from circuitlang.program.codes import codes
from circuitlang.program.vocabulary import (
    INTERVENTIONS,
    METRICS,
    MODEL_SECTIONS,
    ROLE_KINDS,
    SPEC_SECTIONS,
    Section,
)
from circuitlang.syntax.parse import keywords


def tables() -> dict[str, str]:
    """Name -> text of every part of the reference that is generated."""
    return {
        "keywords": " ".join(f"`{word}`" for word in sorted(keywords())),
        "model settings": _settings(MODEL_SECTIONS.values()),
        "spec settings": _settings(SPEC_SECTIONS.values()),
        "metrics": _metrics(),
        "interventions": _interventions(),
        "not built": _not_built(),
        "codes": _codes(),
    }


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *rows])


def _settings(sections: Iterable[Section]) -> str:
    rows = [
        [
            f"`{section.name}`",
            f"`{setting.name}`",
            " or ".join(f"`{choice}`" for choice in setting.choices) or setting.type,
            setting.bounds,
            _value(section.defaults[setting.name]) if setting.name in section.defaults else "required",
            setting.meaning + (f" ({setting.unit})" if setting.unit else ""),
        ]
        for section in sections
        for setting in section.settings
    ]
    return _table(["section", "setting", "value", "range", "default", "meaning"], rows)


def _value(value: object) -> str:
    """A default as it would be written."""
    match value:
        case bool():
            return "`yes`" if value else "`no`"
        case (int() as low, int() as high):
            return f"`{low}..{high}`"
        case (only,):
            return f"`{only:g}`"
        case tuple():
            return f"`({', '.join(f'{part:g}' for part in value)})`"
        case float():
            return f"`{value:g}`"
    return f"`{value}`"


def _metrics() -> str:
    units = {"nats": "nats", "share": "share, 0 to 1", "count": "whole number", "activation": "activation"}
    given = {"may": "may be", "must": "must be", "never": "no"}
    rows = [
        [f"`{metric.name}`", units[metric.unit], given[metric.given], metric.meaning]
        for metric in METRICS.values()
        if metric.built
    ]
    return _table(["metric", "unit", "under an intervention", "meaning"], rows)


def _interventions() -> str:
    rows = []
    for kind in INTERVENTIONS.values():
        if kind.built:
            forms = [f"`{kind.name}({target})`" for target in kind.targets]
            forms += [f"`{kind.name}(each {member})`" for member in kind.each]
            rows.append([", ".join(forms), kind.meaning])
    return _table(["intervention", "what it does"], rows)


def _not_built() -> str:
    metrics = ", ".join(f"`{metric.name}`" for metric in METRICS.values() if not metric.built)
    kinds = ", ".join(f"`{kind.name}`" for kind in INTERVENTIONS.values() if not kind.built)
    roles = ", ".join(f"`{kind.name}`" for kind in ROLE_KINDS.values() if not kind.built)
    return f"- the metrics {metrics}\n- the interventions {kinds}\n- the kinds of roles {roles}"


def _codes() -> str:
    rows = [[code.code, code.meaning + " *(warning)*" * code.warning] for code in codes().values()]
    return _table(["code", "meaning"], rows)
