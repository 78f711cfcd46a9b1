"""The tree of a file -> its symbols, block by block, and the parts that can be folded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from circuitlang.interfaces.lsp.context import scan
from circuitlang.interfaces.lsp.names import BLOCKS
from circuitlang.language.syntax import tree
from circuitlang.source.diagnostic import Span


@dataclass(frozen=True)
class Symbol:
    """`kind`: a block's or an item's word. `name`: the span of its name, inside `span`."""

    kind: str
    name: Span
    span: Span
    detail: str = ""
    inside: tuple[Symbol, ...] = ()


def symbols(file: tree.File) -> list[Symbol]:
    """What a file declares, in order."""
    found: list[Symbol] = []
    for item in file.items:
        kind = BLOCKS.get(type(item))
        if kind is not None and not isinstance(item, tree.Use):
            doc = item.doc.text if item.doc else ""
            inside = tuple(symbol for part in item.items for symbol in _item(part))
            found.append(Symbol(kind, item.name.span, item.span, doc, inside))
    return found


def _item(item: tree.Item) -> Iterator[Symbol]:
    match item:
        case tree.Draw():
            for name in item.names:
                yield Symbol("draw", name.span, item.span)
        case tree.Param() | tree.Rule() | tree.Claim():
            yield Symbol(type(item).__name__.lower(), item.name.span, item.span)
        case tree.Case():
            yield Symbol("case", item.name.span, item.span)
        case tree.Role():
            yield Symbol("role", item.name.span, item.span, item.kind.text)
        case tree.Prompt():
            yield Symbol("prompt", item.span.part(0, len("prompt")), item.span)
        case tree.Setting():
            yield Symbol("setting", item.name.span, item.span, item.value.span.text)
        case tree.Section():
            inside = tuple(symbol for part in item.items for symbol in _item(part))
            yield Symbol("section", item.name.span, item.span, inside=inside)
        case tree.Circuit():
            inside = tuple(symbol for part in item.items for symbol in _item(part))
            yield Symbol("section", item.span.part(0, len("circuit")), item.span, inside=inside)


@dataclass(frozen=True)
class Fold:
    """Lines from 0, the last one included."""

    first: int
    last: int
    comment: bool = False


def folds(text: str) -> list[Fold]:
    """Braces, texts and runs of comments of several lines; also of a text that does not parse."""
    found: list[Fold] = []
    opened: list[int] = []
    run: list[int] = []
    line = at = 0
    for token in scan(text):
        line, at = line + text.count("\n", at, token.start), token.start
        last = line + token.text.count("\n")
        whole = (
            token.kind == "comment" and not text[text.rfind("\n", 0, token.start) + 1 : token.start].strip()
        )
        if run and not (whole and line == run[-1] + 1):
            found += [Fold(run[0], run[-1], True)] if len(run) > 1 else []
            run = []
        if whole:
            run.append(line)
        elif token.text == "{":
            opened.append(line)
        elif token.text == "}" and opened:
            first = opened.pop()
            found += [Fold(first, line - 1)] if line - 1 > first else []
        elif token.kind == "string" and last > line:
            found.append(Fold(line, last))
    if len(run) > 1:
        found.append(Fold(run[0], run[-1], True))
    return found
