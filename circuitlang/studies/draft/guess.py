"""A circuit + what its parts do -> roles and arrows that can bind to exactly these parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from circuitlang.circuit.graph import ANSWER, CircuitGraph
from circuitlang.circuit.match import Effect, match
from circuitlang.circuit.parts import Anatomy, Part
from circuitlang.claims.measure import Meter
from circuitlang.language.program.hypothesis import Circuit, Role
from circuitlang.site import Node
from circuitlang.studies.draft.observe import Sight, look
from circuitlang.studies.draft.spec_text import RoleText, fresh_name

ROLES = 5
"""The most roles that a draft names."""
TRIED = 12
"""Parts that are tried for them: those whose loss costs most."""
WORTH = 0.02
"""Nats that a circuit must lose without a part, on `select`, for the part to be worth a role."""

Check = Callable[[Sequence[RoleText], Sequence[str]], Circuit | None]
"""Roles and arrows -> the hypothesis that they are; None where the language refuses them or warns of them."""


@dataclass(frozen=True)
class Guess:
    """One role: what it is written as, the parts that play it (several of a group), and what each of them does."""

    role: RoleText
    parts: tuple[Part, ...]
    sights: Sequence[Sight]

    @property
    def is_head(self) -> bool:
        return self.parts[0].is_head


@dataclass(frozen=True)
class _Sketch:
    """Roles whose names say nothing. `groups`: which of them are groups; `arrows`: those of groups, as those of single
    roles follow from their parts."""

    parts: Mapping[str, tuple[Part, ...]]
    groups: frozenset[str] = frozenset()
    arrows: tuple[str, ...] = ()


def guess(
    graph: CircuitGraph, meter: Meter, effect: Effect, check: Check, taken: Sequence[str]
) -> tuple[list[Guess], list[str]]:
    """Roles in order of computation, and arrows. A part gets a role where the hypothesis with it binds to this part
    and to no other, so that what is said of the role is said of what will play it. Neurons of one layer that cannot be
    told apart in this way are a group. `taken`: names that roles cannot have."""
    anatomy = Anatomy(graph)
    parts = [p for kind in ("head", "neuron") for p in anatomy.parts(Role("any", kind))]
    parts = parts or [p for kind in ("attn_in", "mlp_in", "v") for p in anatomy.parts(Role("any", kind))]
    effects = {part.name: effect(part.nodes) for part in parts}
    ranked = sorted(parts, key=lambda part: (-effects[part.name], part.nodes))
    sketch = _Sketch({})
    for part in [part for part in ranked if effects[part.name] >= WORTH][:TRIED]:
        singles = sorted([*(p for (p,) in sketch.parts.values()), part], key=lambda part: part.nodes)
        if len(sketch.parts) < ROLES:
            sketch = _bound(_singles(singles), anatomy, check, effect) or sketch
    for layer in sorted({part.nodes[0].site.layer for part in parts if not part.is_head}):
        grouped = _grouped(sketch, [p for p in parts if not p.is_head], layer, anatomy, effect)
        sketch = (_bound(grouped, anatomy, check, effect) if grouped else None) or sketch
    sights = look(meter, [part for played in sketch.parts.values() for part in played])
    names: dict[str, str] = {}
    for plain, played in sketch.parts.items():
        wished = (
            _name(played[0], sights[played[0].name]) if plain not in sketch.groups else _group_name(played)
        )
        names[plain] = fresh_name(wished, [*taken, *names.values()])
    roles = [
        _described(names[plain], played, effects, effect, sights, plain in sketch.groups)
        for plain, played in sketch.parts.items()
    ]
    return roles, [_renamed(arrow, names) for arrow in _arrows(sketch, anatomy)]


def _singles(parts: Sequence[Part]) -> _Sketch:
    return _Sketch({f"part_{number}": (part,) for number, part in enumerate(parts)})


def _grouped(
    sketch: _Sketch, parts: Sequence[Part], layer: int, anatomy: Anatomy, effect: Effect
) -> _Sketch | None:
    """With a group of the layer's parts that play no role yet and act directly on one role or on the answer: on that
    one where the circuit loses most without them. None where it does not lose enough."""
    used = _names(sketch.parts)
    free = [part for part in parts if part.nodes[0].site.layer == layer and part.name not in used]
    ends: list[tuple[str, tuple[Part, ...]]] = []
    for name, played in sketch.parts.items():
        for port in played[0].ports:
            met = tuple(p for p in free if any(anatomy.connected(p, other, port, True) for other in played))
            ends.append((_end(name, port), met))
    ends.append((ANSWER, tuple(p for p in free if anatomy.connected(p, ANSWER, None, True))))
    losses = {end: effect(_nodes(met)) for end, met in ends if met}
    if not losses:
        return None
    best = max(losses, key=lambda end: losses[end])
    if losses[best] < WORTH:
        return None
    name = f"group_{layer}"
    found = {**sketch.parts, name: dict(ends)[best]}
    ordered = dict(sorted(found.items(), key=lambda item: item[1][0].nodes))
    return _Sketch(ordered, sketch.groups | {name}, (*sketch.arrows, f"{name} -> {best}"))


def _bound(sketch: _Sketch, anatomy: Anatomy, check: Check, effect: Effect) -> _Sketch | None:
    """The sketch with each part where the matching puts it; None where it takes others, or no hypothesis says so."""
    roles = [_plain(name, played, name in sketch.groups) for name, played in sketch.parts.items()]
    hypothesis = check(roles, _arrows(sketch, anatomy))
    found = None if hypothesis is None else match(hypothesis, anatomy.graph, effect).binding
    if found is None:
        return None
    if _names(found.parts) != _names(sketch.parts):
        return None
    return replace(sketch, parts={name: tuple(found.parts[name]) for name in sketch.parts})


def _names(parts: Mapping[str, Sequence[Part]]) -> set[str]:
    return {part.name for played in parts.values() for part in played}


def _nodes(parts: Sequence[Part]) -> tuple[Node, ...]:
    return tuple(node for part in parts for node in part.nodes)


def _telling(sights: Sequence[Sight]) -> list[Sight]:
    return [sight for sight in sights if sight.says_something]


def _plain(name: str, played: Sequence[Part], group: bool = False) -> RoleText:
    part, node = played[0], played[0].nodes[0]
    kind = "head" if part.is_head else str(node.site.place)
    return RoleText(name, kind, node.site.layer, group=group)


def _arrows(sketch: _Sketch, anatomy: Anatomy) -> list[str]:
    """Every direct connection of single roles; where a role has none that leaves it, that some path leads from it to
    the answer. Of a group the one that makes it."""
    single = {name: played[0] for name, played in sketch.parts.items() if name not in sketch.groups}
    found: list[str] = list(sketch.arrows)
    for source, part in single.items():
        before = len(found)
        for target, other in single.items():
            for port in other.ports if source != target else ():
                if anatomy.connected(part, other, port, True):
                    found.append(f"{source} -> {_end(target, port)}")
        if anatomy.connected(part, ANSWER, None, True):
            found.append(f"{source} -> {ANSWER}")
        elif len(found) == before and anatomy.connected(part, ANSWER, None, False):
            found.append(f"{source} ~> {ANSWER}")
    return found


def _end(name: str, port: str | None) -> str:
    return f"{name}.{port}" if port else name


def _renamed(arrow: str, names: Mapping[str, str]) -> str:
    words = (word.partition(".") for word in arrow.split(" "))
    return " ".join(names.get(name, name) + dot + port for name, dot, port in words)


def _name(part: Part, sights: Sequence[Sight]) -> str:
    telling = _telling(sights)
    if telling:
        return telling[0].name
    return f"{_plain('', [part]).kind}_of_layer_{part.nodes[0].site.layer}"


def _group_name(played: Sequence[Part]) -> str:
    role = _plain("", played)
    return f"{role.kind}s_of_layer_{role.layer}"


def _described(
    name: str,
    played: tuple[Part, ...],
    effects: Mapping[str, float],
    effect: Effect,
    sights: Mapping[str, Sequence[Sight]],
    group: bool,
) -> Guess:
    comment = [
        f"{part.name}: {_said(sights[part.name])}. Without it the loss changes by {effects[part.name]:+.2g} nats."
        for part in played
    ]
    if group:
        loss = effect(_nodes(played))
        comment.append(f"Without all of them it changes by {loss:+.2g} nats.")
        doc = "no guess of them together: see what each does"
        return Guess(replace(_plain(name, played, True), doc=doc, comment=comment), played, ())
    own = sights[played[0].name]
    telling = _telling(own)
    doc = (
        f"guess: {telling[0].words}" if telling else "no guess: nothing that was looked at says what it does"
    )
    return Guess(replace(_plain(name, played), doc=doc, comment=comment), played, own)


def _said(sights: Sequence[Sight]) -> str:
    numbers = "; ".join(f"{sight.words}, {sight.number}" for sight in _telling(sights) or sights[:1])
    return numbers or "there is no mark that all prompts have"
