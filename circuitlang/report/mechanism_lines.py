"""Mechanism -> lines of text: a box each, what it does, what it reads and leads to, and what happens without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from circuitlang.report.mechanism import ANSWER, Box, Mechanism
from circuitlang.report.mechanism_svg import SIGNS


class BoxLines(NamedTuple):
    """`head`: what it is and does; `more`: a remark each."""

    head: str
    more: tuple[str, ...]


def box_lines(found: Mechanism) -> Iterator[BoxLines]:
    """In order of computation; last what is in no box."""
    for box in found.boxes:
        does = f"{box.name}: {box.number}" if box.name and box.number else box.name
        facts = list(box.facts)
        if does and not box.number and not box.is_role:  # what that is follows
            does, facts = "; ".join((" ".join((does, *facts[:1])), *facts[1:])), []
        remarks = [_arrows(found, box), "; ".join(facts), box.effect]
        remarks += [f"{SIGNS[said.outcome]} {said.text}" for said in box.claims]
        count = f"{len(box.nodes)} node{'s' * (len(box.nodes) != 1)}"
        head = f"{box.key} {box.title} ({count})"
        yield BoxLines(": ".join(filter(None, (head, does))), tuple(filter(None, remarks)))
    if found.rest is not None:
        yield BoxLines(f"{found.rest.title}: {found.rest.effect}", ())


def _arrows(found: Mechanism, box: Box) -> str:
    into = [a.source for a in found.arrows if a.target == box.key and not a.never and a.source]
    out = [a for a in found.arrows if a.source == box.key and a.target]
    to = [f"no {a.target}" if a.never else f"{a.target} (claimed)" if a.claimed else a.target for a in out]
    ordered = sorted(dict.fromkeys(to), key=lambda key: (key.startswith(ANSWER), key))
    return " ".join(
        filter(
            None, (", ".join(sorted(into, reverse=True)), "→", box.key, "→" if to else "", ", ".join(ordered))
        )
    )
