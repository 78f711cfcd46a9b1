"""Scope: the names of a task or corpus while it is checked; tree expressions -> checked expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from circuitlang.language.program import errors
from circuitlang.language.program.expression import (
    Choice,
    Expression,
    Number,
    Ref,
    Repeat,
    Sequence,
    Template,
    Text,
)
from circuitlang.language.program.task import Param
from circuitlang.language.syntax import tree
from circuitlang.language.syntax.strings import lost_blanks
from circuitlang.source.diagnostic import Diagnostic, Span

Kind = Literal["rule", "draw", "param", "binding"]


@dataclass(frozen=True)
class Scope:
    """`kinds`: what each visible name is. `used` and `found` collect, for all expressions of one block."""

    kinds: Mapping[str, Kind]
    params: Mapping[str, Param]
    found: list[Diagnostic] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def within(self, bindings: Mapping[str, Kind]) -> Scope:
        """The scope of one case; it collects into the same lists."""
        return Scope({**self.kinds, **bindings}, self.params, self.found, self.used)

    def expression(self, choice: tree.Choice) -> Expression:
        options = tuple(self._sequence(option) for option in choice.options)
        if len(options) == 1:
            weight = choice.options[0].weight
            if weight:
                self.found.append(errors.lone_weight(weight.span))
            return options[0]
        self._twice(choice)
        return Choice(options, tuple(self.weight(option.weight) for option in choice.options))

    def _twice(self, choice: tree.Choice) -> None:
        """Alternatives that are written alike."""
        seen: dict[object, Span] = {}
        for option in choice.options:
            span = option.items[0].span
            span = Span(span.source, span.start, option.items[-1].span.end)
            if option.items in seen:
                self.found.append(errors.same_alternative(span, seen[option.items]))
            seen.setdefault(option.items, span)

    def weight(self, weight: tree.Number | None) -> float:
        if weight is None:
            return 1.0
        if weight.value <= 0:
            self.found.append(errors.bad_weight(weight.span))
        return float(weight.value)

    def _sequence(self, sequence: tree.Sequence) -> Expression:
        parts = tuple(self._part(part) for part in sequence.items)
        return parts[0] if len(parts) == 1 else Sequence(parts)

    def _part(self, part: tree.Part) -> Expression:
        match part:
            case tree.String():
                self.blanks(part)
                return Text(part.text)
            case tree.Range():
                return Number(*self.range(part))
            case tree.Group():
                return self.expression(part.body)
            case tree.Repeat():
                return self._repeat(part)
            case tree.Name():
                return self._ref(part)

    def range(self, written: tree.Range) -> tuple[int, int]:
        if written.low.value > written.high.value:
            self.found.append(errors.empty_range(written.span))
        return written.low.value, written.high.value

    def _ref(self, name: tree.Name | tree.Hole) -> Ref:
        text = name.text if isinstance(name, tree.Name) else name.name
        kind = self.kinds.get(text)
        if kind is None:
            self.found.append(errors.unknown("name", name.span, self.kinds))
            return Ref(text, "rule")
        self.used.add(text)
        return Ref(text, kind)

    def _repeat(self, repeat: tree.Repeat) -> Repeat:
        body = self._part(repeat.body)
        joiner = repeat.joiner.text if repeat.joiner else ""
        count = repeat.count
        if isinstance(count, tree.Name):
            kind = self._ref(count).kind
            param = self.params.get(count.text)
            if param is None and count.text in self.kinds:
                self.found.append(errors.count_not_param(count.span, kind))
            low, high = (param.low, param.high) if param else (0, 0)
            name = count.text
        else:
            low, high = self.range(count) if isinstance(count, tree.Range) else (count.value, count.value)
            name = None
        if low < 0:
            self.found.append(errors.bad_count(count.span))
        return Repeat(body, low, high, name, joiner)

    def blanks(self, text: tree.String | tree.Template) -> None:
        """Blanks that may have been meant, and are dropped."""
        lost = lost_blanks(text.span) if text.triple else None
        if lost is not None:
            self.found.append(errors.lost_blanks(lost))

    def template(self, template: tree.Template) -> Template:
        self.blanks(template)
        return Template(
            tuple(Text(part) if isinstance(part, str) else self._ref(part) for part in template.parts)
        )
