"""What arrows can be: reasoning about layers equals trying all of them on a graph of the computation."""

from collections.abc import Iterator
from functools import cache
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from circuitlang.language.program.hypothesis import ANSWER, Arrow, Circuit, Port, Role
from circuitlang.language.program.load import load_text
from circuitlang.language.program.order import check_order, gap
from circuitlang.language.program.vocabulary import ROLE_KINDS
from circuitlang.source.diagnostic import ProgramError, Source, Span

KINDS = tuple(ROLE_KINDS)
SITES = ("attn_in", "attn_out", "mlp_in", "mlp_out")
PASSED = frozenset(SITES)  # what a direct path may pass: reads and writes of the residual stream
LAYERS = 3
Place = tuple[int, str]


def steps(place: Place) -> Iterator[Place]:
    """Where a value goes next in a model: by a weight, inside a head, or along the residual stream."""
    layer, kind = place
    if kind == "attn_in":
        yield from ((layer, other) for other in ("q", "k", "v", "head"))
    elif kind in ("q", "k", "v", "head"):
        yield layer, "attn_out"
    elif kind == "mlp_in":
        yield layer, "neuron"
    elif kind == "neuron":
        yield layer, "mlp_out"
    elif kind in ("attn_out", "mlp_out"):
        yield LAYERS, ANSWER
        yield from ((later, "attn_in") for later in range(layer + 1, LAYERS))
        yield from ((later, "mlp_in") for later in range(layer + (kind == "mlp_out"), LAYERS))


@cache
def reached(start: Place, direct: bool) -> frozenset[Place]:
    found: set[Place] = set()
    waiting = list(steps(start))
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            if not direct or place[1] in PASSED:
                waiting += steps(place)
    return frozenset(found)


def joined(source: Place, target: Place, direct: bool) -> bool:
    """Whether a path leads from one to the other. A channel is every site of its layer."""
    if direct and source[1] == target[1] == "channel":
        return False  # writes reach the reads of their own channel only
    starts, ends = (
        [(layer, site) for site in SITES] if kind == "channel" else [(layer, kind)]
        for layer, kind in (source, target)
    )
    return any(end in reached(start, direct) for start in starts for end in ends)


def test_the_table_of_kinds_is_the_graph_of_the_computation() -> None:
    for source, target, direct in product(KINDS, (*KINDS, ANSWER), (True, False)):
        between = gap(source, target, direct)
        if target == ANSWER:
            found = {joined((a, source), (LAYERS, ANSWER), direct) for a in range(LAYERS)}
            assert found == {between is not None}, (source, direct)
            continue
        for a, b in product(range(LAYERS), repeat=2):
            allowed = between is not None and b - a >= between.low and (b == a or not between.same_layer)
            assert joined((a, source), (b, target), direct) == allowed, (source, target, direct, a, b)


@st.composite
def circuits(draw: st.DrawFn) -> Circuit:
    count = draw(st.integers(1, 4))
    roles = []
    for number in range(count):
        low = draw(st.integers(0, LAYERS - 1))
        layers = draw(st.none() | st.integers(low, LAYERS - 1).map(lambda high, low=low: (low, high)))
        kind = draw(st.sampled_from(("neuron", "head", *KINDS)))
        roles.append(Role(f"r{number}", kind, draw(st.booleans()), layers))
    span = Span(Source("t", "text"), 0, 1)
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count), st.booleans())
    arrows = [
        Arrow(Port(f"r{a}"), Port(ANSWER if b == count else f"r{b}"), direct, span=span)
        for a, b, direct in draw(st.lists(ends, min_size=1, max_size=5, unique=True))
        if a != b
    ]
    kinds = {role.name: role.kind for role in roles} | {ANSWER: ANSWER}
    arrows = [
        arrow
        for arrow in arrows
        if gap(kinds[arrow.source.role], kinds[arrow.target.role], arrow.direct) is not None
    ]
    assume(arrows)
    return Circuit(tuple(roles), tuple(arrows))


def by_trying(circuit: Circuit) -> bool:
    """Whether some layers of all roles allow all arrows; a channel is wherever an arrow needs it."""
    ranges = {role.name: range(*_ends(role)) for role in circuit.roles}
    fixed = [role for role in circuit.roles if role.kind != "channel"]
    for layers in product(*(ranges[role.name] for role in fixed)):
        places = {role.name: [(n, role.kind)] for role, n in zip(fixed, layers, strict=True)}
        places |= {
            role.name: [(n, "channel") for n in ranges[role.name]]
            for role in circuit.roles
            if role.kind == "channel"
        }
        places[ANSWER] = [(LAYERS, ANSWER)]
        if all(
            any(
                joined(a, b, arrow.direct)
                for a in places[arrow.source.role]
                for b in places[arrow.target.role]
            )
            for arrow in circuit.arrows
        ):
            return True
    return False


def _ends(role: Role) -> tuple[int, int]:
    low, high = role.layers or (0, LAYERS - 1)
    return low, high + 1


@settings(max_examples=150)
@given(circuits())
def test_reasoning_equals_trying_all_layers(circuit: Circuit) -> None:
    found = check_order(circuit, LAYERS)
    assert (not found) == by_trying(circuit)


@settings(max_examples=100)
@given(circuits())
def test_more_layers_allow_no_less(circuit: Circuit) -> None:
    if not check_order(circuit, LAYERS):
        assert not check_order(circuit, LAYERS + 1)
        assert not check_order(circuit, None)


LANGUAGE = """task t {
  draw a = "x" | "y"
  prompt "{a}{b}"
  case p with b = "1" answer "1"
  case q with b = "2" answer "2"
}"""


def written(roles: list[tuple[str, int]], arrows: list[tuple[int, int]]) -> str:
    lines = [f"role r{i} = {kind} in layer {layer}" for i, (kind, layer) in enumerate(roles)]
    lines += [f"r{a} ~> r{b}" for a, b in arrows]
    claims = " ".join(f"claim c{i}: loss given drop(r{i}) >= 0" for i in range(len(roles)))
    body = "\n".join(lines)
    return f'{LANGUAGE}\nspec s {{ task = t  model = "zoo:any"\ncircuit {{\n{body}\n}}\n{claims} }}'


ORDERED = [
    (kind, layer)
    for layer in range(4)
    for kind in ("attn_in", "head", "attn_out", "mlp_in", "neuron", "mlp_out")
]


@settings(max_examples=25)
@given(st.lists(st.integers(0, len(ORDERED) - 1), min_size=2, max_size=5, unique=True).map(sorted), st.data())
def test_a_hypothesis_in_order_is_accepted_and_one_turned_arrow_is_refused(
    places: list[int], data: st.DataObject
) -> None:
    roles = [ORDERED[place] for place in places]
    pairs = [(a, b) for a in range(len(roles)) for b in range(a + 1, len(roles))]
    arrows = data.draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True))
    (spec,) = load_text(written(roles, arrows)).specs.values()
    assert spec.circuit is not None
    assert [(a.source.role, a.target.role) for a in spec.circuit.arrows] == [
        (f"r{a}", f"r{b}") for a, b in arrows
    ]
    turned = data.draw(st.integers(0, len(arrows) - 1))
    wrong = [(b, a) if i == turned else (a, b) for i, (a, b) in enumerate(arrows)]
    with pytest.raises(ProgramError) as error:
        load_text(written(roles, wrong))
    assert "CIR-112" in {d.code for d in error.value.diagnostics}
