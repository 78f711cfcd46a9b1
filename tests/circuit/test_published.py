"""Circuits in the authors' `viz_data.pt` become graphs on the model, or are refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from circuitlang.circuit.graph import CircuitGraph
from circuitlang.circuit.published import published_circuit
from circuitlang.model.interop import convert, import_model
from circuitlang.model.interop.import_model import circuit_data
from circuitlang.site import Node, Place, Site
from circuitlang.source.diagnostic import CommandError

KEPT = {
    "0.attn.act_in": [3, 15],
    "0.attn.q": [5],
    "0.attn.k": [5, 1],
    "0.attn.v": [6],
    "0.attn.resid_delta": [2],
    "1.mlp.act_in": [2],
    "1.mlp.post_act": [31],
    "1.mlp.resid_delta": [0],
    "final_resid": [0, 2, 4],
    "1.attn.q": [],
}


def payload(**changes: Any) -> dict[str, Any]:
    """As the authors' viewer reads it, without the samples."""
    kept = {name: torch.tensor(indices, dtype=torch.int64) for name, indices in KEPT.items()}
    without = {name: [0.5 + 0.1 * i for i in range(len(indices))] for name, indices in KEPT.items()}
    found = {
        "circuit_data": {**kept, "prune_config": {"k": 10}},
        "samples": {},
        "importances": {
            "loss": 0.02,
            "interv_loss": torch.tensor(0.3),
            "ch_interv_losses": without,
            "beeg_model_config": {"n_layer": 2, "d_model": 16, "n_head": 4, "d_mlp": 32},
        },
        "num_total_nodes": 2 * (7 * 16 + 32) + 16,
        "all_loss": [(0, 1.0)],
    }
    for path, value in changes.items():
        *outer, last = path.split("__")
        table = found
        for name in outer:
            table = table[name]
        if value is None:
            del table[last]
        else:
            table[last] = value
    return found


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        import_model, "in_child", lambda job, path: json.loads(json.dumps(convert.convert(job)))
    )


@pytest.fixture
def graph_of(make_model, make_stand_ins, tmp_path):
    model = make_model()

    def read(content: object) -> tuple[CircuitGraph, list[str]]:
        torch.save(content, tmp_path / "viz_data.pt")
        return published_circuit(model, make_stand_ins(model.config), circuit_data(tmp_path / "viz_data.pt"))

    return model, read


def test_nodes_costs_and_weights(graph_of, make_stand_ins):
    model, read = graph_of
    graph, notes = read(payload())
    assert notes == ["3 channels of final_resid are left out: no node of ours stands there"]
    assert graph.node_count == 10
    assert graph.total_nodes == model.config.total_nodes
    by_node = {found.node: found for found in graph.nodes}
    second = by_node[Node(Site(0, Place.K), 1)]
    assert second.cost == pytest.approx((0.6 - 0.3) / 2)
    assert (second.head, second.channel) == (0, 1)
    assert second.mean == float(make_stand_ins(model.config)[Site(0, Place.K)][1])
    weights = {(str(e.source), str(e.target)): e.weight for e in graph.edges if e.kind == "weight"}
    assert weights["0.attn_in[15]", "0.k[5]"] == float(model.attention[0].key.weight[5, 15])
    assert weights["1.neuron[31]", "1.mlp_out[0]"] == float(model.mlp[1].down.weight[0, 31])
    assert len(weights) == 2 * 4 + 1 + 1 + 1  # two reads to q, k, k, v; v to out; the MLP's two
    others = {(str(e.source), str(e.target), e.kind) for e in graph.edges if e.kind != "weight"}
    assert others == {
        ("0.k[5]", "0.q[5]", "attention"),
        ("0.attn_out[2]", "1.mlp_in[2]", "residual"),
        ("0.attn_out[2]", "answer", "residual"),
        ("1.mlp_out[0]", "answer", "residual"),
    }
    assert CircuitGraph.from_json(graph.to_json()) == graph


def test_without_losses_costs_are_zero_and_that_is_said(graph_of):
    graph, notes = graph_of[1](payload(importances__ch_interv_losses=None))
    assert {found.cost for found in graph.nodes} == {0.0}
    assert notes[-1] == "the file has no losses without single nodes: every cost is 0"


def doubling(times: int) -> list[Any]:
    """A few bytes in a pickle; 2 ** times numbers once it is written out."""
    found: list[Any] = [1]
    for _ in range(times):
        found = [found, found]
    return found


def circular() -> list[Any]:
    found: list[Any] = [1]
    found.append(found)
    return found


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "expanded": ({"circuit_data": {"0.attn.q": torch.tensor([1]).expand(10**9)}}, "names more numbers"),
    "expanded a little": (
        {"circuit_data": {"0.attn.q": torch.tensor([1]).expand(1000)}},
        "has 1,000 numbers, and fewer are stored",
    ),
    "one row for all": (
        {"circuit_data": dict.fromkeys((f"{n}.attn.q" for n in range(100)), torch.arange(1000))},
        "names more numbers",
    ),
    "doubling": ({"circuit_data": {"0.attn.q": doubling(40)}}, "has list where a whole number must be"),
    "circular": ({"circuit_data": {"0.attn.q": circular()}}, "has list where a whole number must be"),
    "sparse": ({"circuit_data": {"0.attn.q": torch.tensor([0, 1]).to_sparse()}}, "is stored as `sparse_coo`"),
    "text": ({"circuit_data": {"0.attn.q": "13"}}, "has no row of numbers"),
    "no table": ({"circuit_data": 3}, "holds no circuit"),
    "doubling loss": ({"importances__interv_loss": doubling(40)}, "has list where a number must be"),
    "infinite number of nodes": ({"num_total_nodes": float("inf")}, "has float where a whole number"),
    "losses of texts": ({"importances__ch_interv_losses": {"0.attn.q": ["1"]}}, "has str where a number"),
    "losses of nothing": ({"importances": 7}, "holds no circuit"),
    "no number of its own": ({"importances__interv_loss": torch.empty((), device="meta")}, "no numbers of"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_small_file_takes_little_memory_whatever_it_says(graph_of, name):
    changes, message = HOSTILE[name]
    with pytest.raises(CommandError, match=message):
        graph_of[1](payload(**changes))


@pytest.mark.parametrize("value", [circular(), doubling(40), {"n_layer": circular()}])
def test_what_is_not_needed_of_a_config_is_not_looked_into(graph_of, value):
    config = {"n_layer": 2, "d_model": 16, "else": value}
    assert graph_of[1](payload(importances__beeg_model_config=config))[0].node_count == 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "holds no circuit in the authors' layout: it is no table"),
        ({}, "holds no circuit in the authors' layout: 'circuit_data'"),
        (payload(circuit_data={"0.attn.q": torch.ones(2)}), "holds torch.float32, not whole numbers"),
        (
            payload(circuit_data={"0.attn.q": torch.ones(2, 2).long()}),
            "'0.attn.q' has 2 axes in place of one",
        ),
        (payload(circuit_data={"0.attn.y": torch.tensor([1])}), "at `0.attn.y`, and there is no such place"),
        (payload(circuit_data={"2.attn.q": torch.tensor([1])}), "at `2.attn.q`, and there is no such place"),
        (
            payload(circuit_data={"0.attn.q": torch.tensor([16])}, importances__ch_interv_losses=None),
            r"keeps 0\.q\[16\], and 0\.q has 16 units",
        ),
        (
            payload(circuit_data={"0.attn.q": torch.tensor([-1])}, importances__ch_interv_losses=None),
            r"keeps 0\.q\[-1\]",
        ),
        (
            payload(circuit_data={"0.attn.q": torch.tensor([1, 1])}, importances__ch_interv_losses=None),
            r"keeps a node of 0\.q twice",
        ),
        (payload(circuit_data={"0.attn.q": torch.tensor([1, 2])}), "1 losses for the 2 nodes at `0.attn.q`"),
        (
            payload(importances__interv_loss=float("nan")),
            "holds no circuit in the authors' layout: Out of range float",
        ),
        (payload(importances__beeg_model_config={"n_layer": 8}), "n_layer = 8, and this one has 2"),
        (payload(num_total_nodes=99), "of a model with 99 nodes, and this one has 288"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said(graph_of, content, message):
    with pytest.raises(CommandError, match=message):
        graph_of[1](content)


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(CommandError, match="there is no such file"):
        circuit_data(tmp_path / "viz_data.pt")
