"""CircuitGraph -> DOT text, for Graphviz to draw (render.py).

Read from the bottom, where the tokens enter, to the answer at the top. Each box is a kept node, coloured by what the
loss rises by when it alone is ablated; each line a connection. The same graph gives the same DOT text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from circuitlang.circuit.graph import CircuitGraph, GraphEdge, GraphNode
from circuitlang.report.escape import visible
from circuitlang.report.render import svg
from circuitlang.site import Node, Place, Site

# Rise of the loss in nats -> fill and text colour; a bin holds what is under its limit (ColorBrewer YlGn).
COSTS = (
    (0.001, "#ffffff", "#000000"),
    (0.01, "#f0f9c0", "#000000"),
    (0.03, "#c2e699", "#000000"),
    (0.1, "#78c679", "#000000"),
    (0.3, "#238443", "#ffffff"),
    (math.inf, "#00441b", "#ffffff"),
)
COST_NAMES = ("under 0.001", "to 0.01", "to 0.03", "to 0.1", "to 0.3", "more")
_POSITIVE, _NEGATIVE, _NEUTRAL, _PATTERN = "#2166ac", "#c1440e", "#8a8a8a", "#7b3fa0"
_FONT = "Helvetica,Arial,sans-serif"
_TOKENS_SHOWN = 3  # of the tokens that a node reads or writes: those with the largest weights
_ROLE = "#7a0177"
_TEXT_LINE = "#c9a227"
_TEXT_BOX = {"shape": "box", "style": "filled", "fillcolor": "#fff7e0", "color": _TEXT_LINE, "fontsize": "10"}
_ALLOWED = frozenset(
    """arrowhead arrowsize bgcolor color fillcolor fontcolor fontname fontsize height label labeljust labelloc margin
    newrank nodesep outputorder pad penwidth rankdir ranksep shape splines style weight width""".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Diagram:
    """A picture as DOT text. Shows itself in a notebook."""

    source: str

    def __str__(self) -> str:
        return self.source

    def _repr_svg_(self) -> str | None:
        return svg(self.source)


Roles = Mapping[str, Sequence[str]]
"""Role -> the names of the nodes that play it."""


def dot(
    graph: CircuitGraph, title: str = "circuit", notes: Sequence[str] = (), roles: Roles | None = None
) -> str:
    """DOT text. `title` and `notes` stand above the picture, as given, one line each; below them what colours and
    lines mean. A node that plays a role has the role's name above its own, and a heavier frame."""
    played = {
        str(found.node): [role for role, nodes in (roles or {}).items() if str(found.node) in nodes]
        for found in graph.nodes
    }
    read, written = _read(graph.edges), _written(graph.edges)
    look = _attributes(
        rankdir="BT",
        newrank="true",
        bgcolor="white",
        fontname=_FONT,
        fontsize="12",
        labelloc="t",
        nodesep="0.2",
        ranksep="0.4",
        pad="0.25",
        splines="true",
        outputorder="edgesfirst",
    )
    boxes = _attributes(
        shape="box",
        style="filled,rounded",
        fillcolor="white",
        color="#555555",
        fontname=_FONT,
        fontsize="11",
        margin="0.09,0.045",
        height="0.3",
    )
    lines = [
        "digraph circuit {",
        f"  graph {look};",
        f"  graph [label={_heading(title, notes)}];",
        f"  node {boxes};",
        f"  edge {_attributes(arrowsize='0.6', color=_NEUTRAL)};",
        *_layers(graph, read, written, played),
        *(
            [f"  {quote('answer')} {_attributes(label='answer', **_TEXT_BOX | {'fontsize': '13'})};"]
            if written
            else []
        ),
        *_ranks(_rows(graph, read, written), bool(written)),
        *_edges(graph, read, written),
        "}",
    ]
    return "\n".join(lines) + "\n"


def quote(text: str) -> str:
    """A DOT string that shows exactly this text, one line per line. Neither an escape, an entity, nor HTML."""
    shown = "\\n".join(
        visible(line).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
        for line in text.split("\n")
    )
    return f'"{shown}"'


def _attributes(**given: str) -> str:
    """`[name="value", …]`, sorted; only names on the list, so that no text of the user's can become another one."""
    unknown = set(given) - _ALLOWED
    if unknown:
        raise AssertionError(f"attributes not on the list: {sorted(unknown)}")
    return f"[{', '.join(f'{name}={quote(value)}' for name, value in sorted(given.items()))}]"


def cost_colours(cost: float) -> tuple[str, str]:
    """Fill and text of a node with this cost, in nats."""
    return next((fill, text) for limit, fill, text in COSTS if cost < limit or limit == math.inf)


# --- nodes -----------------------------------------------------------------------------------------------


def _layers(
    graph: CircuitGraph, read: Mapping[Node, str], written: Mapping[Node, str], played: Roles
) -> Iterator[str]:
    """A frame per layer, and in it one per attention head. Its rows' anchors are inside: that stacks the layers."""
    rows = _rows(graph, read, written)
    for layer in sorted({node.node.site.layer for node in graph.nodes}):
        inside = [node for node in graph.nodes if node.node.site.layer == layer]
        yield f"  subgraph {quote(f'cluster {layer}')} {{"
        yield f"    graph {_frame(f'layer {layer}', '#f6f6f3', '#dcdcd6')};"
        for head in sorted({node.head for node in inside if node.head is not None}):
            yield f"    subgraph {quote(f'cluster {layer} {head}')} {{"
            yield f"      graph {_frame(f'head {head}', '#ebebf5', '#c9c9dd')};"
            yield from (f"      {_box(node, played[str(node.node)])}" for node in inside if node.head == head)
            yield "    }"
        yield from (f"    {_box(node, played[str(node.node)])}" for node in inside if node.head is None)
        for name, texts in ((_tokens_of, read), (_answer_of, written)):
            here = {node: text for node, text in texts.items() if text and node.site.layer == layer}
            yield from (
                f"    {quote(name(node))} {_attributes(label=t, **_TEXT_BOX)};" for node, t in here.items()
            )
        yield from (f"    {_anchor(number)}" for number, row in enumerate(rows) if row.layer == layer)
        yield "  }"


def _anchor(number: int) -> str:
    look = _attributes(style="invis", shape="point", width="0.01", height="0.01", label="")
    return f"{quote(f'height {number}')} {look};"


def _frame(label: str, fill: str, line: str) -> str:
    return _attributes(
        label=label,
        labeljust="l",
        fontcolor="#666666",
        fontsize="12",
        style="filled,rounded",
        fillcolor=fill,
        color=line,
        margin="8",
    )


def _box(node: GraphNode, roles: Sequence[str]) -> str:
    fill, text = cost_colours(node.cost)
    cost = f"{node.cost:+.2g}" if abs(node.cost) >= 0.001 else "±0"
    label = f"{node.node}\n{cost}" if node.head is None else f"{node.node}\nchannel {node.channel}   {cost}"
    if not roles:
        return f"{quote(str(node.node))} {_attributes(label=label, fillcolor=fill, fontcolor=text)};"
    label = f"{', '.join(roles)}\n{label}"
    look = _attributes(label=label, fillcolor=fill, fontcolor=text, color=_ROLE, penwidth="2.5")
    return f"{quote(str(node.node))} {look};"


def _read(edges: Iterable[GraphEdge]) -> dict[Node, str]:
    """Per node that reads the embedding: the tokens with the largest weights, one line each, and how many more."""
    found: dict[Node, dict[str, float]] = {}
    for edge in edges:
        if isinstance(edge.source, str) and isinstance(edge.target, Node):
            found.setdefault(edge.target, {})[edge.source] = edge.weight
    return {node: _strongest(found[node]) for node in sorted(found)}


def _written(edges: Iterable[GraphEdge]) -> dict[Node, str]:
    """Per node that writes to the answer: its weights to the answers' and foils' tokens."""
    found: dict[Node, dict[str, float]] = {}
    for edge in edges:
        if isinstance(edge.source, Node) and isinstance(edge.target, str):
            weights = found.setdefault(edge.source, {})
            if edge.kind != "residual":
                weights[edge.target] = edge.weight
    return {node: _strongest(found[node]) for node in sorted(found)}


def _strongest(weights: Mapping[str, float]) -> str:
    ordered = sorted(weights.items(), key=lambda item: (-abs(item[1]), item[0]))
    lines = [f"{_token(text)} {weight:+.2g}" for text, weight in ordered[:_TOKENS_SHOWN]]
    more = len(ordered) - len(lines)
    return "\n".join([*lines, *([f"and {more} more"] if more else [])])


def _tokens_of(node: Node) -> str:
    return f"tokens of {node}"


def _answer_of(node: Node) -> str:
    return f"answer of {node}"


def _token(text: str) -> str:
    """A token in quotation marks, so that its spaces show; cut where it is long."""
    shown = visible(text)
    return f"“{shown if len(shown) <= 24 else shown[:23] + '…'}”"


@dataclass(frozen=True, slots=True)
class _Row:
    """What stands at one height of one layer."""

    layer: int
    names: list[str]


def _rows(graph: CircuitGraph, read: Mapping[Node, str], written: Mapping[Node, str]) -> list[_Row]:
    """In order of computation; q, k and v share a row. The box of what a node reads is one row below it, the box of
    what it writes one row above, in its own layer: rows are added under the first and over the last as needed."""
    rows: list[_Row] = []
    for layer in sorted({node.node.site.layer for node in graph.nodes}):
        places: dict[int, list[Node]] = {}
        for node in graph.nodes:
            if node.node.site.layer == layer:
                site = node.node.site if node.head is None else Site(layer, Place.Q)
                places.setdefault(site.order[1], []).append(node.node)
        column = [[], *(places[order] for order in sorted(places)), []]
        names = [[str(node) for node in row] for row in column]
        for number, row in enumerate(column):
            names[max(number - 1, 0)] += [_tokens_of(node) for node in row if read.get(node)]
            names[min(number + 1, len(names) - 1)] += [_answer_of(node) for node in row if written.get(node)]
        rows += [_Row(layer, row) for row in names if row]
    return rows


def _ranks(rows: Sequence[_Row], answered: bool) -> Iterator[str]:
    """One rank per row, the answer above all; invisible lines from anchor to anchor keep their order."""
    for number, row in enumerate(rows):
        yield f"  {{ rank=same; {'; '.join(map(quote, (f'height {number}', *row.names)))}; }}"
    for below, above in pairwise(range(len(rows))):
        ends = f"{quote(f'height {below}')} -> {quote(f'height {above}')}"
        yield f"  {ends} {_attributes(style='invis', weight='30')};"
    if answered:
        yield f"  {{ rank=sink; {quote('answer')}; }}"


# --- edges -----------------------------------------------------------------------------------------------


def _edges(graph: CircuitGraph, read: Mapping[Node, str], written: Mapping[Node, str]) -> Iterator[str]:
    """Between nodes, each edge; from tokens and to the answer, one line by way of the box that has the weights."""
    largest = max((abs(edge.weight) for edge in graph.edges if edge.kind == "weight"), default=0.0) or 1.0
    for edge in graph.drawn:
        if isinstance(edge.source, Node) and isinstance(edge.target, Node):
            ends = [quote(str(edge.source)), quote(str(edge.target))]
            if edge.kind == "attention":  # the query stands to the left of its key
                ends.reverse()
            yield f"  {' -> '.join(ends)} {_line(edge, largest)};"
    text = _attributes(color=_TEXT_LINE)
    yield from (f"  {quote(_tokens_of(node))} -> {quote(str(node))} {text};" for node in read)
    for node, weights in written.items():
        path = [str(node), *([_answer_of(node)] if weights else []), "answer"]
        yield f"  {' -> '.join(map(quote, path))} {text};"


def _line(edge: GraphEdge, largest: float) -> str:
    """Width by the weight's size, relative to the largest of its kind; colour by its sign."""
    if edge.kind == "residual":
        return _attributes(style="dashed", color=_NEUTRAL, penwidth="1")
    if edge.kind == "attention":
        return _attributes(style="dotted", color=_PATTERN, penwidth="1.8", arrowhead="none")
    width = 0.7 + 3.3 * abs(edge.weight) / largest
    return _attributes(color=_POSITIVE if edge.weight >= 0 else _NEGATIVE, penwidth=f"{width:.2f}")


# --- the heading -----------------------------------------------------------------------------------------


def _heading(title: str, notes: Sequence[str]) -> str:
    """Title, notes and legend as one HTML-like label; the only place where DOT gets tags, all of them ours."""
    cells = "".join(
        f'<td bgcolor="{fill}"><font color="{text}" point-size="10">{name}</font></td>'
        for (_, fill, text), name in zip(COSTS, COST_NAMES, strict=True)
    )
    strokes = "&nbsp;&nbsp;&nbsp;&nbsp;".join(
        f'<font color="{colour}"><b>{stroke}</b></font> {name}'
        for colour, stroke, name in (
            (_POSITIVE, "——", "positive weight"),
            (_NEGATIVE, "——", "negative weight"),
            (_NEUTRAL, "- - -", "same residual channel"),
            (_PATTERN, "· · ·", "query × key"),
        )
    )
    rows = [
        f'<tr><td><font point-size="17"><b>{_html(title)}</b></font></td></tr>',
        *(f"<tr><td>{_html(note)}</td></tr>" for note in notes),
        '<tr><td><table border="0" cellborder="1" cellspacing="0" cellpadding="3" color="#bbbbbb"><tr>'
        '<td border="0"><font point-size="10">number and colour: rise of the loss without the node, nats </font></td>'
        f"{cells}</tr></table></td></tr>",
        f'<tr><td><font point-size="10">{strokes}</font></td></tr>',
        "<tr><td>&nbsp;</td></tr>",
    ]
    return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="2">{"".join(rows)}</table>>'


def _html(text: str) -> str:
    """Text inside an HTML-like label, where Graphviz reads entities and backslashes (`\\G`: the graph's name)."""
    shown = visible(text).replace("\\", "\\\\")
    for special, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        shown = shown.replace(special, entity)
    return shown or "&nbsp;"
