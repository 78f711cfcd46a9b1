"""What a node has over held-out pretraining text, one number per document."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.planted.circuits import Planted, quotes
from circuitlang.claims import pretraining_text
from circuitlang.claims.verdict import Outcome
from circuitlang.prompts.tokenizer import END, train_tokenizer
from circuitlang.site import Node, Place, Site
from circuitlang.source.diagnostic import Unmeasurable

DETECTOR, KIND = Node(Site(0, Place.NEURON), 0), Node(Site(0, Place.NEURON), 1)
ROLES = """
  circuit {
    role detector = neuron in layer 0
    role kind = neuron in layer 0
    role copier = head in layer 1
    detector -> copier.key
    kind -> copier.value -> answer
  }
"""
TEXTS = ['g"h', "g'h'k", "gh", '"\'"', '""', "é\"h'", "h"] * 40


def reading(planted: Planted, texts: list[str], width: int = 8) -> Planted:
    """The model with other text for its own: documents one after the other, cut into windows."""
    tokenizer = planted.checkpoint.tokenizer
    ids = [token for t in texts for token in (tokenizer.end, *tokenizer.encode(t).ids)]
    ids = ids[: len(ids) // width * width]
    reference = torch.tensor(ids).view(-1, width)
    return replace(planted, checkpoint=replace(planted.checkpoint, reference=reference))


def test_documents_lie_between_ends() -> None:
    found = pretraining_text.documents(np.array([7, 1, 2, 7, 7, 3]), 7)
    assert [document.tolist() for document in found] == [[1, 2], [5]]
    assert [d.tolist() for d in pretraining_text.documents(np.array([1, 2, 7]), 7)] == [[0, 1]]


tokenizer = train_tokenizer([f"rows{i % 5} = [\"{i}\", 'é{i * 7}']\n" for i in range(200)], 300)


@settings(max_examples=60)
@given(
    st.lists(st.text(alphabet='"é[]\n 1ro€', max_size=12), max_size=4),
    st.text('"é[]\n 1ro€', min_size=1, max_size=3),
)
def test_tokens_hold_a_pattern_where_their_bytes_overlap_it(texts: list[str], pattern: str) -> None:
    """Byte by byte, which is slow and plain: also inside of characters, and never across documents."""
    ids = [token for t in texts for token in (*tokenizer.encode(t).ids, tokenizer.end)]
    found = pretraining_text.holding(np.array(ids, np.int64), tokenizer, pattern)
    expected: list[bool] = []
    for t in texts:
        data, wanted = t.encode(), pattern.encode()
        covered = {
            place + i
            for place in range(len(data))
            if data[place : place + len(wanted)] == wanted
            for i in range(len(wanted))
        }
        place = 0
        for token in tokenizer.encode(t).ids:
            size = len(tokenizer.bytes_of(token))
            expected.append(bool(covered & set(range(place, place + size))))
            place += size
        expected.append(False)
    assert found.tolist() == expected


@given(st.text())
def test_a_text_s_tokens_hold_its_bytes(written: str) -> None:
    ids = tokenizer.encode(written).ids
    assert b"".join(map(tokenizer.bytes_of, ids)) == written.encode()
    assert tokenizer.bytes_of(tokenizer.end) == b""
    assert tokenizer.encode(END).ids != [tokenizer.end]


@given(st.lists(st.integers(-2, 2), min_size=1), st.lists(st.integers(-2, 2), min_size=1))
def test_auroc_counts_pairs(here: list[int], others: list[int]) -> None:
    left, right = np.array(here, float), np.array(others, float)
    plain = pretraining_text.exceeds(left[:, None], right[None]).mean()
    assert pretraining_text.auroc(left, right) == pytest.approx(plain)
    assert math.isnan(pretraining_text.auroc(np.append(left, np.nan), right))
    assert math.isnan(pretraining_text.auroc(left, np.append(right, np.inf)))


def test_values_are_those_of_the_model_in_its_windows() -> None:
    planted = reading(quotes(), TEXTS)
    checkpoint = planted.checkpoint
    found = pretraining_text.values(checkpoint, KIND).reshape(checkpoint.reference.shape)
    (double,), (single,) = (checkpoint.tokenizer.encode(mark).ids for mark in "\"'")
    assert (found[checkpoint.reference.numpy() == double] > 3).all()
    assert (found[checkpoint.reference.numpy() == single] < 0).all()
    rows = checkpoint.reference[40:41]
    one = pretraining_text.values(replace(checkpoint, reference=rows), KIND)
    assert np.allclose(one, found[40])


def test_documents_without_a_pair_are_left_out() -> None:
    planted = reading(quotes(), TEXTS)
    found = pretraining_text.measure(planted.checkpoint, "auroc", KIND, '"')
    with_both = sum('"' in t and set(t) != {'"'} for t in TEXTS)
    assert abs(len(found) - with_both) <= 1  # the last document may be cut off
    assert set(found.tolist()) == {1.0}
    fires = pretraining_text.measure(planted.checkpoint, "activation", KIND, '"')
    assert abs(len(fires) - sum('"' in t for t in TEXTS)) <= 1
    assert abs(len(pretraining_text.measure(planted.checkpoint, "activation", KIND, None)) - len(TEXTS)) <= 1
    with pytest.raises(Unmeasurable, match=r"no document .* tokens that hold 'zz' beside others"):
        pretraining_text.measure(planted.checkpoint, "auroc", KIND, "zz")


def test_claims_over_text(judge_text) -> None:
    """A detector fires on either quote, the kind on double ones only: so in all text, not only in the task's."""
    claims = """
  claim double: auroc(kind, over=text, at="\\"") >= 95%
  claim single: auroc(kind, over=text, at="'") <= 50%
  claim fires: activation(kind, over=text, at="\\"") >= 2
  claim rests: activation(kind, over=text, at="h") <= 0.5
  claim all: activation(kind, over=text) <= 2.5
  claim absent: auroc(kind, over=text, at="def ") >= 50%
  claim false: auroc(kind, over=text, at="'") >= 50%
"""
    found = judge_text(reading(quotes(), TEXTS), ROLES + claims)
    assert {n for n, v in found.items() if v.outcome is Outcome.PASS} >= {
        "double",
        "single",
        "fires",
        "rests",
        "all",
    }
    assert found["false"].outcome is Outcome.FAIL
    assert found["absent"].outcome is Outcome.NOT_MEASURED
    assert (
        "no document of the model's held-out pretraining text has tokens that hold 'def '"
        in found["absent"].note
    )
    # all that have a double quote beside other text, in one look
    assert found["double"].note == "over 120 documents of pretraining text"
    assert found["double"].interval is not None
    assert found["double"].interval.datapoints == 120
    assert found["all"].note == "over 128 documents of pretraining text"  # the spec's last look has no more
