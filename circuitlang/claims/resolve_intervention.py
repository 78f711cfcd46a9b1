"""An intervention of a claim + a circuit and its roles -> what is done to which nodes: a setting, or one per member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from circuitlang.circuit.cut import Cut, EdgeCut, Kind
from circuitlang.circuit.graph import CircuitGraph
from circuitlang.circuit.intervene import Act
from circuitlang.circuit.intervene import Kind as ActKind
from circuitlang.circuit.match import Binding
from circuitlang.circuit.parts import Part
from circuitlang.circuit.plugin_intervention import Plugged
from circuitlang.claims.measure import Setting, where_of
from circuitlang.claims.metrics import Unbound
from circuitlang.language.program.hypothesis import ANSWER, Arrow, Port
from circuitlang.language.program.plugins import intervention_row
from circuitlang.language.program.spec import Intervention, Quantity
from circuitlang.site import Node, Place

Nodes = tuple[Node, ...]


@dataclass(frozen=True)
class Subject:
    """What claims can speak of. `randoms`: name -> nodes, of random circuits; `cases`: the names of the task's."""

    graph: CircuitGraph
    binding: Binding | None
    randoms: Mapping[str, Nodes]
    cases: Sequence[str]

    def settings(self, quantity: Quantity) -> dict[str, Setting]:
        """By the name of the member that it is taken for; one without a name where nothing is taken one at a time.

        Raises Unbound where it speaks of a role that nothing plays.
        """
        where = where_of(quantity)
        each = [self._one(act) for act in quantity.interventions]
        found: dict[str, Setting] = {}
        for combination in product(*(done.items() for done in each)):
            name = ", ".join(name for name, _ in combination if name)
            found[name] = Setting(
                acts=tuple(act for _, part in combination for act in part.acts),
                cuts=tuple(cut for _, part in combination for cut in part.cuts),
                edges=tuple(edge for _, part in combination for edge in part.edges),
                where=where,
            )
        return found

    def _one(self, act: Intervention) -> dict[str, Setting]:
        """What one intervention does, by member."""
        target = act.target
        if act.each == "edge":
            return {
                f"{source} -> {end}": Setting(edges=(self._edge(act, source, end),))
                for source, end in self.graph.weights
            }
        if isinstance(target, Arrow):
            return {"": Setting(cuts=(self._cut(target, act),))}
        if act.each == "node":
            return {str(node): self._nodes(act, (node,)) for node in self.graph.kept}
        if act.each == "role":
            assert isinstance(target, Port)
            return {part.name: self._nodes(act, part.nodes) for part in self._parts(target.role)}
        if isinstance(target, Port):
            return {"": self._nodes(act, self._side(target))}
        if target == "random":
            return {name: self._nodes(act, nodes) for name, nodes in self.randoms.items()}
        return {"": self._nodes(act, self.graph.kept)}

    def _nodes(self, act: Intervention, nodes: Nodes) -> Setting:
        return Setting((Act(_kind(act), nodes, act.value, act.at, self._case(act.to), _package(act)),))

    def _edge(self, act: Intervention, source: Node, target: Node) -> EdgeCut:
        kind, by = _through(act), _package(act)
        return EdgeCut(source, target, kind, act.value, act.at, self._case(act.to), by)

    def _cut(self, arrow: Arrow, act: Intervention) -> Cut:
        kind, by = _through(act), _package(act)
        multiplied = kind == "scale"
        source = self._writing(arrow.source) if multiplied else self._leaving(arrow.source)
        target = None if arrow.target.role == ANSWER else self._side(arrow.target)
        return Cut(source, target, arrow.direct, act.at, kind, act.value, self._case(act.to), by)

    def _case(self, name: str | None) -> int | None:
        return None if name is None else list(self.cases).index(name)

    def _leaving(self, port: Port) -> Nodes:
        """What is changed at the arrow's beginning: all of the part, whatever side it is said to leave by."""
        return tuple(sorted({node for part in self._parts(port.role) for node in part.nodes}))

    def _writing(self, port: Port) -> Nodes:
        """What is multiplied at the arrow's beginning: of a head its values alone, which decide how much it writes,
        while query and key decide where it looks."""
        found: set[Node] = set()
        for part in self._parts(port.role):
            found |= {n for n in part.nodes if not part.is_head or n.site.place is Place.V}
        if not found:
            raise Unbound(f"the circuit keeps nothing of `{port.role}.value`, by which it writes")
        return tuple(sorted(found))

    def _side(self, port: Port) -> Nodes:
        """The nodes of a role, or those of a head's side."""
        sides = {
            None: lambda part: part.nodes,
            "out": lambda part: tuple(sorted(part.leaves)),
        }
        side = sides.get(port.part, lambda part: tuple(sorted(part.enters(port.part))))
        found = tuple(sorted({node for part in self._parts(port.role) for node in side(part)}))
        if not found:
            raise Unbound(f"the circuit keeps nothing of `{port}`")
        return found

    def _parts(self, role: str) -> tuple[Part, ...]:
        if self.binding is None:
            raise Unbound(f"no node of the circuit plays the role `{role}`")
        return self.binding.parts[role]


def _kind(act: Intervention) -> ActKind:
    if _package(act) is not None:
        return "change"
    assert act.kind in ("keep", "drop", "swap", "set", "scale"), act
    return act.kind


def _through(act: Intervention) -> Kind:
    """What happens to what goes through a connection; `keep` and `set` are refused of one before."""
    kind = _kind(act)
    assert kind not in ("keep", "set"), act
    return kind


def _package(act: Intervention) -> Plugged | None:
    """The function of a package that carries it out; None for what the language has itself."""
    row = intervention_row(act.kind)
    return Plugged(row.name, row.change) if row.change else None
