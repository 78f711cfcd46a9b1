"""A tree and its source -> the tree whose items carry the comments written beside them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TypeVar

from circuitlang.language.syntax import tree
from circuitlang.language.syntax.strings import QUOTED
from circuitlang.source.diagnostic import Source

_COMMENT = re.compile(QUOTED + r"|(\#[^\n]*)", re.S)
_OPENING = re.compile(r"(?:[^#{]|#[^\n]*)*\{")
_I = TypeVar("_I", bound=tree.Item)
_B = TypeVar("_B", bound=tree.Block)


def attach(file: tree.File, source: Source) -> tree.File:
    """Every comment of the source goes to one item, or to the end of one block."""
    return _block(file, source.text)


def _block(block: _B, text: str) -> _B:
    """Distribute what stands between the children of a block: nothing but blanks, comments and its own
    header."""
    is_file = isinstance(block, tree.File)
    heads: list[tree.Item] = []
    if is_file:
        heads += [block.version] if block.version else []
    else:
        doc = getattr(block, "doc", None)
        heads += [doc] if doc else []
    items: list[tree.Item] = [*heads, *block.items]  # type: ignore[attr-defined]
    at = block.span.start
    end = block.span.end if is_file else block.span.end - 1
    above: tuple[str, ...] = ()
    head = None
    if not is_file:
        opening = _OPENING.match(text, at, end)
        assert opening is not None, f"{type(block).__name__} without a brace"
        above = _scan(text, at, opening.end())  # between the block's words
        at = opening.end()
        line = text[at : items[0].span.start if items else end].partition("\n")[0]
        head = line.strip() or None
        at += len(line)
    done: list[tree.Item] = []
    for item in items:
        after, before = _between(text[at : item.span.start], behind=bool(done))
        _add_after(done, after)
        inner = _item(item, text)
        at = item.span.end
        before = before if done else _without_blank_start(before)
        done.append(replace(inner, notes=tree.Notes((*before, *inner.notes.before), inner.notes.after)))
    after, last = _between(text[at:end], behind=bool(done))
    _add_after(done, after)
    last = _without_blank_start(last) if not done else last
    while last and not last[-1]:
        last = last[:-1]
    changes: dict[str, object] = {
        "items": tuple(done[len(heads) :]),
        "notes": tree.Notes(above),
        "head": head,
        "end": last,
    }
    if heads:
        changes["version" if is_file else "doc"] = done[0]
    return replace(block, **changes)


def _add_after(done: list[_I], after: str | None) -> None:
    if after:
        done[-1] = replace(done[-1], notes=tree.Notes(done[-1].notes.before, after))


def _without_blank_start(lines: tuple[str, ...]) -> tuple[str, ...]:
    return _without_blank_start(lines[1:]) if lines and not lines[0] else lines


def _between(gap: str, behind: bool) -> tuple[str | None, tuple[str, ...]]:
    """The comment that ends the previous item's line, and the lines above the next item; blank lines as "",
    never two in a row. `behind`: there is a previous item. The last line is the start of the next item's own
    line."""
    lines = gap.split("\n")
    found: list[str] = []
    after = None
    for number, line in enumerate(lines):
        _, mark, words = line.partition("#")
        comment = (mark + words).rstrip()
        if comment and number == 0 and behind:
            after = comment
        elif comment:
            found.append(comment)
        elif 0 < number < len(lines) - 1 and not line.strip() and (not found or found[-1]):
            found.append("")
    return after, tuple(found)


def _item(item: tree.Item, text: str) -> tree.Item:
    """An item with the comments that stand inside it."""
    if isinstance(item, tree.Block):
        return _block(item, text)
    if isinstance(item, (tree.Rule, tree.Draw)) and len(item.body.options) > 1:
        tail = _scan(text, item.body.options[-1].span.end, item.span.end)
        return replace(item, body=_options(item, item.body, text), notes=tree.Notes(tail))
    inside = _scan(text, item.span.start, item.span.end)
    return replace(item, notes=tree.Notes(inside))


def _scan(text: str, start: int, end: int) -> tuple[str, ...]:
    """The comments of a region that may hold strings."""
    return tuple(m.group(1).rstrip() for m in _COMMENT.finditer(text, start, end) if m.group(1))


def _options(item: tree.Rule | tree.Draw, body: tree.Choice, text: str) -> tree.Choice:
    """Comments beside the alternatives of a rule or draw stay with their alternative."""
    done: list[tree.Sequence] = []
    at = item.span.start
    for option in body.options:
        if done:
            after, before = _between(text[at : option.span.start], behind=True)
            _add_after(done, after)
        else:
            before = _scan(text, at, option.span.start)  # from the item's first word on
        inside = _scan(text, option.span.start, option.span.end)
        above = tuple(line for line in before if line)
        done.append(replace(option, notes=tree.Notes((*above, *inside))))
        at = option.span.end
    return replace(body, options=tuple(done))
