"""A circuit's arrows + the number of layers -> what cannot be: an arrow's source is computed before its target.

Every role lies in one layer, so every arrow bounds a difference of two layers, and a set of such bounds can be met
exactly when they form no circle that is too short (Bellman-Ford). A group counts as one role here: an arrow holds for
each of its members, so bounds that no one member meets no group meets. A channel runs through all layers; each arrow
meets it where it likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from circuitlang.language.program import errors_circuit as errors
from circuitlang.language.program.hypothesis import ANSWER, Arrow, Circuit, Role
from circuitlang.language.program.spec import Spec
from circuitlang.language.program.vocabulary import ROLE_KINDS
from circuitlang.site import Place
from circuitlang.source.diagnostic import Diagnostic

_FIRST = "0"
_SITES = tuple(str(place) for place in Place if place.stream is not None)  # of a channel


@dataclass(frozen=True)
class Gap:
    """How many layers behind its source an arrow's target can lie: `low` at least; 0 at most, or any number."""

    low: int
    same_layer: bool = False


def gap(source: str, target: str, direct: bool) -> Gap | None:
    """Between two kinds of roles, or to the answer. None where no such arrow can be in any model."""
    if target == ANSWER:
        writes = source == "channel" or ROLE_KINDS[source].writes is not None
        return Gap(0) if writes or not direct else None
    if source == target == "channel":
        return None if direct else Gap(0)  # two channels meet in a head or a neuron only
    sources = _SITES if source == "channel" else (source,)
    targets = _SITES if target == "channel" else (target,)
    gaps = [_gap(a, b, direct) for a in sources for b in targets]
    found = [each for each in gaps if each is not None]
    if not found:
        return None
    return Gap(min(each.low for each in found), "channel" not in (source, target) and found[0].same_layer)


def _gap(source: str, target: str, direct: bool) -> Gap | None:
    """Between two kinds that lie in one layer each."""
    a, b = ROLE_KINDS[source], ROLE_KINDS[target]
    if not direct:
        assert a.position is not None
        assert b.position is not None
        return Gap(0 if a.position < b.position else 1)
    if target in a.feeds:
        return Gap(0, same_layer=True)
    if a.writes is None or b.reads is None:
        return None
    return Gap(0 if (a.writes, b.reads) == ("attention", "mlp") else 1)


def outside(circuit: Circuit, layers: int) -> list[Diagnostic]:
    """The roles that lie in layers which a model of so many layers does not have."""
    return [
        errors.outside_model(role.place, role.name, layers)
        for role in circuit.roles
        if role.layers is not None and role.place is not None and role.layers[1] >= layers
    ]


def check_order(circuit: Circuit, layers: int | None) -> list[Diagnostic]:
    """What no layers of the roles allow, in a model of so many layers; None where that is not known."""
    roles = {role.name: role for role in circuit.roles}
    found: list[Diagnostic] = []
    left: list[Arrow] = []
    for arrow in circuit.arrows:
        circle = _circle([arrow], roles, layers)
        if arrow.never and (circle or _kinds_gap(arrow, roles) is None):
            found.append(errors.never_anyway(arrow))
        elif not arrow.never and circle:
            found.append(errors.not_before(arrow, roles, _needs(arrow, roles, layers)))
        elif not arrow.never:
            left.append(arrow)
    while circle := _circle(left, roles, layers):
        arrows = [left[place] for place in sorted({bound.arrow for bound in circle if bound.arrow >= 0})]
        found.append(errors.not_together(arrows, _limit(circle)))
        left.remove(arrows[-1])
    return found


def _kinds_gap(arrow: Arrow, roles: Mapping[str, Role]) -> Gap | None:
    target = arrow.target.role
    kind = ANSWER if target == ANSWER else roles[target].kind
    return gap(roles[arrow.source.role].kind, kind, arrow.direct)


@dataclass(frozen=True)
class _Bound:
    """layer(of) <= layer(than) + by. `arrow`: the place of the arrow that says so, -1 where a role's layers do.
    `_FIRST` is layer 0."""

    of: str
    than: str
    by: int
    arrow: int = -1


def _bounds(arrows: Sequence[Arrow], roles: Mapping[str, Role], layers: int | None) -> Iterator[_Bound]:
    ends: dict[str, Role] = {}
    for place, arrow in enumerate(arrows):
        between = _kinds_gap(arrow, roles)
        if between is None or arrow.target.role == ANSWER:
            continue
        source, target = (_end(port.role, place, roles) for port in (arrow.source, arrow.target))
        ends |= {source: roles[arrow.source.role], target: roles[arrow.target.role]}
        yield _Bound(source, target, -between.low, place)
        if between.same_layer:
            yield _Bound(target, source, 0, place)
    for name, role in ends.items():
        low, high = role.layers or (0, None)
        last = None if layers is None else layers - 1
        highest = last if high is None else high if last is None else min(high, last)
        yield _Bound(_FIRST, name, -low)
        if highest is not None:
            yield _Bound(name, _FIRST, highest)


def _end(name: str, place: int, roles: Mapping[str, Role]) -> str:
    """The layer that an arrow's end lies in: the role's, or for a channel one of this arrow's own."""
    return f"{name} {place}" if roles[name].kind == "channel" else name


def _circle(arrows: Sequence[Arrow], roles: Mapping[str, Role], layers: int | None) -> list[_Bound]:
    """Bounds that contradict each other, one after the other round; none where all can be met."""
    bounds = list(_bounds(arrows, roles, layers))
    at: dict[str, int] = {name: 0 for bound in bounds for name in (bound.of, bound.than)}
    by: dict[str, _Bound] = {}
    changed = ""
    for _ in range(len(at) + 1):
        changed = ""
        for bound in bounds:
            if at[bound.than] + bound.by < at[bound.of]:
                at[bound.of], by[bound.of], changed = at[bound.than] + bound.by, bound, bound.of
        if not changed:
            return []
    for _ in at:  # from where it changed last back into the circle
        changed = by[changed].than
    circle = [by[changed]]
    while circle[-1].than != changed:
        circle.append(by[circle[-1].than])
    return circle


def _limit(circle: list[_Bound]) -> tuple[str, int, int] | None:
    """(role, the layer that it would have to reach, the last that it can lie in); None where arrows go round."""
    highest = next((bound for bound in circle if bound.than == _FIRST), None)
    if highest is None:
        return None
    total = sum(bound.by for bound in circle)
    return highest.of.partition(" ")[0], highest.by - total, highest.by


def _needs(arrow: Arrow, roles: Mapping[str, Role], layers: int | None) -> str:
    """What the arrow alone would need of its target's layer."""
    between = _kinds_gap(arrow, roles)
    limit = _limit(_circle([arrow], roles, layers))
    if between is None or limit is None:
        return ""
    if between.same_layer:
        return "the two have to lie in one layer"
    name, needed, last = limit
    return f"`{name}` would have to reach layer {needed}, and can lie in layer {last} at most"


def fit_layers(spec: Spec, layers: int) -> list[Diagnostic]:
    """The circuit block's roles and arrows, and the arrows that claims act on, in a model of so many layers."""
    circuit = spec.circuit
    if circuit is None:
        return []
    found = outside(circuit, layers) or check_order(circuit, layers)
    if found:
        return found
    acts = (act for claim in spec.claims for side in claim.quantities for act in side.interventions)
    for act in acts:
        if isinstance(act.target, Arrow):
            found += check_order(replace(circuit, arrows=(*circuit.claimed, act.target)), layers)
    return found
