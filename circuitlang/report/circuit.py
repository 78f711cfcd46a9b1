"""Circuit: one circuit that was found, with what is known of it; shown in notebooks and in formats of other tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circuitlang.circuit.graph import CircuitGraph, GraphEdge
from circuitlang.report.diagram import Diagram, dot
from circuitlang.report.edges import edge_list, graphml, led_on, read_graphml
from circuitlang.report.escape import no_command, visible
from circuitlang.report.listing import graph_lines, size_of
from circuitlang.report.neuronpedia import neuronpedia, read_neuronpedia
from circuitlang.report.unrolled import Seen
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import write_whole

if TYPE_CHECKING:
    import networkx


@dataclass(frozen=True)
class Circuit:
    """A circuit. What is not known is "" or None, as where only its graph was kept.

    plain   its nodes and edges as plain data
    name    of the spec that it was found for; `model`: as specs write it; `seed`: of the pruning
    loss    of the circuit alone, in nats per prompt: on `select` from `prune`, on `test` from a report
    target  the loss that the search had to reach on `select`; `reached`: whether it did
    roles   role of the hypothesis -> the names of the nodes that play it
    """

    plain: CircuitGraph = field(repr=False)
    name: str = ""
    model: str = ""
    seed: int | None = None
    loss: float | None = None
    target: float | None = None
    reached: bool | None = None
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes, as `1.neuron[37]`, in order of computation."""
        return tuple(map(str, self.plain.kept))

    @property
    def edges(self) -> tuple[GraphEdge, ...]:
        """Connections of every kind; `edge_count` counts those of kind `weight`."""
        return self.plain.edges

    @property
    def node_count(self) -> int:
        return self.plain.node_count

    @property
    def edge_count(self) -> int:
        """Nonzero weights between two kept nodes: the measure of Gao et al. 2025."""
        return self.plain.edge_count

    def graph(self) -> networkx.DiGraph[Any]:
        """Nodes have `layer`, `place`, `index`, `head`, `channel`, `cost` (nats) and `mean`, edges `weight` and `kind`.
        A text is ("token", text) where the circuit begins and ("answer", text) where it ends. Query and key lead on to
        what their head writes (report/edges.py)."""
        return led_on(self.plain).networkx()

    def diagram(self) -> Diagram:
        """The circuit as a picture: DOT text that shows itself in a notebook."""
        return Diagram(dot(self.plain, self.name or "circuit", [self.caption], self.roles))

    @property
    def caption(self) -> str:
        """Its size and loss, in one line."""
        parts = [
            size_of(self.node_count, self.plain.total_nodes, self.reached)
            + (f", {self.edge_count:,} edges" if self.node_count else ""),
            f"loss {self.loss:.3g} nats" if self.loss is not None else "",
            f"target {self.target:g}" if self.target is not None else "",
            "the target is not reached" if self.reached is False and self.node_count else "",
            f"seed {self.seed}" if self.seed is not None else "",
        ]
        return "; ".join(filter(None, parts))

    def to_edge_list(self) -> str:
        """A line per edge: source, target, weight and kind, with tabs between them (docs/api.md)."""
        return edge_list(self.plain)

    def to_neuronpedia(self, seen: Seen | None = None, slug: str | None = None) -> dict[str, Any]:
        """The circuit as Neuronpedia's attribution graph. `seen`: on which prompt it is shown, from `Model.see`;
        None: on none, and then nothing is said of positions and values. `slug`: the graph's name there."""
        return neuronpedia(self.plain, self.name, self.model, self.caption, self.roles, seen, slug)

    def to_graphml(self) -> str:
        """For Gephi, Cytoscape, yEd and igraph; `from_graphml` reads it."""
        return graphml(self.plain)

    @classmethod
    def from_graphml(cls, text: str) -> Circuit:
        """Raises ValueError where the text is none of a circuit."""
        return cls(read_graphml(text))

    def to_json(self) -> str:
        """What `circuit.json` holds; `from_json` reads it."""
        return self.plain.to_json()

    @classmethod
    def from_json(cls, text: str | bytes, **known: Any) -> Circuit:
        """Of a `circuit.json` or of Neuronpedia's JSON. Raises ValueError where the text is neither."""
        data = json.loads(text)
        if not isinstance(data, Mapping):
            raise ValueError("not a circuit")
        if "metadata" in data:
            return cls(read_neuronpedia(data), **known)
        known = {"name": str(data.get("spec", "")), "seed": data.get("seed")} | known
        return cls(CircuitGraph.from_data(data), **known)

    def write(self, path: Path | str) -> Path:
        """Writes a file, whole or not at all, in the format that its name says: see `FORMATS`."""
        path = Path(path)
        form = next((name for name, ending in FORMATS.items() if path.name.endswith(ending)), None)
        if form is None:
            endings = ", ".join(f"`{ending}` ({name})" for name, ending in FORMATS.items())
            raise CommandError(f"{path}: the name says no format; the endings are {endings}")
        write_whole(path, self.text(form))
        return path

    def text(self, form: str) -> str:
        """The circuit in one of `FORMATS`."""
        if form == "neuronpedia":
            return no_command(json.dumps(self.to_neuronpedia(), indent=1), r"\u005b") + "\n"
        return {
            "edges": self.to_edge_list,
            "graphml": self.to_graphml,
            "dot": lambda: str(self.diagram()),
            "json": self.to_json,
        }[form]()

    def __str__(self) -> str:
        return f"{self.name or 'circuit'}: {self.caption}"

    def _repr_svg_(self) -> str | None:
        return self.diagram()._repr_svg_()

    def _repr_html_(self) -> str:
        """The picture; where nothing can draw it, the list of its nodes and edges."""
        head = f"<p><b>{escape(visible(self.name or 'circuit'))}</b>: {escape(self.caption)}</p>"
        drawn = self._repr_svg_()
        if drawn is None:
            return f"{head}<pre>{escape(chr(10).join(graph_lines(self.plain)))}</pre>"
        return f'{head}<div style="max-width:100%;overflow-x:auto">{drawn[drawn.index("<svg") :]}</div>'


FORMATS = {
    "neuronpedia": ".neuronpedia.json",
    "edges": ".tsv",
    "graphml": ".graphml",
    "dot": ".dot",
    "json": ".json",
}
"""Formats, each with the ending of its files' names."""
