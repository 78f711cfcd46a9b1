"""A TextMate grammar in JSON + a text -> the scopes of every character.

The part of TextMate that circuitlang's grammar uses, as vscode-textmate does it: line by line, of all patterns the one
that matches first wins, the end of a region before its patterns, then the order written. Regular expressions are those
that Python and Oniguruma read alike, so nothing is translated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

GRAMMAR = Path(__file__).parents[2] / "editors" / "vscode" / "syntaxes" / "circuitlang.tmLanguage.json"
Rule = Mapping[str, Any]
Scopes = tuple[str, ...]


@dataclass(frozen=True)
class Open:
    """A region that is not closed yet, and the scopes inside it."""

    rule: Rule
    scopes: Scopes


@cache
def grammar() -> Rule:
    return json.loads(GRAMMAR.read_text(encoding="utf-8"))


def rules(patterns: list[Rule]) -> Iterator[Rule]:
    """The patterns with what they include."""
    for pattern in patterns:
        if "include" in pattern:
            yield from rules([grammar()["repository"][pattern["include"].removeprefix("#")]])
        elif "match" in pattern or "begin" in pattern:
            yield pattern
        else:
            yield from rules(pattern["patterns"])


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def tokenise(text: str) -> list[Scopes]:
    """The scopes of every character, outermost first."""
    found: list[Scopes] = []
    stack = [Open({"patterns": grammar()["patterns"]}, (grammar()["scopeName"],))]
    for line in text.splitlines(keepends=True) if "\r" not in text else text.split("\n"):
        found += _line(line if line.endswith("\n") else line + "\n", stack)[: len(line)]
    return found


def _line(line: str, stack: list[Open]) -> list[Scopes]:
    scopes: list[Scopes] = [()] * len(line)
    at = 0
    while at <= len(line):
        top = stack[-1]
        best, rule = None, None
        if "end" in top.rule:
            best = compiled(top.rule["end"]).search(line, at)
        for each in rules(top.rule["patterns"]):
            match = compiled(each.get("match") or each["begin"]).search(line, at)
            if match and (best is None or match.start() < best.start()):
                best, rule = match, each
        until = best.start() if best else len(line)
        scopes[at:until] = [top.scopes] * (until - at)
        if best is None:
            break
        name = (rule if rule is not None else top.rule).get("name")
        inside = top.scopes if rule is None or not name else (*top.scopes, name)
        captures = (rule if rule is not None else top.rule).get(
            "captures"
            if rule is not None and "match" in rule
            else "beginCaptures"
            if rule is not None
            else "endCaptures"
        )
        scopes[best.start() : best.end()] = [inside] * (best.end() - best.start())
        for group, capture in (captures or {}).items():
            start, end = best.span(int(group))
            scopes[start:end] = [(*scopes[place], capture["name"]) for place in range(start, end)]
        if rule is None:
            stack.pop()
        elif "begin" in rule:
            stack.append(Open(rule, inside))
        elif best.end() == at == best.start():
            raise AssertionError(f"a pattern that matches nothing would never end: {rule}")
        at = best.end()
    return scopes
