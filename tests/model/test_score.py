"""Scores against slow loops: loss, choice and mass, for pairs, many foils and one-sided cases."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.model import score
from circuitlang.prompts.encode import NO_FOIL, Batch

VOCABULARY = 12


def batch_of(answers: list[int], foils: list[list[int]], negated: list[bool] | None = None) -> Batch:
    rows, width = len(answers), max(1, *map(len, foils))
    padded = [[*row, *[NO_FOIL] * (width - len(row))] for row in foils]
    return Batch(
        tokens=np.zeros((rows, 1), np.int64),
        end=np.zeros(rows, np.int64),
        answer=np.array(answers),
        foils=np.array(padded),
        negated=np.array(negated if negated is not None else [False] * rows),
        one_sided=negated is not None,
        cases=1,
        marks=({},) * rows,
    )


@st.composite
def scored(draw, values=None):
    """Logits and a batch: each prompt an answer and one to four foils, all different."""
    values = st.floats(-8, 8, width=32) if values is None else values
    rows = draw(st.integers(1, 5))
    tokens = [draw(st.permutations(range(VOCABULARY))) for _ in range(rows)]
    counts = [draw(st.integers(1, 4)) for _ in range(rows)]
    logits = draw(
        st.lists(st.lists(values, min_size=VOCABULARY, max_size=VOCABULARY), min_size=rows, max_size=rows)
    )
    foils = [row[1 : 1 + count] for row, count in zip(tokens, counts, strict=True)]
    return torch.tensor(logits), batch_of([row[0] for row in tokens], foils)


def listed(batch: Batch, row: int) -> list[int]:
    return [int(batch.answer[row]), *(int(foil) for foil in batch.foils[row] if foil != NO_FOIL)]


@settings(max_examples=60, deadline=None)
@given(scored())
def test_loss_is_cross_entropy_among_the_candidates(problem):
    logits, batch = problem
    for row, found in enumerate(score.loss(logits, batch).tolist()):
        exps = [math.exp(float(logits[row, token])) for token in listed(batch, row)]
        assert math.isclose(found, -math.log(exps[0] / sum(exps)), abs_tol=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(-100, 100))
def test_for_two_candidates_it_is_the_log_odds_alone(right, wrong, others):
    """log(1 + exp(-difference)), whatever the rest of the vocabulary does; ln 2 where they are equal."""
    logits = torch.full((1, VOCABULARY), others)
    logits[0, 3], logits[0, 7] = right, wrong
    found = float(score.loss(logits, batch_of([3], [[7]])))
    difference = float(logits[0, 3]) - float(logits[0, 7])
    assert math.isclose(found, math.log1p(math.exp(-difference)), rel_tol=1e-4, abs_tol=1e-6)
    logits[0, 7] = logits[0, 3]
    assert math.isclose(float(score.loss(logits, batch_of([3], [[7]]))), math.log(2), rel_tol=1e-5)


@settings(max_examples=60, deadline=None)
@given(scored(), st.data())
def test_the_one_sided_loss_is_over_the_whole_vocabulary(problem, data):
    logits, pairs = problem
    negated = [data.draw(st.booleans()) for _ in range(len(pairs))]
    batch = batch_of(pairs.answer.tolist(), [[] for _ in negated], negated)
    losses, choices = score.loss(logits, batch).tolist(), score.choice(logits, batch).tolist()
    masses = score.mass(logits, batch).tolist()
    for row, (negative, answer) in enumerate(zip(negated, batch.answer.tolist(), strict=True)):
        exps = [math.exp(float(value)) for value in logits[row]]
        share = exps[answer] / sum(exps)
        assert math.isclose(
            losses[row], -math.log(1 - share if negative else share), rel_tol=1e-3, abs_tol=1e-4
        )
        if abs(share - 0.5) > 1e-5:
            assert choices[row] == (0 if (share > 0.5) != negative else 1)
        assert math.isclose(masses[row], share, abs_tol=1e-5)


@pytest.mark.parametrize("negated", [False, True])
def test_the_one_sided_loss_stays_finite_with_its_gradient(negated):
    logits = torch.zeros(2, VOCABULARY)
    logits[0, 3], logits[1, 3] = 200, -200
    logits.requires_grad_()
    losses = score.loss(logits, batch_of([3, 3], [[], []], [negated, negated]))
    losses.sum().backward()
    assert torch.isfinite(losses).all()
    assert torch.isfinite(logits.grad).all()
    assert bool(losses[0] > losses[1]) is negated


@settings(max_examples=100, deadline=None)
@given(scored(st.sampled_from([0.0, 1.0, 2.0])))
def test_an_answer_that_only_ties_is_not_chosen(problem):
    logits, batch = problem
    choices, right = score.choice(logits, batch), score.correct(logits, batch)
    for row in range(len(batch)):
        values = [float(logits[row, token]) for token in listed(batch, row)]
        best_foil = max(values[1:])
        expected = 0 if values[0] > best_foil else 1 + values[1:].index(best_foil)
        assert int(choices[row]) == expected
        assert float(right[row]) == (expected == 0)


@settings(max_examples=60, deadline=None)
@given(scored(st.floats(-50, 50, width=32)))
def test_mass_is_a_probability(problem):
    logits, batch = problem
    for row, found in enumerate(score.mass(logits, batch).tolist()):
        wide = [math.exp(float(value) - 50) for value in logits[row]]
        assert 0 <= found <= 1
        expected = sum(wide[token] for token in listed(batch, row)) / sum(wide)
        assert math.isclose(found, expected, rel_tol=1e-3, abs_tol=1e-6)


def test_candidates_are_the_answer_then_the_foils():
    logits = torch.arange(VOCABULARY).float().view(1, -1).repeat(2, 1)
    found = score.candidates(logits, batch_of([3, 5], [[7], [2, 9]]))
    assert found.tolist() == [[3, 7, -math.inf], [5, 2, 9]]


def test_the_gradient_of_an_absent_foil_is_nothing():
    logits = torch.zeros(2, VOCABULARY, requires_grad=True)
    score.loss(logits, batch_of([3, 5], [[7], [2, 9]])).sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0].nonzero().flatten().tolist() == [3, 7]


def test_answer_logits_are_those_at_the_end(make_model):
    model = make_model()
    rows = np.random.default_rng(0).integers(0, 40, (4, 9))
    batch = Batch(rows, np.array([8, 3, 5, 0]), rows[:, 0], rows[:, 1:2], rows[:, 0] < 0, False, 1, ({},) * 4)
    whole = model(torch.from_numpy(rows))
    expected = torch.stack([whole[i, end] for i, end in enumerate((8, 3, 5, 0))])
    assert torch.allclose(score.answer_logits(model, batch), expected, atol=1e-5)
