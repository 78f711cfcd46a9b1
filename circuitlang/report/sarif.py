"""Diagnostics and claims that do not hold -> SARIF 2.1.0, the format in which code hosts take the findings of checkers.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from circuitlang import __version__
from circuitlang.report.diagnostics import path
from circuitlang.report.escape import no_command, visible
from circuitlang.report.explanation import Explanation, explanation_lines, section
from circuitlang.source.diagnostic import Diagnostic, Source, Span

if TYPE_CHECKING:
    from circuitlang.report.report import Report

VERSION = "2.1.0"
_CLAIM_RULES = {
    "fail": ("error", "A claim that does not hold: the whole confidence interval lies on the other side."),
    "void": ("error", "A claim that a control reaches as well, so that reaching it says nothing."),
    "undecided": ("warning", "A claim whose bound lies inside the confidence interval of all prompts."),
    "not measured": ("warning", "A claim for which there is no number."),
}


def sarif(
    diagnostics: Sequence[Diagnostic],
    explained: Mapping[str, Explanation],
    version: str,
    reports: Iterable[tuple[Report, Source]] = (),
) -> str:
    """One log of one run, in ASCII. `explained`: at least the codes that occur. `version`: of this program.
    `reports`: what became of claims, each with the file that claims them."""
    judged = [row for report, source in reports for row in _judged(report, source)]
    outcomes = sorted({outcome for outcome, _ in judged})
    rules = [_code_rule(explained[code]) for code in sorted({each.code for each in diagnostics})]
    rules += [_claim_rule(outcome) for outcome in outcomes]
    places = {rule["id"]: place for place, rule in enumerate(rules)}
    results = [_result(each) for each in diagnostics] + [result for _, result in judged]
    for result in results:
        result["ruleIndex"] = places[result["ruleId"]]
    driver = {"name": "circuitlang", "version": version, "semanticVersion": version, "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "utf16CodeUnits", "results": results}
    text = json.dumps({"version": VERSION, "runs": [run]}, indent=1)
    return no_command(text, r"\u005b") + "\n"


def _code_rule(each: Explanation) -> dict[str, Any]:
    return {
        "id": each.code,
        "shortDescription": {"text": each.meaning},
        "fullDescription": {"text": each.about or each.meaning},
        "help": {"text": "\n".join(explanation_lines(each)), "markdown": section(each)},
        "defaultConfiguration": {"level": each.severity},
    }


def _claim_rule(outcome: str) -> dict[str, Any]:
    level, meaning = _CLAIM_RULES[outcome]
    return {
        "id": _rule_id(outcome),
        "shortDescription": {"text": meaning},
        "fullDescription": {"text": meaning},
        "help": {"text": meaning, "markdown": meaning},
        "defaultConfiguration": {"level": level},
    }


def _rule_id(outcome: str) -> str:
    return f"claim-{outcome.replace(' ', '-')}"


def _result(diagnostic: Diagnostic) -> dict[str, Any]:
    said = f"{diagnostic.message}; {diagnostic.hint}" if diagnostic.hint else diagnostic.message
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "level": diagnostic.severity,
        "message": {"text": visible(said)},
        "locations": [{"physicalLocation": _location(diagnostic.span)}],
    }
    if diagnostic.related:
        result["relatedLocations"] = [
            {"id": number, "message": {"text": visible(words)}, "physicalLocation": _location(span)}
            for number, (span, words) in enumerate(diagnostic.related, 1)
        ]
    return result


def _location(span: Span) -> dict[str, Any]:
    end = Span(span.source, span.end, span.end)
    region = {
        "startLine": span.line,
        "startColumn": _utf16_column(span),
        "endLine": end.line,
        "endColumn": _utf16_column(end),
    }
    return {"artifactLocation": {"uri": uri(span.source)}, "region": region}


def _utf16_column(place: Span) -> int:
    """Where a span starts in its line, from 1, in UTF-16 code units."""
    begin = place.source.line_starts[place.line - 1]
    return len(place.source.text[begin : place.start].encode("utf-16-le", "surrogatepass")) // 2 + 1


def uri(source: Source) -> str:
    """Relative to the current folder for files below it."""
    name = path(source)
    absolute = Path(name).is_absolute()
    return Path(name).as_uri() if absolute else quote(name.encode("utf-8", "surrogatepass"))


def _judged(report: Report, source: Source) -> list[tuple[str, dict[str, Any]]]:
    """(outcome, result) of every claim that does not hold, and of a task that the model is not competent at."""
    from circuitlang.report import words

    found = [
        (
            claim.verdict.value,
            _verdict(claim.verdict.value, claim.line, f"{claim.name}: {words.sentence(claim)}", source),
        )
        for claim in report.claims
        if claim.verdict.value in _CLAIM_RULES
    ]
    found += [
        (
            gate.outcome.value,
            _verdict(gate.outcome.value, 1, f"{report.spec}, {gate.name}: {gate.said}", source),
        )
        for gate in words.gates(report)
        if gate.outcome.value in _CLAIM_RULES
    ]
    competence = report.task.outcome.value
    if competence in _CLAIM_RULES:
        said = f"{report.spec}: {report.task.note or report.note or words.meaning(report)}"
        found.append((competence, _verdict(competence, 1, said, source)))
    return found


def _verdict(outcome: str, line: int, said: str, source: Source) -> dict[str, Any]:
    return {
        "ruleId": _rule_id(outcome),
        "level": _CLAIM_RULES[outcome][0],
        "message": {"text": visible(f"{outcome}: {said}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri(source)},
                    "region": {"startLine": max(line, 1)},
                }
            }
        ],
    }


def sarif_text(found: Sequence[Diagnostic], judged: Sequence[tuple[Report, Source]] = ()) -> str:
    """Diagnostics, and the claims of reports that do not hold, as SARIF."""
    from circuitlang.report.explanation import explanations
    from circuitlang.report.sarif import sarif

    return sarif(found, explanations() if found else {}, __version__, judged)
