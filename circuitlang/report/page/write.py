"""Report + exhibit -> report.html, one file. What users wrote is text in it and nothing else.

Three locks, each of which would do alone: the template escapes whatever it is given; the data stand in a block that is
no script, with every `<` spelled out, and reach the page as text nodes; and the policy lets no script and no style run
but the two whose hashes it names, and lets nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circuitlang.claims.verdict import Outcome
from circuitlang.language.program.vocabulary import METRICS
from circuitlang.report import words
from circuitlang.report.diagram import COST_NAMES, COSTS
from circuitlang.report.escape import no_command, visible
from circuitlang.report.exhibit import Exhibit
from circuitlang.report.mechanism import belongs, mechanism
from circuitlang.report.mechanism_svg import CSS, mechanism_svg
from circuitlang.report.page.layout import PER_NARROW_LINE, layout
from circuitlang.report.report import Report

if TYPE_CHECKING:
    from jinja2 import Environment


import math
from dataclasses import dataclass

from circuitlang.report.results import ClaimResult
from circuitlang.report.words import number

WIDTH = 300.0
_PADDING = 0.18  # of the drawn range, on both sides


@dataclass(frozen=True)
class Scale:
    """Places from 0 to WIDTH. `held`: from where to where the claim holds; `equal`: only at the bar itself."""

    low: float
    high: float
    value: float
    bar: float
    held: tuple[float, float]
    equal: bool
    said: str  # the bar's number, with its unit


def scale(claim: ClaimResult) -> Scale | None:
    """None where there is no number, or nothing to hold it against."""
    if claim.value is None or claim.low is None or claim.high is None or claim.bound is None:
        return None
    ends = (claim.low, claim.high, claim.value, claim.bound)
    least, most = min(ends), max(ends)
    room = (most - least) * _PADDING or max(abs(most) * _PADDING, 1.0)
    first, last = least - room, most + room
    if not math.isfinite(last - first):
        return None

    def place(value: float) -> float:
        return round(WIDTH * (value - first) / (last - first), 1)

    bar = place(claim.bound)
    upward = claim.relation in (">", ">=")
    return Scale(
        place(claim.low),
        place(claim.high),
        place(claim.value),
        bar,
        (bar, WIDTH) if upward else (0.0, bar),
        claim.relation == "==",
        f"{number(claim.bound)} {_unit(claim)}".rstrip(),
    )


def _unit(claim: ClaimResult) -> str:
    """Of a claim's numbers; empty where its first word is no metric of ours."""
    metric = METRICS.get(claim.text.partition(" ")[0])
    if metric is None:
        return ""
    return {"nats": "nats", "share": "(share)", "count": metric.name}.get(metric.unit, "")


FOLDER = Path(__file__).parent
SCRIPTS = ("dom", "state", "tokens", "attention", "node", "panel", "graph", "positions", "curve", "main")
"""In this order they are one script, closed in on itself."""


def page(report: Report, exhibit: Exhibit | None = None) -> str:
    """The page. An exhibit of another check is left out, and the page says so. Numbers are those of report.json, to the
    last digit, also where the report was not read from it."""
    report = Report.from_json(report.to_json())
    fits = exhibit is None or belongs(report, exhibit)
    shown = exhibit if fits else None
    drawn = mechanism(report, shown)
    return render(
        "page.html",
        report=report,
        exhibit=shown,
        script=_markup(_script()),
        script_policy=_hash(_script()),
        data=_markup(json_block(page_data(report, shown))),
        reasons=reasons(report),
        mechanism="" if drawn is None else _markup(mechanism_svg(drawn, "the mechanism", alone=False)),
        width=WIDTH,
        scales=[scale(claim) for claim in report.claims],
        lacks="" if exhibit is not None and fits else _lacks(report, fits),
        words=words,
    )


def render(template: str, script_policy: str = "'none'", **given: Any) -> str:
    """A page of ours, with the style and the policy that all have."""
    style = _read("page.css") + CSS
    rules = {
        "default-src": "'none'",
        "script-src": script_policy,
        "style-src": _hash(style),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    policy = "; ".join(f"{name} {value}" for name, value in rules.items())
    return (
        _environment()
        .get_template(template)
        .render(policy=policy, style=_markup(style), newline=_markup("\n"), **given)
    )


def page_data(report: Report, exhibit: Exhibit | None) -> dict[str, Any]:
    """What the script reads: the report and the exhibit as their files have them, where nodes stand, and the
    bins of their costs."""
    return {
        "report": json.loads(report.to_json()),
        "exhibit": None if exhibit is None else json.loads(exhibit.to_json()),
        "layouts": {str(one.seed): layout(one.graph) for one in report.per_seed if one.graph is not None},
        "narrow": {
            str(one.seed): layout(one.graph, PER_NARROW_LINE)
            for one in report.per_seed
            if one.graph is not None
        },
        "sites": {
            str(node.node): node.node.site.authors_name
            for one in report.per_seed
            if one.graph is not None
            for node in one.graph.nodes
        },
        "costs": {"limits": [limit for limit, _, _ in COSTS if isfinite(limit)], "names": COST_NAMES},
    }


def json_block(data: Any) -> str:
    """JSON in ASCII that no parser of HTML sees an end, a comment or a tag in."""
    text = no_command(json.dumps(data, separators=(",", ":"), allow_nan=False), r"\u005b")
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def reasons(report: Report) -> list[tuple[str, str, str]]:
    """What keeps the verdict from being `pass`: outcome, name, and what was found; the worst first."""
    found = [
        (claim.verdict, claim.name, words.sentence(claim))
        for claim in report.claims
        if claim.verdict is not Outcome.PASS
    ]
    found += [(g.outcome, g.name, g.said) for g in words.gates(report) if g.outcome is not Outcome.PASS]
    found += [
        (control.verdict, f"control {control.name}", f"reaches {', '.join(control.reaches)}")
        for control in report.controls
        if control.verdict is Outcome.VOID
    ]
    if report.task.outcome is not Outcome.PASS:
        found.append((report.task.outcome, "competence", report.task.note or report.note))
    found.sort(key=lambda reason: -reason[0].severity)
    return [(outcome.value, name, said) for outcome, name, said in found]


def _lacks(report: Report, belongs: bool) -> str:
    if report.circuit is None:
        return "Nothing was pruned, so there is no circuit to show."
    if not belongs:
        return "exhibit.json is of another check than report.json: prompts, contexts and sizes are not shown."
    return (
        "Made without exhibit.json: prompts, attention, contexts in pretraining text and sizes are not here. "
        "circuitlang check writes them."
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@lru_cache(maxsize=1)
def _script() -> str:
    parts = "\n".join(_read(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _markup(text: str) -> object:
    """Text that is our own HTML already."""
    from markupsafe import Markup

    return Markup(text)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Everything that a template prints is escaped, and what hides or moves characters is spelled out."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
