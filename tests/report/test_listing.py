"""Stages of a program as lines and as data: the same facts."""

import json
from fractions import Fraction

from circuitlang.circuit.graph import CircuitGraph
from circuitlang.language.program.load import load_text
from circuitlang.report.listing import card_lines, graph_lines, name_data, name_lines, value_data, value_lines
from tests.report.test_hostile import HOSTILE, harmless


def test_a_graph_in_words(circuit) -> None:
    graph = circuit(12)
    lines = list(graph_lines(graph))
    assert len(lines) == 3 + len(graph.nodes) + len(graph.edges)
    assert lines[0] == f"{len(graph.nodes)} of 5,632 nodes, {graph.edge_count} edges between them"
    assert all(any(str(node.node) in line for line in lines) for node in graph.nodes)


def test_hostile_tokens_in_a_graph_do_nothing(quotes) -> None:
    for text in HOSTILE.values():
        harmless("\n".join(graph_lines(quotes(text, text + "2"))))
    assert isinstance(quotes(), CircuitGraph)


def test_a_program_as_data_says_what_its_lines_say() -> None:
    program = load_text(
        'corpus t { rule w = "a" | "b" weight 2 document w weight 0.5 }\n'
        "model m { architecture { layers = 1 width = 32 heads = 2 } sparsity { weights = 1/8 }\n"
        "train { corpus = t tokens = 1K } }"
    )
    data = json.loads(json.dumps(value_data(program)))
    assert data["recipes"]["m"]["type"] == "Recipe"

    def leaves(value: object) -> list[str]:
        if isinstance(value, dict):
            return [leaf for key, part in value.items() if key != "type" for leaf in leaves(part)]
        return [leaf for part in value for leaf in leaves(part)] if isinstance(value, list) else [str(value)]

    shown = " ".join(value_lines(program))
    assert leaves(data)
    assert all(leaf in shown for leaf in leaves(data) if "\n" not in leaf)
    assert value_data({"share": (Fraction(1, 64), None)}) == {"share": ["1/64", None]}


def test_names_in_lines_and_data() -> None:
    lines, rows = list(name_lines(2))[1:], name_data(2)
    assert [line.split()[:2] for line in lines] == [[row["site"], row["authors"] or "–"] for row in rows]
    assert rows[-1]["kind"] is None


def test_layers_with_as_many_nonzeros_share_a_line_of_a_card():
    counts = {
        "embed": [3, 9],
        "mlp.0.up.weight": [1, 4],
        "mlp.1.up.weight": [2, 4],
        "mlp.2.up.weight": [1, 4],
    }
    lines = [" ".join(line.split()) for line in card_lines({"name": "m", "nonzeros": counts})]
    assert lines[1:] == [
        "embed 3 of 9",
        "mlp.*.up.weight 1 of 4 in each of 2 layers",
        "mlp.1.up.weight 2 of 4",
    ]
