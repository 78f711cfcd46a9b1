"""The pieces of a draft -> the text of its file, in canonical form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from textwrap import wrap

from circuitlang.language.syntax.format import format_file
from circuitlang.language.syntax.parse import parse
from circuitlang.language.syntax.strings import quoted
from circuitlang.source.diagnostic import Source

_WIDTH = 92  # characters of a comment's line


@dataclass(frozen=True)
class RoleText:
    """A role as it is written. `comment`: what it is guessed from, with the numbers, in paragraphs."""

    name: str
    kind: str
    layer: int | None
    doc: str = ""
    comment: Sequence[str] = ()
    group: bool = False


@dataclass(frozen=True)
class ClaimText:
    """A claim as it is written: `name: left relation right`. `comment`: what was measured."""

    name: str
    left: str
    relation: str
    right: str
    comment: str = ""


@dataclass(frozen=True)
class Frame:
    """What stands around roles and claims. `used`: the task's file, relative to the draft's."""

    name: str
    used: str
    task: str
    model: str
    target: float
    seed: int
    head: Sequence[str] = field(default=())
    doc: str = ""


def draft_text(
    frame: Frame, roles: Sequence[RoleText] = (), arrows: Sequence[str] = (), claims: Sequence[ClaimText] = ()
) -> str:
    """The whole file."""
    return format_file(parse(Source(frame.name, "\n".join(_lines(frame, roles, arrows, claims)) + "\n")))


def _lines(
    frame: Frame, roles: Sequence[RoleText], arrows: Sequence[str], claims: Sequence[ClaimText]
) -> Iterator[str]:
    yield from ("circuitlang 1", "", f"use {quoted(frame.used)}", "")
    for number, paragraph in enumerate(frame.head):
        yield from (["#"] if number else [])
        yield from comment(paragraph)
    yield from ("", f"spec {frame.name} {{")
    if frame.doc:
        yield quoted(frame.doc)
    yield from ("", f"task = {frame.task}", f"model = {quoted(frame.model)}", "")
    yield from (f"prune {{ loss = {frame.target:g}  seeds = {frame.seed} }}", "")
    if roles:
        yield "circuit {"
        for role in roles:
            for paragraph in role.comment:
                yield from comment(paragraph)
            yield written(role)
        yield from arrows
        yield from ("}", "")
    for claim in claims:
        yield from comment(claim.comment)
        yield f"claim {claim.name}: {claim.left} {claim.relation} {claim.right}"
    yield "}"


def written(role: RoleText) -> str:
    """A role without its comment."""
    place = f" in layer {role.layer}" if role.layer is not None else ""
    return f"role {role.name}{'+' * role.group} = {role.kind}{place}" + (
        f" {quoted(role.doc)}" if role.doc else ""
    )


def comment(text: str) -> list[str]:
    """Lines of a comment; none for an empty text."""
    return [f"# {line}" for line in wrap(" ".join(text.split()), _WIDTH, break_on_hyphens=False)]


def fresh_name(wished: str, taken: Sequence[str]) -> str:
    """The name, or with the first number that makes it new."""
    base = re.sub(r"\W", "_", wished, flags=re.ASCII)
    number, name = 1, base
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name
