"""Circuit: what a spec says a circuit is made of: roles, and the arrows between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from circuitlang.source.diagnostic import Span

ANSWER = "answer"
"""The end of every circuit: the unembedding's difference between the answer and its foils."""


@dataclass(frozen=True)
class Role:
    """A part that nodes of the circuit are to play. `kind` is a name of the vocabulary's kinds of roles;
    `group`: written `role x+`, binds one node or several. `layers`: the first and the last it may lie in."""

    name: str
    kind: str
    group: bool = False
    layers: tuple[int, int] | None = None
    doc: str | None = None
    span: Span | None = field(default=None, compare=False, repr=False)
    place: Span | None = field(default=None, compare=False, repr=False)  # of the layers


@dataclass(frozen=True)
class Port:
    """A role, or `answer`. Of a head, `part` is the side that is meant; None is the whole of it, which an arrow
    enters by query, key or value. An arrow that begins at a head has the part `out`."""

    role: str
    part: Literal["query", "key", "value", "out"] | None = None
    span: Span | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.role}.{self.part}" if self.part else self.role


@dataclass(frozen=True)
class Arrow:
    """A connection. `direct` (`->`): through reads and writes of the residual stream only, past no other neuron and no
    other head; otherwise (`~>`) any path inside the circuit. `never`: claimed not to exist."""

    source: Port
    target: Port
    direct: bool = True
    never: bool = False
    span: Span | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        source = self.source.role if self.source.part == "out" else str(self.source)
        return f"{'never ' * self.never}{source} {'->' if self.direct else '~>'} {self.target}"


@dataclass(frozen=True)
class Circuit:
    """A chain `a -> b.key -> answer` is two arrows: into b by its key, and out of b."""

    roles: tuple[Role, ...]
    arrows: tuple[Arrow, ...]
    span: Span | None = field(default=None, compare=False, repr=False)

    def role(self, name: str) -> Role:
        return next(role for role in self.roles if role.name == name)

    @property
    def claimed(self) -> Iterator[Arrow]:
        """The arrows that have to exist."""
        return (arrow for arrow in self.arrows if not arrow.never)
