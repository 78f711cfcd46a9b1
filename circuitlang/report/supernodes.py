"""CircuitGraph -> a few groups of nodes that a reader can take in: roles, heads, neurons of a kind, channels.

A head is its q, k and v channels. A residual channel is one group from a write to the last read before the next write.
A channel with one writer goes with it, else one with one reader goes with that. Neurons of a layer that read from and
write to the same groups and fire alike are one group; so are channels between the same groups. None of these steps
makes a circle, and each takes everything in order, so that equal circuits have equal groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from circuitlang.circuit.graph import CircuitGraph, GraphNode
from circuitlang.site import OF_HEADS, WRITES, Node, Place

SHOWN = 8
"""Groups beside the one of all that is left."""
Kind = Literal["role", "head", "neuron", "channel", "rest"]
Key = tuple[Kind, str | int, int]  # and: which layer or segment, and which number, or which role
Alike = Callable[[Node, Node], bool]


@dataclass(frozen=True, slots=True)
class Group:
    """`name`: of a role; empty for others. `nodes`: in order of computation; none where a role's are gone."""

    kind: Kind
    name: str
    nodes: tuple[GraphNode, ...]

    @property
    def lead(self) -> GraphNode | None:
        """The node that the group is described by: of those it is made of (not of channels that go with it), the one
        with the largest ablation effect."""
        places = {"head": OF_HEADS, "neuron": (Place.NEURON,)}.get(self.kind)
        inner = [n for n in self.nodes if places is None or n.node.site.place in places] or self.nodes
        return min(inner, key=lambda n: (-n.cost, n.node), default=None)

    @property
    def effect(self) -> float:
        """The largest ablation effect of one node, in nats."""
        return max((n.cost for n in self.nodes), default=0.0)


def supernodes(
    graph: CircuitGraph,
    roles: Mapping[str, Iterable[str]] | None = None,
    alike: Alike = lambda _one, _other: False,
    shown: int = SHOWN,
) -> tuple[Group, ...]:
    """A partition of the nodes: every role, then groups up to `shown`, those with the largest effects, in order of
    computation; at the end the group of all others, if there are any. A node of two roles is in the first of them. What
    neither reads a token nor has an edge to another group is among the others, if anything is not."""
    played = {node: name for name, nodes in reversed(list((roles or {}).items())) for node in nodes}
    keys = _first(graph, played)
    while (changed := _merged(graph, _folded(graph, keys), alike)) != keys:
        keys = changed
    keys = _bundled(graph, keys)
    found = {key: Group(key[0], "", _of(graph, keys, key)) for key in sorted(set(keys.values()), key=str)}
    mine = [Group("role", name, _of(graph, keys, ("role", name, 0))) for name in roles or {}]
    sources, targets = _ends(graph, keys)
    reading = {
        keys[e.target] for e in graph.drawn if isinstance(e.target, Node) and not isinstance(e.source, Node)
    }
    joined = [key for key in found if sources[key] or targets[key] or key in reading] or list(found)
    others = [found[key] for key in joined if key[0] != "role"]
    others.sort(key=lambda group: (-group.effect, group.nodes[0].node))
    others = sorted(others[: max(0, shown - len(mine))], key=lambda group: group.nodes[0].node)
    drawn = {n.node for group in (*mine, *others) for n in group.nodes}
    rest = tuple(n for n in graph.nodes if n.node not in drawn)
    return (*mine, *others, *([Group("rest", "", rest)] if rest else []))


def _of(graph: CircuitGraph, keys: Mapping[Node, Key], key: Key) -> tuple[GraphNode, ...]:
    return tuple(n for n in graph.nodes if keys[n.node] == key)


def _joined(graph: CircuitGraph) -> list[tuple[Node, Node]]:
    return [
        (edge.source, edge.target)
        for edge in graph.drawn
        if isinstance(edge.source, Node) and isinstance(edge.target, Node)
    ]


def _first(graph: CircuitGraph, played: Mapping[str, str]) -> dict[Node, Key]:
    """Each node's first group. A channel's segment ends where it is written after it was read."""
    keys: dict[Node, Key] = {}
    segments: dict[int, tuple[int, bool]] = {}  # channel -> segment, and whether it was read
    for found in graph.nodes:
        node, place = found.node, found.node.site.place
        if (role := played.get(str(node))) is not None:
            keys[node] = ("role", role, 0)
        elif found.head is not None:
            keys[node] = ("head", node.site.layer, found.head)
        elif place is Place.NEURON:
            keys[node] = ("neuron", node.site.layer, node.index)
        else:
            segment, read = segments.get(node.index, (0, False))
            write = place in WRITES
            segment += write and read
            segments[node.index] = segment, not write
            keys[node] = ("channel", segment, node.index)
    return keys


def _ends(graph: CircuitGraph, keys: Mapping[Node, Key]) -> tuple[dict[Key, set[Key]], dict[Key, set[Key]]]:
    """Group -> the groups that it has edges from, and to."""
    sources: dict[Key, set[Key]] = {key: set() for key in keys.values()}
    targets: dict[Key, set[Key]] = {key: set() for key in keys.values()}
    for source, target in _joined(graph):
        one, other = keys[source], keys[target]
        if one != other:
            targets[one].add(other)
            sources[other].add(one)
    return sources, targets


def _folded(graph: CircuitGraph, keys: dict[Node, Key]) -> dict[Node, Key]:
    """Channels with what alone writes or else alone reads them, as long as there is one. Nothing goes with a role."""
    while True:
        sources, targets = _ends(graph, keys)
        for key in sorted(sources, key=str):
            only = [next(iter(e)) for e in (sources[key], targets[key]) if len(e) == 1]
            into = next((one for one in only if one[0] != "role"), None)
            if key[0] == "channel" and into is not None:
                keys = {node: into if of == key else of for node, of in keys.items()}
                break
        else:
            return keys


def _merged(graph: CircuitGraph, keys: dict[Node, Key], alike: Alike) -> dict[Node, Key]:
    """Neurons of one layer with the same neighbours that fire alike, each with the first such."""
    sources, targets = _ends(graph, keys)
    firsts: dict[object, list[Key]] = {}
    into: dict[Key, Key] = {}
    for key in sorted(sources, key=str):
        if key[0] == "neuron" and (sources[key] or targets[key]):
            same = firsts.setdefault((key[1], frozenset(sources[key]), frozenset(targets[key])), [])
            neuron = _neuron(keys, key)
            into[key] = next((one for one in same if alike(_neuron(keys, one), neuron)), key)
            same += [key] if into[key] == key else []
    return {node: into.get(key, key) for node, key in keys.items()}


def _neuron(keys: Mapping[Node, Key], key: Key) -> Node:
    return next(node for node, of in keys.items() if of == key and node.site.place is Place.NEURON)


def _bundled(graph: CircuitGraph, keys: dict[Node, Key]) -> dict[Node, Key]:
    """Channels between the same groups."""
    sources, targets = _ends(graph, keys)
    firsts: dict[object, Key] = {}
    into = {
        key: firsts.setdefault((frozenset(sources[key]), frozenset(targets[key])), key)
        for key in sorted(sources, key=str)
        if key[0] == "channel" and (sources[key] or targets[key])
    }
    return {node: into.get(key, key) for node, key in keys.items()}


def computed(graph: CircuitGraph, groups: Sequence[Group]) -> list[Group]:
    """In order of computation: each behind all that it has edges from, where there is no circle."""
    of = {n.node: i for i, group in enumerate(groups) for n in group.nodes}
    before: dict[int, set[int]] = {i: set() for i in range(len(groups))}
    for edge in graph.drawn:
        one, other = (of.get(e) if isinstance(e, Node) else None for e in (edge.source, edge.target))
        if one is not None and other is not None and one != other:
            before[other].add(one)
    left = sorted(before, key=lambda i: ([n.node for n in groups[i].nodes[:1]], i))
    done: list[int] = []
    while left:
        done.append(next((i for i in left if before[i] <= set(done)), left[0]))
        left.remove(done[-1])
    return [groups[i] for i in done]


def title_of(group: Group) -> str:
    """What it is, as `head 2.3` (layer, head) or `neuron 0.125`."""
    lead = group.lead
    if group.kind == "role" or lead is None:
        return group.name
    site = lead.node.site
    if group.kind == "head":
        return f"head {site.layer}.{lead.head}"
    if group.kind == "channel":
        found = sorted({n.node.index for n in group.nodes})
        listed = ", ".join(map(str, found[:3])) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        return f"channel{'s' * (len(found) > 1)} {listed}"
    neurons = [n.node for n in group.nodes if n.node.site == site]
    return (
        f"{len(neurons)} neurons of layer {site.layer}"
        if len(neurons) > 1
        else f"neuron {site.layer}.{lead.node.index}"
    )
