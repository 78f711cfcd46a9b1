"""The vocabulary and the diagnostic codes -> the tables of the language reference, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite
from types import FunctionType

from circuitlang.language.program import errors, errors_circuit, errors_claim, errors_spec
from circuitlang.language.program.signature import InterventionKind, Metric, RoleKind, Section
from circuitlang.language.program.vocabulary import (
    FEATURES,
    INTERVENTIONS,
    METRICS,
    MODEL_SECTIONS,
    PORTS,
    ROLE_KINDS,
    SPEC_SECTIONS,
)
from circuitlang.language.program.vocabulary_bridge import BRIDGE_SECTIONS
from circuitlang.language.syntax import mistakes
from circuitlang.language.syntax.parse import keywords


@dataclass(frozen=True)
class Code:
    """`meaning` is one sentence. A warning does not stop a program."""

    code: str
    meaning: str
    warning: bool


@cache
def codes() -> Mapping[str, Code]:
    """Every code in order. A code is read from the one function that gives it, so the two cannot differ."""
    found: dict[str, Code] = {}
    for module in (mistakes, errors, errors_spec, errors_circuit, errors_claim):
        for function in vars(module).values():
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                constants = [text for text in function.__code__.co_consts if isinstance(text, str)]
                for code in dict.fromkeys(text for text in constants if re.fullmatch(r"CIR-\d{3}", text)):
                    meaning = " ".join((function.__doc__ or "").split()).removesuffix(" (a warning).")
                    found[code] = Code(code, meaning.rstrip(".") + ".", "warning" in constants)
    return dict(sorted(found.items()))


def tables() -> dict[str, str]:
    """Name -> text of every part of the reference that is generated."""
    return {
        "keywords": " ".join(f"`{word}`" for word in sorted(keywords())),
        "model settings": _settings(MODEL_SECTIONS.values()),
        "spec settings": _settings(SPEC_SECTIONS.values()),
        "bridge settings": _settings(BRIDGE_SECTIONS.values()),
        "role kinds": _role_kinds(),
        "ports": _ports(),
        "metrics": _metrics("spec"),
        "bridge metrics": _metrics("bridge"),
        "interventions": _interventions("spec"),
        "bridge interventions": _interventions("bridge"),
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
            setting.values,
            setting.bounds,
            written_default(section.defaults[setting.name])
            if setting.name in section.defaults
            else "required",
            setting.meaning + (f" ({setting.unit})" if setting.unit else ""),
        ]
        for section in sections
        for setting in section.settings
    ]
    return _table(["section", "setting", "value", "range", "default", "meaning"], rows)


def written_default(value: object) -> str:
    """A default as it would be written."""
    match value:
        case None:
            return "none"
        case bool():
            return "`yes`" if value else "`no`"
        case (int() as low, int() as high):
            return f"`{low}..{high}`"
        case (only,):
            return f"`{only:g}`"
        case (str(), *_):
            return f"`({', '.join(map(str, value))})`"
        case tuple():
            return f"`({', '.join(f'{part:g}' for part in value)})`"
        case float():
            return f"`{value:g}`"
    return f"`{value}`"


def _role_kinds() -> str:
    rows = [[f"`{kind.name}`", kind.meaning, _goes(kind)] for kind in ROLE_KINDS.values()]
    return _table(["kind", "what it binds to", "where a `->` from it can end"], rows)


def _goes(kind: RoleKind) -> str:
    """The ends of direct arrows, in words."""
    if kind.position is None:
        return "whatever reads the residual stream; `answer`"
    same = [f"`{other}`" for other in kind.feeds] if kind.feeds else []
    ends = [f"{', '.join(same)} of its layer"] if same else []
    if kind.writes:
        reads = [f"`{other.name}`" for other in ROLE_KINDS.values() if other.reads]
        ends.append(f"{', '.join(reads)} behind it, a `channel`, `answer`")
    return "; ".join(ends)


def _ports() -> str:
    rows = [[f"`.{port.name}`", "ends" if port.enters else "begins", port.meaning] for port in PORTS.values()]
    return _table(["port", "an arrow there", "meaning"], rows)


_FORMS = {"role": "ROLE", "port": "ROLE.PORT", "arrow": "ROLE -> ROLE"}
_UNITS = {
    "nats": "nats",
    "share": "share, 0 to 1",
    "count": "whole number",
    "activation": "activation",
    "ratio": "ratio, from 0",
}


def _metrics(block: str) -> str:
    """The metrics that only the block has, or all of a spec."""
    given = {"may": "may be", "must": "must be", "never": "no"}
    rows = [
        [f"`{metric.signature}`", _UNITS[metric.unit], given[metric.given], metric.meaning]
        for metric in METRICS.values()
        if _belongs(metric, block)
    ]
    return _table(["metric", "unit", "under an intervention", "meaning"], rows)


def _interventions(block: str) -> str:
    rows = [
        [
            f"`{kind.name}`",
            _or(_FORMS.get(form, form) for form in kind.forms),
            _number(kind),
            _or(option.written for option in kind.options),
            kind.meaning + (f" ({_or(kind.kinds)})" if kind.kinds else ""),
        ]
        for kind in INTERVENTIONS.values()
        if _belongs(kind, block)
    ]
    return _table(["intervention", "of", "value", "options", "what it does"], rows)


def _number(kind: InterventionKind) -> str:
    """The value that has to follow the target, and its range."""
    if kind.value is None:
        return ""
    low, high = kind.value
    return "`= NUMBER`" + (f", {low:g} to {high:g}" if isfinite(high - low) else "")


def _belongs(row: Metric | InterventionKind, block: str) -> bool:
    return block in row.blocks if block == "spec" else row.blocks == (block,)


def _or(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _not_built() -> str:
    metrics = _or(metric.signature for metric in METRICS.values() if not metric.built)
    forms = "; ".join(
        f"`{kind.name}` of {_or(_FORMS.get(form, form) for form in kind.forms if form not in kind.built)}"
        for kind in INTERVENTIONS.values()
        if not set(kind.forms) <= set(kind.built)
    )
    options = _or(
        f"{option.name}="
        for option in dict.fromkeys(option for kind in INTERVENTIONS.values() for option in kind.options)
        if not any(option.name in kind.built for kind in INTERVENTIONS.values())
    )
    lines = [
        f"- metrics: {metrics}" if metrics else "",
        f"- interventions: {forms}" if forms else "",
        f"- options of interventions: {options}" if options else "",
        *(f"- {feature.meaning}" for feature in FEATURES.values() if not feature.built),
    ]
    return "\n".join(line for line in lines if line)


def _codes() -> str:
    rows = [[code.code, code.meaning + " *(warning)*" * code.warning] for code in codes().values()]
    return _table(["code", "meaning"], rows)
