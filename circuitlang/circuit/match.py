"""Roles and arrows of a hypothesis -> nodes of the circuit that was found: the binding with the largest effect.

A binding gives every role a part of its own such that every arrow is a path (and every `never` is none). A group takes
all parts that fit: those that every arrow leads from or to, given the others. Which binding is taken is decided on
`select`, by what is lost without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, product
from math import inf, isfinite

from circuitlang.circuit.graph import ANSWER, CircuitGraph
from circuitlang.circuit.parts import Anatomy, Part
from circuitlang.language.program.hypothesis import Arrow, Circuit, Role
from circuitlang.site import Node

MOST = 2000  # bindings that are counted; more than that says that the hypothesis names nothing in particular
SHORTLIST = 16  # bindings whose effect is measured: those with the largest sums of their nodes' costs

Parts = tuple[Part, ...]
Effect = Callable[[tuple[Node, ...]], float]
"""Nodes of the circuit -> what the loss on `select` rises by when they are ablated in it, in nats."""


@dataclass(frozen=True)
class Binding:
    """Role -> its parts: one, or of a group all that fit. `effect`: nats that the circuit loses without them."""

    parts: Mapping[str, Parts]
    effect: float = 0.0

    def nodes(self, role: str) -> tuple[Node, ...]:
        return tuple(sorted({node for part in self.parts[role] for node in part.nodes}))

    @property
    def all_nodes(self) -> tuple[Node, ...]:
        return tuple(sorted({node for role in self.parts for node in self.nodes(role)}))


@dataclass(frozen=True)
class Match:
    """`binding` is None where the hypothesis does not fit; `why` then says which role or arrow cannot be met and what
    comes nearest. `count`: how many bindings there were, `MOST` where there were at least so many."""

    binding: Binding | None
    count: int
    why: str = ""


def match(hypothesis: Circuit, graph: CircuitGraph, effect: Effect) -> Match:
    """The binding with the largest effect."""
    anatomy = Anatomy(graph)
    candidates = {role.name: anatomy.parts(role) for role in hypothesis.roles}
    for role in hypothesis.roles:
        if not candidates[role.name]:
            return Match(None, 0, _no_candidates(role, anatomy))
    found = list(islice(_bindings(hypothesis, candidates, anatomy), MOST))
    if not found:
        return Match(None, 0, _nearest(hypothesis, candidates, anatomy))
    costs = {node.node: node.cost for node in graph.nodes}
    found.sort(key=lambda b: (-sum(costs[node] for node in b.all_nodes), _spelled(b)))
    measured = [replace(b, effect=effect(b.all_nodes)) for b in found[:SHORTLIST]]
    return Match(max(measured, key=lambda b: b.effect if isfinite(b.effect) else -inf), len(found))


def _bindings(
    hypothesis: Circuit, candidates: Mapping[str, list[Part]], anatomy: Anatomy
) -> Iterator[Binding]:
    """Every binding: single roles are tried one part after another, the rarest kind first; groups are filled last."""
    singles = sorted(
        (role for role in hypothesis.roles if not role.group), key=lambda role: len(candidates[role.name])
    )
    groups = [role for role in hypothesis.roles if role.group]

    def extend(bound: dict[str, Parts], left: list[Role]) -> Iterator[dict[str, Parts]]:
        if not left:
            yield dict(bound)
            return
        role, *rest = left
        for part in candidates[role.name]:
            if any(set(part.nodes) & set(other.nodes) for parts in bound.values() for other in parts):
                continue
            bound[role.name] = (part,)
            if all(_holds(arrow, bound, anatomy) for arrow in hypothesis.arrows):
                yield from extend(bound, rest)
            del bound[role.name]

    for bound in extend({}, singles):
        filled = _fill(hypothesis, bound, groups, candidates, anatomy)
        if filled is not None:
            yield Binding({role.name: filled[role.name] for role in hypothesis.roles})


def _fill(
    hypothesis: Circuit,
    bound: Mapping[str, Parts],
    groups: list[Role],
    candidates: Mapping[str, list[Part]],
    anatomy: Anatomy,
) -> dict[str, Parts] | None:
    """The largest groups that fit the single roles and each other; None where one would be empty."""
    taken = {node for parts in bound.values() for part in parts for node in part.nodes}
    full = dict(bound)
    for group in groups:
        full[group.name] = tuple(p for p in candidates[group.name] if not taken & set(p.nodes))
    changed = True
    while changed:
        changed = False
        for group in groups:
            fitting = tuple(
                part for part in full[group.name] if _fits(part, group, hypothesis, full, anatomy)
            )
            changed |= len(fitting) < len(full[group.name])
            full[group.name] = fitting
            if not fitting:
                return None
    return full if all(_holds(arrow, full, anatomy) for arrow in hypothesis.arrows) else None


def _fits(part: Part, group: Role, hypothesis: Circuit, full: Mapping[str, Parts], anatomy: Anatomy) -> bool:
    """Whether a member meets every arrow of its group, with some part of the other end; a `never`, with all of them."""
    one = {**full, group.name: (part,)}
    for arrow in hypothesis.arrows:
        if group.name not in (arrow.source.role, arrow.target.role):
            continue
        ends = product(one[arrow.source.role], one.get(arrow.target.role, (ANSWER,)))
        met = any(anatomy.connected(s, t, arrow.target.part, arrow.direct) for s, t in ends)
        if met == arrow.never:
            return False
    return True


def _holds(arrow: Arrow, bound: Mapping[str, Parts], anatomy: Anatomy) -> bool:
    """Whether the arrow is met, as far as both its ends are bound. Of groups: each part of one end is connected with
    some part of the other; of `never`: none with any."""
    if arrow.source.role not in bound or (arrow.target.role != ANSWER and arrow.target.role not in bound):
        return True
    sources = bound[arrow.source.role]
    targets: tuple[Part | str, ...] = bound.get(arrow.target.role, (ANSWER,))
    port = arrow.target.part

    def connected(source: Part, target: Part | str) -> bool:
        return anatomy.connected(source, target, port, arrow.direct)

    if arrow.never:
        return not any(connected(s, t) for s in sources for t in targets)
    return all(any(connected(s, t) for t in targets) for s in sources) and all(
        any(connected(s, t) for s in sources) for t in targets
    )


def _no_candidates(role: Role, anatomy: Anatomy) -> str:
    where = ""
    if role.layers is not None:
        low, high = role.layers
        where = f" in layer {low}" if low == high else f" in layers {low} to {high}"
    elsewhere = [part.name for part in anatomy.parts(replace(role, layers=None))]
    there = f"; elsewhere there are {_few(elsewhere)}" if elsewhere else ""
    return f"the circuit has no {role.kind}{where} for the role `{role.name}`{there}"


def _nearest(hypothesis: Circuit, candidates: Mapping[str, list[Part]], anatomy: Anatomy) -> str:
    """Which arrow cannot be met: alone, or together with the others."""
    for arrow in hypothesis.arrows:
        alone = replace(hypothesis, arrows=(arrow,))
        if next(_bindings(alone, candidates, anatomy), None) is None:
            return f"no parts of the circuit meet `{arrow}`{_instead(arrow, candidates, anatomy)}"
    for arrow in hypothesis.arrows:
        rest = replace(hypothesis, arrows=tuple(a for a in hypothesis.arrows if a is not arrow))
        found = list(islice(_bindings(rest, candidates, anatomy), MOST))
        if found:
            bound = ", ".join(
                f"{role} = {_few([p.name for p in parts])}" for role, parts in found[0].parts.items()
            )
            return f"nothing meets `{arrow}` together with the rest; without it there {_count(len(found))}, as {bound}"
    return "no parts of the circuit meet all roles and arrows together; several arrows would have to go"


def _instead(arrow: Arrow, candidates: Mapping[str, list[Part]], anatomy: Anatomy) -> str:
    """For an arrow that nothing meets: the same ends by another port or by a longer way."""
    if arrow.never:
        return ": every candidate is connected"
    others = [replace(arrow, target=replace(arrow.target, part=part)) for part in ("query", "key", "value")]
    others = [other for other in others if arrow.target.part not in (None, other.target.part)]
    others += [replace(arrow, direct=False)] if arrow.direct else []
    for other in others:
        for source in candidates[other.source.role]:
            for target in candidates.get(other.target.role, [ANSWER]):
                if source != target and anatomy.connected(source, target, other.target.part, other.direct):
                    end = target if isinstance(target, str) else target.name
                    return f"; nearest: `{other}` would be met by {source.name} and {end}"
    return ""


def _count(found: int) -> str:
    if found == 1:
        return "is one binding"
    return f"are {found} bindings or more" if found == MOST else f"are {found} bindings"


def _few(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _spelled(binding: Binding) -> str:
    return " ".join(part.name for parts in binding.parts.values() for part in parts)
