"""CircuitGraph: the nodes of a circuit and what connects them, as plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from circuitlang.site import OF_HEADS, READS, WRITES, Node, Place, parse_node

if TYPE_CHECKING:
    import networkx

EdgeKind = Literal["weight", "unneeded", "embedding", "unembedding", "attention", "residual"]
EDGE_KINDS: tuple[EdgeKind, ...] = get_args(EdgeKind)
WEIGHTS: tuple[EdgeKind, ...] = ("weight", "unneeded")
ANSWER = "answer"  # the end of every circuit: the unembedding's difference between the answer and its foils


End = Node | str


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One kept node.

    cost     rise of the loss on `select`, in nats per prompt, when this node alone is ablated in the circuit
    mean     the value that stands in for the node when it is ablated (its mean over pretraining text)
    head     for q, k and v: which head it belongs to
    channel  for q, k and v: its index within the head
    """

    node: Node
    cost: float
    mean: float
    head: int | None = None
    channel: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.cost) and math.isfinite(self.mean)):
            raise ValueError(f"{self.node}: cost {self.cost} and mean {self.mean} must be finite")
        of_head = self.node.site.place in OF_HEADS
        if of_head != (self.head is not None) or of_head != (self.channel is not None):
            raise ValueError(f"{self.node}: head and channel belong to q, k and v, and to nothing else")


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """One connection. An end is a kept node, or a text: a token, "embedding", or `ANSWER`.

    kind `weight`       a nonzero weight between two kept nodes: attn_in -> q, k, v; v -> attn_out; mlp_in -> neuron;
                        neuron -> mlp_out
         `unneeded`     the same, but ablated together with all others of this kind the circuit still reaches its
                        target (circuit/unneeded.py). Not drawn
         `embedding`    a nonzero weight from a token (or "embedding") to the channel that a kept node reads
         `unembedding`  a nonzero weight from the channel that a kept node writes to a token (or `ANSWER`)
         `attention`    the product of a q and a k channel: same head, same channel. Not counted
         `residual`     a write and a later read of one residual channel, or `ANSWER`. Not counted; weight 1
    """

    source: End
    target: End
    weight: float
    kind: EdgeKind

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise ValueError(f"{self.source} -> {self.target}: weight {self.weight} must be finite")


@dataclass(frozen=True, slots=True)
class CircuitGraph:
    """A circuit. Nodes stand in order of computation, edges in order of their ends, one between two ends.

    total_nodes: how many nodes the model has that a circuit could keep.
    """

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    total_nodes: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(sorted(self.nodes, key=lambda n: n.node)))
        object.__setattr__(self, "edges", tuple(sorted(self.edges, key=_edge_order)))
        kept = {node.node for node in self.nodes}
        if len(kept) != len(self.nodes):
            raise ValueError("a node occurs twice in the circuit")
        if len(kept) > self.total_nodes:
            raise ValueError(f"{len(kept)} nodes kept of a model with {self.total_nodes}")
        pairs = {(edge.source, edge.target) for edge in self.edges}
        if len(pairs) != len(self.edges):
            raise ValueError("two edges join the same two ends")
        for edge in self.edges:
            for end in (edge.source, edge.target):
                if isinstance(end, Node) and end not in kept:
                    raise ValueError(f"an edge ends at {end}, which is not in the circuit")
            if edge.kind in WEIGHTS and not (isinstance(edge.source, Node) and isinstance(edge.target, Node)):
                raise ValueError(f"{edge.source} -> {edge.target}: a weight edge joins two nodes")

    @property
    def node_count(self) -> int:
        return len(self.nodes)

    @property
    def kept(self) -> tuple[Node, ...]:
        """The nodes, in order of computation."""
        return tuple(found.node for found in self.nodes)

    @property
    def drawn(self) -> tuple[GraphEdge, ...]:
        """All edges but the unneeded ones."""
        return tuple(edge for edge in self.edges if edge.kind != "unneeded")

    @property
    def unneeded(self) -> tuple[tuple[Node, Node], ...]:
        """The two ends of every edge of this kind, in order."""
        without = {(edge.source, edge.target) for edge in self.edges if edge.kind == "unneeded"}
        return tuple(ends for ends in self.weights if ends in without)

    @property
    def weights(self) -> tuple[tuple[Node, Node], ...]:
        """The two ends of every edge that `edge_count` counts, in order."""
        return tuple(
            (edge.source, edge.target)
            for edge in self.edges
            if edge.kind in WEIGHTS and isinstance(edge.source, Node) and isinstance(edge.target, Node)
        )

    @property
    def edge_count(self) -> int:
        """Nonzero weights between two kept nodes, needed or not: the measure of a circuit's size of Gao et al. 2025."""
        return self._count(*WEIGHTS)

    @property
    def needed_edge_count(self) -> int:
        """Of these, the ones that are drawn: ablated together, all others leave the loss under the target."""
        return self._count("weight")

    @property
    def embedding_edge_count(self) -> int:
        return self._count("embedding")

    @property
    def unembedding_edge_count(self) -> int:
        return self._count("unembedding")

    def _count(self, *kinds: EdgeKind) -> int:
        return sum(edge.kind in kinds and edge.weight != 0 for edge in self.edges)

    def to_data(self) -> dict[str, Any]:
        """The graph in terms of JSON, as `GRAPH_SCHEMA` says. `from_data` is its inverse, bit for bit."""
        return {
            "total_nodes": self.total_nodes,
            "nodes": [
                {"node": str(n.node), "cost": n.cost, "mean": n.mean, "head": n.head, "channel": n.channel}
                for n in self.nodes
            ],
            "edges": [
                {
                    "source": _end_data(e.source),
                    "target": _end_data(e.target),
                    "weight": e.weight,
                    "kind": e.kind,
                }
                for e in self.edges
            ],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> CircuitGraph:
        """Raises ValueError when `data` does not describe a circuit."""
        try:
            nodes = tuple(
                GraphNode(
                    node=parse_node(n["node"]),
                    cost=float(n["cost"]),
                    mean=float(n["mean"]),
                    head=_index(n["head"]),
                    channel=_index(n["channel"]),
                )
                for n in data["nodes"]
            )
            edges = tuple(
                GraphEdge(_end(e["source"]), _end(e["target"]), float(e["weight"]), _kind(e["kind"]))
                for e in data["edges"]
            )
            return cls(nodes, edges, int(data["total_nodes"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a circuit: {error!r}") from error

    def to_json(self) -> str:
        """What `circuit.json` holds. The same circuit gives the same bytes."""
        return json.dumps(self.to_data(), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> CircuitGraph:
        return cls.from_data(json.loads(text))

    def networkx(self) -> networkx.DiGraph[Any]:
        """Edges of every kind. A node is called "1.neuron[37]", as in `.cir`; a text end ("token", text) where the
        circuit begins and ("answer", text) where it ends, so that a token at both ends makes no cycle."""
        import networkx

        graph = networkx.DiGraph(total_nodes=self.total_nodes)
        for n in self.nodes:
            graph.add_node(
                str(n.node),
                layer=n.node.site.layer,
                place=str(n.node.site.place),
                index=n.node.index,
                head=n.head,
                channel=n.channel,
                cost=n.cost,
                mean=n.mean,
            )
        for e in self.edges:
            source = str(e.source) if isinstance(e.source, Node) else ("token", e.source)
            target = str(e.target) if isinstance(e.target, Node) else ("answer", e.target)
            graph.add_edge(source, target, weight=e.weight, kind=e.kind)
        return graph


def residual_edges(nodes: Iterable[Node], write_to_answer: bool = True) -> tuple[GraphEdge, ...]:
    """The residual stream between kept nodes: every write to every later read of the same channel.

    `write_to_answer`: a write also reaches `ANSWER`, through the final norm and the unembedding. Leave it
    out where `unembedding` edges are given for the same nodes.
    """
    ordered = sorted(nodes)
    return tuple(
        edge
        for write in ordered
        if write.site.place in WRITES
        for edge in _carried(write, ordered, write_to_answer)
    )


def _carried(write: Node, ordered: list[Node], to_answer: bool) -> Iterator[GraphEdge]:
    for read in ordered:
        if read.site.place in READS and read.index == write.index and write.site < read.site:
            yield GraphEdge(write, read, 1.0, "residual")
    if to_answer:
        yield GraphEdge(write, ANSWER, 1.0, "residual")


def attention_edges(nodes: Iterable[GraphNode]) -> tuple[GraphEdge, ...]:
    """Every kept k channel with the kept q channel it is multiplied with: same layer, head and channel."""
    ordered = sorted(nodes, key=lambda n: n.node)
    queries = {
        (n.node.site.layer, n.head, n.channel): n.node for n in ordered if n.node.site.place is Place.Q
    }
    pairs = (
        (n.node, queries.get((n.node.site.layer, n.head, n.channel)))
        for n in ordered
        if n.node.site.place is Place.K
    )
    return tuple(GraphEdge(key, query, 1.0, "attention") for key, query in pairs if query is not None)


def jaccard(first: CircuitGraph, second: CircuitGraph) -> tuple[float, float]:
    """Overlap of two circuits of one model, shared over all: of nodes; of weight edges. Empty sets: 1."""
    nodes = [set(graph.kept) for graph in (first, second)]
    edges = [set(graph.weights) for graph in (first, second)]
    return _share(*nodes), _share(*edges)


def _share(first: set[Any], second: set[Any]) -> float:
    return len(first & second) / len(first | second) if first or second else 1.0


def _end_order(end: End) -> tuple[int, tuple[int, int], int, str]:
    """Tokens first, then nodes in order of computation, `ANSWER` last."""
    if isinstance(end, Node):
        return 1, end.site.order, end.index, ""
    return (2 if end == ANSWER else 0), (0, 0), 0, end


def _edge_order(edge: GraphEdge) -> tuple[Any, ...]:
    return _end_order(edge.source), _end_order(edge.target), edge.kind


def _end_data(end: End) -> str | dict[str, str]:
    """A node is its name; a text is wrapped, so that a token spelled like a node's name stays a token."""
    return str(end) if isinstance(end, Node) else {"token": end}


def _end(data: str | Mapping[str, str]) -> End:
    return parse_node(data) if isinstance(data, str) else str(data["token"])


def _index(data: object) -> int | None:
    if data is None or (isinstance(data, int) and data >= 0):
        return data
    raise ValueError(f"not the number of a head or a channel: {data!r}")


def _kind(text: str) -> EdgeKind:
    for kind in EDGE_KINDS:
        if kind == text:
            return kind
    raise ValueError(f"not a kind of edge: {text!r} (known: {', '.join(EDGE_KINDS)})")


_NODE_SCHEMA = {"type": "string", "pattern": r"^[0-9]+\.[a-z_]+\[[0-9]+\]$"}
_END_SCHEMA = {
    "anyOf": [
        _NODE_SCHEMA,
        {
            "type": "object",
            "properties": {"token": {"type": "string"}},
            "required": ["token"],
            "additionalProperties": False,
        },
    ]
}
_OPTIONAL_INDEX = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}


def _record(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def graph_schema() -> dict[str, Any]:
    """The JSON Schema of `to_data`, for docs/report.schema.json."""
    node = _record(
        {
            "node": _NODE_SCHEMA,
            "cost": {"type": "number", "description": "rise of the loss when ablated alone, nats per prompt"},
            "mean": {"type": "number", "description": "the value that stands in for the ablated node"},
            "head": _OPTIONAL_INDEX,
            "channel": _OPTIONAL_INDEX,
        }
    )
    edge = _record(
        {
            "source": _END_SCHEMA,
            "target": _END_SCHEMA,
            "weight": {"type": "number"},
            "kind": {"enum": list(EDGE_KINDS)},
        }
    )
    return _record(
        {
            "total_nodes": {"type": "integer", "minimum": 0},
            "nodes": {"type": "array", "items": node},
            "edges": {"type": "array", "items": edge},
        }
    )
