"""Sites and nodes: one spelling, one order."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitlang.site import PRUNED_PLACES, Node, Place, Site, parse_node

sites = st.builds(Site, st.integers(0, 99), st.sampled_from(PRUNED_PLACES))
nodes = st.builds(Node, sites, st.integers(0, 10**6))


@given(nodes)
def test_a_node_is_what_it_is_spelt(node):
    assert parse_node(str(node)) == node


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.q",
        "0.q[]",
        "0.q[-1]",
        "-1.q[0]",
        "0.q[1] ",
        " 0.q[1]",
        "0.q[1]\n",
        "00.q[1]",
        "0.q[01]",
        "٣.q[1]",
        "0.Q[1]",
        "0.query[1]",
        "final[3]",
        "2.final[3]",
        "0.q[1][2]",
        "0.q[1.0]",
    ],
)
def test_nothing_else_is_a_node(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the reason differs
        parse_node(text)


@given(st.text(max_size=12))
def test_any_text_is_a_node_or_refused(text):
    try:
        node = parse_node(text)
    except ValueError:
        return
    assert str(node) == text


def test_spelling():
    assert str(Site(1, Place.ATTN_IN)) == "1.attn_in"
    assert str(Site(4, Place.FINAL)) == "final"
    assert str(Node(Site(1, Place.NEURON), 37)) == "1.neuron[37]"


def test_the_order_is_that_of_computation():
    layer = ["attn_in", "q", "k", "v", "attn_out", "mlp_in", "neuron", "mlp_out"]
    assert [str(place) for place in PRUNED_PLACES] == layer
    written = [Site(i, place) for i in range(3) for place in PRUNED_PLACES] + [Site(3, Place.FINAL)]
    shuffled = random.Random(0).sample(written, len(written))
    assert sorted(shuffled) == written != shuffled


@given(nodes, nodes)
def test_the_order_is_strict(first, second):
    assert (first < second) + (second < first) + (first == second) == 1
    assert (first.site < second.site) <= (first < second)


def test_the_authors_names():
    assert Site(3, Place.ATTN_OUT).authors_name == "3.attn.resid_delta"
    assert Site(3, Place.NEURON).authors_name == "3.mlp.post_act"
    assert Site(8, Place.FINAL).authors_name == "final_resid"
    names = {Site(0, place).authors_name for place in Place}
    assert len(names) == len(Place)
