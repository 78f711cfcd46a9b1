"""Suggestion: one word that an editor offers, and those for what a file declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from circuitlang.interfaces.lsp import describe
from circuitlang.interfaces.lsp.names import Occurrence
from circuitlang.interfaces.lsp.project import Unit


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`kind`: a key's kind, or `keyword`, `path`, `zoo`. `detail`: a few words. `doc`: Markdown. It replaces the text
    from `start` to the place that was asked for."""

    label: str
    kind: str
    start: int
    detail: str = ""
    doc: str = ""


def declared(each: Occurrence, start: int, detail: str) -> Suggestion:
    """What a declaration offers."""
    assert each.item is not None
    doc = describe.declaration(each.key, each.item, each.key.owner)
    return Suggestion(each.key.name, each.key.kind, start, detail, doc)


def declared_in(unit: Unit, kind: str, owner: str) -> Iterator[Occurrence]:
    """What a block of a file declares, of one kind."""
    return (o for o in unit.names if o.item is not None and (o.key.kind, o.key.owner) == (kind, owner))
