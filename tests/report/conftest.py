"""A report with something in every field, and a circuit of any size."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from circuitlang.circuit.graph import CircuitGraph, GraphEdge, GraphNode, attention_edges, residual_edges
from circuitlang.claims.verdict import Interval, Outcome, Verdict
from circuitlang.report.battery import BatteryResult
from circuitlang.report.exhibit import (
    Answered,
    Band,
    Context,
    Exhibit,
    HeadExhibit,
    NodeExhibit,
    PartExhibit,
    ShownPrompt,
    Size,
    WeightedToken,
    pack_shares,
    pack_tokens,
    pack_values,
)
from circuitlang.report.report import Report
from circuitlang.report.results import (
    CircuitResult,
    ClaimResult,
    ControlResult,
    Counterexample,
    Measured,
    Provenance,
    SeedCircuit,
    TaskResult,
    overall_outcome,
)
from circuitlang.site import Node, Place, Site

Make = Callable[..., Report]


def small_graph(token: str = '"', other: str = "'") -> CircuitGraph:
    """The quote circuit of Gao et al. (2025), figure 5, in small: 12 nodes, 9 weight edges."""

    def node(layer: int, place: Place, index: int) -> Node:
        return Node(Site(layer, place), index)

    read = [node(0, Place.MLP_IN, 7), node(0, Place.MLP_IN, 21)]
    neurons = [node(0, Place.NEURON, 863), node(0, Place.NEURON, 279)]
    writes = [node(0, Place.MLP_OUT, 985), node(0, Place.MLP_OUT, 460)]
    attended = [node(1, Place.ATTN_IN, 985), node(1, Place.ATTN_IN, 460), node(1, Place.ATTN_IN, 21)]
    query, key, value = node(1, Place.Q, 1313), node(1, Place.K, 1313), node(1, Place.V, 1312)
    out = node(1, Place.ATTN_OUT, 83)
    costs = [0.05, 0.04, 0.33, 0.12, 0.3, 0.52, 0.11, 0.48, 0.0004, 0.002, 0.09, 0.41, 0.61]
    kept = sorted([*read, *neurons, *writes, *attended, query, key, value, out])
    nodes = tuple(
        GraphNode(n, cost, 0.1, *((82, n.index % 16) if n.site.place in (Place.Q, Place.K, Place.V) else ()))
        for n, cost in zip(kept, costs, strict=True)
    )
    weights = [
        (read[0], neurons[0], 1.4),
        (read[1], neurons[0], 1.2),
        (read[0], neurons[1], -1.1),
        (read[1], neurons[1], 0.9),
        (neurons[0], writes[0], 0.8),
        (neurons[1], writes[1], -0.6),
        (attended[0], key, 1.9),
        (attended[1], value, -0.7),
        (attended[2], query, 0.2),
        (value, out, 1.3),
    ]
    edges = [GraphEdge(a, b, w, "weight") for a, b, w in weights]
    edges += [GraphEdge(token, read[0], 0.7, "embedding"), GraphEdge(token, read[1], 0.5, "embedding")]
    edges += [GraphEdge(other, read[0], 0.6, "embedding"), GraphEdge(other, read[1], -0.5, "embedding")]
    edges += [GraphEdge(out, token, 1.1, "unembedding"), GraphEdge(out, other, -1.0, "unembedding")]
    edges += [*attention_edges(nodes), *residual_edges(kept, write_to_answer=False)]
    return CircuitGraph(nodes, tuple(edges), 5632)


def random_graph(size: int, seed: int = 0, layers: int = 4, channels: int = 24) -> CircuitGraph:
    """A connected circuit of at least `size` nodes with edges of every kind, the same for the same seed."""
    draw = random.Random(seed)
    heads = (Place.Q, Place.K, Place.V)
    kept: set[Node] = set()
    weights: dict[tuple[Node, Node], float] = {}
    written: list[Node] = []
    while len(kept) < size:
        layer, channel = draw.randrange(layers), draw.randrange(channels)
        earlier = [w for w in written if w.site.layer < layer]
        if earlier and draw.random() < 0.7:
            channel = draw.choice(earlier).index
        if draw.random() < 0.5:
            read = Node(Site(layer, Place.ATTN_IN), channel)
            head = draw.randrange(channels // 4)
            middle = [Node(Site(layer, p), 4 * head + draw.randrange(2)) for p in heads]
            write = Node(Site(layer, Place.ATTN_OUT), draw.randrange(channels))
            last = middle[2]
        else:
            read = Node(Site(layer, Place.MLP_IN), channel)
            middle = [Node(Site(layer, Place.NEURON), draw.randrange(4 * channels))]
            write = Node(Site(layer, Place.MLP_OUT), draw.randrange(channels))
            last = middle[0]
        written.append(write)
        kept |= {read, *middle, write}
        weights.update({(read, node): draw.gauss(0, 1) for node in middle})
        weights[last, write] = draw.gauss(0, 1)
    nodes = tuple(
        GraphNode(
            n,
            cost=draw.choice((1, 1, 1, -0.02)) * 10 ** draw.uniform(-4, -0.2),
            mean=draw.gauss(0, 1),
            head=n.index // 4 if n.site.place in heads else None,
            channel=n.index % 4 if n.site.place in heads else None,
        )
        for n in sorted(kept)
    )
    edges = [GraphEdge(a, b, weight, "weight") for (a, b), weight in weights.items()]
    tokens = ["[", " [", "rows", " = ", "\n", "def", ")", "load", "x", ", ", "0", "7"]
    reads = [n for n in sorted(kept) if n.site.place in (Place.ATTN_IN, Place.MLP_IN)]
    edges += [
        GraphEdge(t, n, draw.gauss(0, 1), "embedding") for n in reads for t in tokens if draw.random() < 0.2
    ]
    residual = residual_edges(kept, write_to_answer=False)
    carried = {edge.source for edge in residual}
    edges += [
        GraphEdge(n, t, draw.gauss(0, 1), "unembedding")
        for n in sorted(set(written))
        for t in ("]\n", "]]\n")
        if n not in carried
    ]
    return CircuitGraph(nodes, (*edges, *attention_edges(nodes), *residual), 5632)


def make_report(text: str | None = None, graph: CircuitGraph | None = None) -> Report:
    """A report of two seeds and five claims. `text`: what stands in every text field, if anything."""

    def say(usual: str) -> str:
        return usual if text is None else text

    interval = Interval(0.1213, 0.1124, 0.1309, 1024, "skew-corrected t")

    def claim(name, words, outcome, found, line, seed=0, **more):
        return Verdict(
            say(name), say(words), line, outcome, found, right=say("0.15"), bound=0.15, seed=seed, **more
        )

    def over(verdicts, **more):
        return ClaimResult.over_seeds(verdicts, 2, **more)

    agreement = Interval(0.9985, 0.9951, 1.0, 1024, "binomial hinge and betting")
    count = Interval(12, 12, 12, 0, "count")
    sufficient = "loss given keep(circuit) <= 0.15"
    claims = (
        over(
            [
                claim("sufficient", sufficient, Outcome.PASS, interval, 21, seed=seed, note=say("a note"))
                for seed in (0, 1)
            ],
            control=say("held"),
        ),
        over(
            [
                claim("no_luck", "loss given keep(circuit) < loss given keep(random)", Outcome.PASS, i, 22)
                for i in (Interval(-0.5, -0.6, -0.4, 512, "skew-corrected t"),)
            ]
        ),
        over([claim("faithful", "agreement given keep(circuit) >= 95%", Outcome.PASS, agreement, 23)]),
        over(
            [
                claim(
                    "minimal",
                    "rise given drop(each node) >= 0.01",
                    Outcome.FAIL,
                    Interval(0.0004, -0.0051, 0.0062, 8192, "skew-corrected t"),
                    24,
                    member=say("1.attn_in[21]"),
                    note=say("the worst of 12"),
                )
            ],
            counterexample=Counterexample(
                prompt=say('print("hello'),
                expected=say('")'),
                model_answer=say('")'),
                circuit_answer=say("')"),
            ),
        ),
        over([claim("small", "nodes <= 20", Outcome.PASS, count, 25)]),
        over(
            [
                claim(
                    "dilutes",
                    "accuracy where length = 64 <= 0.6",
                    Outcome.NOT_MEASURED,
                    None,
                    26,
                    note=say("no"),
                )
            ]
        ),
    )
    drawn = graph or small_graph(say('"'), say("'") + ("" if text is None else "2"))
    circuits = [
        SeedCircuit(
            seed=seed,
            nodes=drawn.node_count,
            edges=drawn.edge_count,
            embedding_edges=drawn.embedding_edge_count,
            unembedding_edges=drawn.unembedding_edge_count,
            reached=True,
            penalty=0.003,
            loss_select=0.118 + seed / 100,
            loss_test=0.1213 + seed / 100,
            loss_without=0.7012345678,
            graph=drawn,
        )
        for seed in (0, 1)
    ]
    task = TaskResult.of(
        say("single_double_quote"),
        say("zoo:python-small"),
        Outcome.PASS,
        1024,
        {
            "accuracy": Interval(0.991, 0.9752, 0.9981, 512, "binomial hinge and betting"),
            "loss": Interval(0.031, 0.0212, 0.0904, 512, "skew-corrected t"),
            "mass": Interval(0.331, 0.3121, 0.3502, 512, "binomial hinge and betting"),
        },
        note=say(""),
    )
    return Report(
        spec=say("single_double_quote"),
        doc=say("Detect the opening quote, classify it, copy its kind to the end."),
        verdict=overall_outcome(task, claims),
        note=say(""),
        confidence=0.99,
        task=task,
        circuit=CircuitResult.of(circuits, 5632, 0.15),
        claims=claims,
        controls=(
            ControlResult(
                name=say("nonsense"), nodes=45, edges=46, loss_at_size=0.35, ratio=3.75, note=say("n")
            ),
            ControlResult(
                name=say("random"), verdict=Outcome.VOID, reaches=(say("sufficient"),), note=say("n")
            ),
        ),
        battery=(
            BatteryResult(
                name=say("agreement"),
                text=say("with the untouched model"),
                gates=True,
                verdict=Outcome.PASS,
                measured=Measured.of(agreement),
                numbers={
                    say("agreement"): Measured.of(agreement),
                    say("KL over all tokens") + ("" if text is None else "2"): Measured.of(interval),
                },
                note=say("n"),
            ),
            BatteryResult(name=say("calibrated loss"), note=say("n")),
        ),
        provenance=Provenance(
            command=("circuitlang", "check", say("specs/quotes.cir")),
            versions={"torch": say("2.13.0"), "python": say("3.11.7"), "circuitlang": say("0.1.0")},
            hashes={"task": say("5a1f"), "spec": say("09be"), "model": say("77aa")},
            seed=0,
            device=say("cpu"),
            threads=1,
        ),
        seconds={"load": 1.25, "prune": 12.345678, "judge": 3.5},
        cached=False,
    )


@pytest.fixture(scope="session")
def make() -> Make:
    return make_report


@pytest.fixture(scope="session")
def circuit() -> Callable[..., CircuitGraph]:
    return random_graph


@pytest.fixture(scope="session")
def quotes() -> Callable[..., CircuitGraph]:
    return small_graph


def make_exhibit(report: Report, text: str | None = None, seed: int = 0) -> Exhibit:
    """What a page could show of the report's first circuit. `text`: what stands in every text field, if anything."""

    def say(usual: str) -> str:
        return usual if text is None else text

    draw = random.Random(seed)
    assert report.circuit is not None
    graph = report.circuit.plain_graph()
    tokens = [f"{say('t')}{i}" if text is None else text for i in range(24)]
    answered = [Answered(says=say('")'), right=right, probability=0.25) for right in (True, False)]
    prompts = [
        ShownPrompt(
            datapoint=row // 2,
            case=say(case),
            tokens=tuple(tokens[: 20 + row % 4]),
            cut=row // 8,
            answer=say('")'),
            foils=(say("')"),),
            model=answered[0],
            circuit=answered[row // 6 % 2],
            against=say(other),
            partners=tuple(i if i % 5 and i < 20 else -1 for i in range(20 + row % 4)),
        )
        for row, (case, other) in enumerate([("double", "single"), ("single", "double")] * 6)
    ]
    shown = sum(len(prompt.tokens) for prompt in prompts)

    def values(count: int) -> str:
        return pack_values([draw.gauss(0, 0.4) for _ in range(count)], 1.5)

    bands = [("top", 0.0), ("top", 0.01), ("top", 0.5), ("bottom", 0.1), ("bottom", 0.0)]

    def node(name: str) -> NodeExhibit:
        found = tuple(
            Band(
                side=side,  # pyright: ignore[reportArgumentType]
                share=share,
                contexts=tuple(
                    Context(start=draw.randrange(9000), at=16, value=0.5, values=values(23)) for _ in range(3)
                ),
            )
            for side, share in bands * (2 if len(graph.nodes) > 100 else 1)
        )
        return NodeExhibit(
            node=name,
            scale=1.5,
            model=values(shown),
            circuit=values(shown),
            likeness=0.5,
            text_scale=1.5,
            silent=0.75,
            bands=found,
            tokens=(WeightedToken(token=say("]"), weight=0.5), WeightedToken(token=say("["), weight=-0.25)),
        )

    def shares(prompt: ShownPrompt) -> str:
        length = len(prompt.tokens)
        return pack_shares([draw.random() / 4 for _ in range(length * (length + 5) // 2)])

    heads = sorted({(n.node.site.layer, n.head) for n in graph.nodes if n.head is not None})
    kept = len(graph.nodes)
    return Exhibit(
        spec=report.spec,
        seed=report.circuit.seeds[0],
        hashes={"task": report.provenance.hashes["task"]},
        prompts=tuple(prompts),
        nodes=tuple(node(str(n.node)) for n in graph.nodes),
        heads=tuple(
            HeadExhibit(
                layer=layer,
                head=head,
                model=tuple(map(shares, prompts)),
                circuit=tuple(map(shares, prompts)),
                distance=0.25,
            )
            for layer, head in heads
        ),
        sink=True,
        parts=(PartExhibit(layer=0, part="mlp", nodes=6, rise=0.5),),
        card=(say("model made_up"), say("")),
        words=tuple(tokens),
        text=pack_tokens([draw.randrange(24) for _ in range(9100)]),
        order=(*(str(n.node) for n in sorted(graph.nodes, key=lambda n: -n.cost)), "3.neuron[9]"),
        sizes=tuple(
            Size(nodes=n, loss=0.7 - 0.5 * n / kept, error=0.01, agreement=min(1.0, n / kept))
            for n in (0, kept // 2, kept, kept + 1)
        ),
        model_loss=0.03,
        sized_on=192,
    )


@pytest.fixture
def show() -> Callable[..., Exhibit]:
    return make_exhibit
