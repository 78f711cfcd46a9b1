"""Roles and arrows bind to the nodes of planted circuits; what does not fit is named, with what comes nearest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.planted.circuits import CIRCUITS, Planted, induction, lookup, quotes
from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.extract import extract
from circuitlang.circuit.find import Finder
from circuitlang.circuit.graph import CircuitGraph
from circuitlang.circuit.match import match
from circuitlang.language.program.hypothesis import ANSWER, Arrow, Circuit, Port, Role
from circuitlang.prompts.generate import Generator
from circuitlang.storage.cache import Cache


def graph_of(planted: Planted) -> CircuitGraph:
    finder = Finder(planted.checkpoint, Generator(planted.program.tasks["planted"], 0), Cache(None), "")
    mean = Ablation(finder.mean())
    select = finder.prompts("select", 0, 16)
    nodes = tuple(sorted(planted.nodes))
    return extract(planted.checkpoint.model, mean, nodes, select, planted.checkpoint.tokenizer)


@pytest.fixture(scope="module")
def graphs() -> dict[Callable[..., Planted], CircuitGraph]:
    return {make: graph_of(make(0.0, 0)) for make in CIRCUITS}


def hypothesis(*lines: str) -> Circuit:
    """`x: neuron 0`, `xs+: head 1..2`, `x -> y.key`, `never x ~> answer`; an arrow's source is never a port here."""
    roles, arrows = [], []
    for line in lines:
        if ":" in line:
            name, _, rest = line.partition(": ")
            kind, *where = rest.split()
            layers = None
            if where:
                low, _, high = where[0].partition("..")
                layers = int(low), int(high or low)
            roles.append(Role(name.rstrip("+"), kind, name.endswith("+"), layers))
        else:
            never = line.startswith("never ")
            source, arrow, target = line.removeprefix("never ").split()
            role, _, part = target.partition(".")
            end = Port(role, part or None)  # type: ignore[arg-type]
            arrows.append(Arrow(Port(source), end, arrow == "->", never))
    return Circuit(tuple(roles), tuple(arrows))


def bound(graph: CircuitGraph, *lines: str) -> dict[str, list[str]]:
    found = match(hypothesis(*lines), graph, lambda nodes: float(len(nodes)))
    assert found.binding is not None, found.why
    return {role: [part.name for part in parts] for role, parts in found.binding.parts.items()}


QUOTES = (
    "detector: neuron 0",
    "kind: neuron 0",
    "copier: head 1",
    "detector -> copier.key",
    "kind -> copier.value",
    f"copier -> {ANSWER}",
)


def test_the_roles_of_the_quotes_are_found(graphs) -> None:
    assert bound(graphs[quotes], *QUOTES) == {
        "detector": ["0.neuron[0]"],
        "kind": ["0.neuron[1]"],
        "copier": ["1.head[0]"],
    }
    assert match(hypothesis(*QUOTES), graphs[quotes], lambda nodes: 0.0).count == 1


def test_a_channel_stands_between_two_parts(graphs) -> None:
    found = bound(graphs[quotes], *QUOTES[:3], "c: channel", "kind -> c", "c -> copier.value")
    assert found["kind"] == ["0.neuron[1]"]
    assert len(found["c"]) == 1


def test_between_groups_each_member_needs_one_of_the_other(graphs) -> None:
    found = bound(graphs[quotes], "all+: neuron 0", "reads+: attn_in 1", "all -> reads")
    assert found["all"] == ["0.neuron[0]", "0.neuron[1]"]
    assert len(found["reads"]) == 2  # each reads one neuron, and none reads both


def test_a_group_takes_every_part_that_fits(graphs) -> None:
    assert bound(graphs[quotes], "all+: neuron", "copier: head", "all -> copier")["all"] == [
        "0.neuron[0]",
        "0.neuron[1]",
    ]
    assert bound(graphs[quotes], "all+: neuron", "copier: head", "all -> copier.key")["all"] == [
        "0.neuron[0]"
    ]


def test_two_hops_are_wired_by_the_query(graphs) -> None:
    two = ("first: head 0", "second: head 1", "first -> second.query", f"second -> {ANSWER}")
    assert bound(graphs[lookup], *two) == {"first": ["0.head[0]"], "second": ["1.head[0]"]}
    assert bound(graphs[induction], "before: head 1", "finder: head 2", "before -> finder.key")


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            (*QUOTES[:2], "copier: head 0", "kind -> copier.value"),
            "has no head in layer 0 for the role `copier`",
        ),
        (("c: head 1", "k: mlp_in 1", "c -> answer"), "has no mlp_in in layer 1"),
        ((*QUOTES[:3], "kind -> copier.query"), "no parts of the circuit meet `kind -> copier.query`"),
        ((*QUOTES[:3], "kind -> copier.query"), "nearest: `kind -> copier.key`"),
        (("kind: neuron", "kind -> answer"), "nearest: `kind ~> answer`"),
        (
            (*QUOTES, "kind -> copier.key"),
            "nothing meets `kind -> copier.key` together with the rest; without it there is one binding",
        ),
        ((*QUOTES, "never kind ~> answer"), "`never kind ~> answer`"),
        (("a: neuron", "b: neuron", "c: neuron"), "no parts of the circuit"),
    ],
)
def test_what_does_not_fit_is_named(graphs, lines: tuple[str, ...], why: str) -> None:
    found = match(hypothesis(*lines), graphs[quotes], lambda nodes: 0.0)
    assert found.binding is None
    assert found.count == 0
    assert why in found.why


def test_never_is_a_claim_that_no_path_exists(graphs) -> None:
    assert bound(graphs[quotes], *QUOTES[:4], "never kind ~> detector")["kind"] == ["0.neuron[1]"]


def test_the_largest_effect_decides(graphs) -> None:
    graph = graphs[quotes]
    for wanted in ("0.neuron[0]", "0.neuron[1]"):
        chosen = match(
            hypothesis("one: neuron 0"), graph, lambda nodes, w=wanted: float([str(n) for n in nodes] == [w])
        )
        assert chosen.count == 2
        assert chosen.binding is not None
        assert chosen.binding.effect == 1.0
        assert [part.name for part in chosen.binding.parts["one"]] == [wanted]
