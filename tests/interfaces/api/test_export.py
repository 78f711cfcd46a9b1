"""`circuitlang export` and the files that it reads; `circuitlang draft` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from circuitlang.circuit.graph import CircuitGraph, GraphNode, residual_edges
from circuitlang.interfaces.api.export import export, read_circuit
from circuitlang.interfaces.cli.result_commands import CircuitFormat
from circuitlang.report.circuit import FORMATS, Circuit
from circuitlang.site import Node, Place, Site
from circuitlang.source.diagnostic import CommandError

NODES = [Node(Site(0, Place.MLP_OUT), 1), Node(Site(1, Place.ATTN_IN), 1)]
GRAPH = CircuitGraph(tuple(GraphNode(node, 0.1, 0.0) for node in NODES), residual_edges(NODES), 9)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    (tmp_path / "circuit.json").write_text(Circuit(GRAPH).to_json())
    return tmp_path


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "circuitlang", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.mark.parametrize("form", FORMATS)
def test_a_circuit_comes_out_as_it_was_written(stored: Path, form: str) -> None:
    assert export(stored, form) == export(stored / "circuit.json", form) == Circuit(GRAPH).text(form)


def test_a_prompt_is_shown_with_the_models_values(stored: Path) -> None:
    data = json.loads(
        export(stored, "neuronpedia", prompt="x = [[1", answer="]]\n", model="zoo:python-small")
    )
    assert data["metadata"]["prompt"] == "x = [[1"
    assert "".join(data["metadata"]["prompt_tokens"][1:]) == "x = [[1"
    assert all(
        node["activation"] is not None for node in data["nodes"] if node["feature_type"] in ("mlp_out",)
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"path": "none"}, "cannot read a circuit from .*none: No such file"),
        ({"path": "empty"}, "there is neither report.json nor circuit.json"),
        ({"path": "text.json"}, "cannot read a circuit from .*text.json: Expecting value"),
        ({"path": "list.json"}, "not a circuit"),
        ({"path": "verdict.json"}, "cannot read a circuit from .*verdict.json"),
        ({"seed": 4}, "no circuit of seed 4"),
        ({"form": "png"}, "there is no format `png`; there are: neuronpedia, edges"),
        ({"prompt": "x"}, "--prompt is for `neuronpedia`"),
        ({"answer": "x"}, "there is none"),
        ({"form": "neuronpedia", "prompt": "x"}, "does not say which model"),
        ({"form": "neuronpedia", "prompt": "x", "model": "zoo:none"}, "there is no model `zoo:none`"),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_a_mistake_is_one_sentence(stored: Path, asked: dict, said: str) -> None:
    (stored / "empty").mkdir()
    for name, text in {"text": "no", "list": "[1]", "verdict": '{"verdict": "pass"}'}.items():
        (stored / f"{name}.json").write_text(text)
    with pytest.raises(CommandError, match=said):
        export(**{"form": "edges", **asked, "path": stored / asked.get("path", "circuit.json")})


def test_the_command_line_knows_every_format() -> None:
    """A list of its own, so that `--help` needs no report."""
    assert [form.value for form in CircuitFormat] == list(FORMATS)


def test_the_commands(stored: Path) -> None:
    """Printed, or written whole; a mistake has status 2 and no traceback."""
    done = run("export", ".", cwd=stored)
    assert (done.returncode, done.stdout) == (0, Circuit(GRAPH).to_edge_list())
    done = run("export", "circuit.json", "--to", "graphml", "-o", "x/out.graphml", cwd=stored)
    assert (done.returncode, done.stdout) == (0, "wrote x/out.graphml\n")
    assert (stored / "x/out.graphml").read_text() == Circuit(GRAPH).to_graphml()
    done = run("draft", "none.task", cwd=stored)
    assert (done.returncode, done.stderr) == (2, "error: none.task: there is no such file\n")


def test_the_first_seed_is_read_unless_told(stored: Path) -> None:
    assert read_circuit(stored).plain == GRAPH
