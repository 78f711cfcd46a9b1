"""A place inside the parentheses of a metric or an intervention -> how it is written, and which argument one is at."""

from __future__ import annotations

from dataclasses import dataclass

from circuitlang.language_server import describe
from circuitlang.language_server.complete_claim import open_call
from circuitlang.language_server.context import context
from circuitlang.language_server.signatures import signatures
from circuitlang.program.vocabulary import METRICS


@dataclass(frozen=True)
class Help:
    """`labels`: one line per form. `active`: the argument, from 0."""

    labels: tuple[str, ...]
    doc: str
    active: int


def signature_help(text: str, offset: int) -> Help | None:
    """None outside of a claim's parentheses."""
    where = context(text, offset)
    call = open_call(where.words) if where.words[:1] == ("claim",) else None
    labels = signatures(call[0]) if call else ()
    if call is None or not labels:
        return None
    name, inside, _ = call
    doc = describe.metric(name) if name in METRICS else describe.intervention(name)
    depth = active = 0
    for word in inside:
        depth += {"(": 1, ")": -1}.get(word, 0)
        active += word == "," and depth == 0
    return Help(labels, doc or "", active)
