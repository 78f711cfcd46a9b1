"""An intervention of a claim + a circuit and its roles -> what is done to which nodes: a setting, or one per member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from circuitlang.circuit.cut import Cut
from circuitlang.circuit.graph import CircuitGraph
from circuitlang.circuit.intervene import Act
from circuitlang.circuit.match import Binding
from circuitlang.circuit.parts import Part
from circuitlang.claims.measure import Setting, Where
from circuitlang.claims.metrics import Unbound
from circuitlang.program.hypothesis import ANSWER, Arrow, Port
from circuitlang.program.spec import Intervention, Quantity
from circuitlang.site import Node

Nodes = tuple[Node, ...]


@dataclass(frozen=True)
class Subject:
    """What claims can speak of. `randoms`: name -> nodes, of random circuits; `cases`: the names of the task's."""

    graph: CircuitGraph
    binding: Binding | None
    randoms: Mapping[str, Nodes]
    cases: Sequence[str]

    @property
    def nodes(self) -> Nodes:
        return tuple(sorted(found.node for found in self.graph.nodes))

    def settings(self, quantity: Quantity) -> dict[str, Setting]:
        """By the name of the member that it is taken for; one without a name where nothing is taken one at a time.

        Raises Unbound where it speaks of a role that nothing plays.
        """
        where: Where = tuple(sorted((name, low, high) for name, (low, high) in quantity.where.items()))
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
            pairs = [
                (e.source, e.target)
                for e in self.graph.edges
                if e.kind == "weight" and isinstance(e.source, Node) and isinstance(e.target, Node)
            ]
            return {f"{source} -> {end}": Setting(edges=((source, end),)) for source, end in pairs}
        if isinstance(target, Arrow):
            return {"": Setting(cuts=(self._cut(target, act.at),))}
        if act.each == "node":
            return {str(node): self._nodes(act, (node,)) for node in self.nodes}
        if act.each == "role":
            assert isinstance(target, Port)
            return {part.name: self._nodes(act, part.nodes) for part in self._parts(target.role)}
        if isinstance(target, Port):
            return {"": self._nodes(act, self._side(target))}
        if target == "random":
            return {name: self._nodes(act, nodes) for name, nodes in self.randoms.items()}
        return {"": self._nodes(act, self.nodes)}

    def _nodes(self, act: Intervention, nodes: Nodes) -> Setting:
        done = Act(
            "keep", nodes, act.value, act.at, None if act.to is None else list(self.cases).index(act.to)
        )
        return Setting((replace(done, kind=act.kind),))  # pyright: ignore[reportArgumentType]

    def _cut(self, arrow: Arrow, at: str | None) -> Cut:
        source = self._leaving(arrow.source)
        target = None if arrow.target.role == ANSWER else self._side(arrow.target)
        return Cut(source, target, arrow.direct, at)

    def _leaving(self, port: Port) -> Nodes:
        """What is ablated at the arrow's beginning: all of the part, whatever side it is said to leave by."""
        return tuple(sorted({node for part in self._parts(port.role) for node in part.nodes}))

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
