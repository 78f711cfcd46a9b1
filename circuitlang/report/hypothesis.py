"""HypothesisResult: what a spec said its circuit is made of, as a report keeps it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from pydantic import Field

from circuitlang.report.part import Part, Text

if TYPE_CHECKING:
    from circuitlang.language.program.hypothesis import Circuit


class RoleResult(Part):
    """`kind`: as a spec writes it, as `head`. `doc`: what the spec says that it does."""

    name: Text
    kind: Text
    doc: Text | None = None


class ArrowResult(Part):
    """`source`, `target`: a role, `answer`, or a role's port, as `copier.key`. `direct`: written `->`, not `~>`."""

    source: Text
    target: Text
    direct: bool = True
    never: bool = Field(default=False, description="claimed not to exist")

    def __str__(self) -> str:
        return f"{self.source} {'->' if self.direct else '~>'} {self.target}"


class HypothesisResult(Part):
    """In the order of the spec."""

    roles: tuple[RoleResult, ...] = ()
    arrows: tuple[ArrowResult, ...] = ()

    @classmethod
    def of(cls, circuit: Circuit) -> Self:
        return cls(
            roles=tuple(RoleResult(name=r.name, kind=r.kind, doc=r.doc) for r in circuit.roles),
            arrows=tuple(
                ArrowResult(
                    source=a.source.role if a.source.part == "out" else str(a.source),
                    target=str(a.target),
                    direct=a.direct,
                    never=a.never,
                )
                for a in circuit.arrows
            ),
        )

    def about(self, claim: str) -> tuple[list[ArrowResult], list[str]]:
        """The arrows and the other roles that a claim's text speaks of. A mark or a case may be called as a role is."""
        said = re.sub(r"=\s*\w+|\bcase\s+\w+", "", claim)
        arrows = [a for a in self.arrows if re.search(_words(str(a)), said)]
        for arrow in arrows:
            said = re.sub(_words(str(arrow)), "", said)
        return arrows, [r.name for r in self.roles if re.search(_words(r.name), said)]


def _words(text: str) -> str:
    spaced = r"\s*".join(map(re.escape, text.split()))
    return rf"(?<![\w.]){spaced}(?!\w)"
