"""Pruning: finds a planted circuit, keeps its word about loss and order, and says so when a target is out of reach."""

import math
from dataclasses import replace

import pytest
import torch

from circuitlang.circuit import prune as module
from circuitlang.circuit.mask import keeping
from circuitlang.circuit.prune import learn, per_prompt_loss, prune, step
from circuitlang.circuit.reference import stand_ins
from circuitlang.model import score
from circuitlang.program.spec import PruneSettings

SETTINGS = PruneSettings(steps=60, batch=8, learning_rate=0.01, penalty=(1e-3, 1e-2))


@pytest.fixture(scope="session")
def problem(planted_model):
    model, draw = planted_model
    reference = torch.randint(0, 10, (8, 12), generator=torch.Generator().manual_seed(0))
    return model, stand_ins(model, reference, "mean"), draw, draw(10_000, 40)


@pytest.fixture(scope="session")
def found(problem):
    return prune(*problem, SETTINGS, 0)


def loss_of(problem, nodes) -> float:
    """By the model itself under the mask, not by the compacted one."""
    model, mean, _, select = problem
    logits = score.answer_logits(model, select, keeping(nodes, model.config, mean))
    return float(score.loss(logits, select).double().mean())


def test_the_planted_circuit_is_found(problem, found, planted_nodes):
    assert loss_of(problem, planted_nodes) < 0.1
    assert found.reached
    assert set(found.nodes) == set(planted_nodes)


def test_it_keeps_its_word(problem, found):
    assert found.loss + module.MARGIN * found.error <= SETTINGS.loss
    assert math.isclose(found.loss, loss_of(problem, found.nodes), abs_tol=1e-5)
    values = per_prompt_loss(problem[0], keeping(found.nodes, problem[0].config, problem[1]), problem[3])
    pairs = values.double().view(-1, 2).mean(1)
    assert math.isclose(found.error, float(pairs.std()) / math.sqrt(len(pairs)), rel_tol=1e-6)
    assert found.penalty in SETTINGS.penalty


def test_the_circuit_is_a_prefix_of_a_strict_order(problem, found):
    assert len(set(found.order)) == len(found.order)
    assert found.nodes == tuple(sorted(found.order[: len(found.nodes)]))
    assert (len(found.nodes), found.loss) in found.curve
    for k, loss in found.curve:
        assert math.isclose(loss, loss_of(problem, found.order[:k]), abs_tol=1e-5)


def test_equal_arguments_give_equal_circuits(problem, found):
    assert prune(*problem, SETTINGS, 0) == found


def test_the_model_stays_as_it_was(problem):
    model = problem[0]
    before = [p.clone() for p in model.parameters()]
    prune(*problem, replace(SETTINGS, steps=3, penalty=(1e-2,)), 1)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())


def test_a_target_out_of_reach_is_said_to_be(problem):
    found = prune(*problem, replace(SETTINGS, loss=1e-7, steps=20), 0)
    assert not found.reached
    assert math.isclose(found.loss, loss_of(problem, found.nodes), abs_tol=1e-5)


def test_the_train_prompts_are_drawn_in_order_and_select_is_not_trained_on(problem):
    model, mean, draw, select = problem
    drawn: list[tuple[int, int]] = []

    def counted(start: int, count: int):
        drawn.append((start, count))
        return draw(start, count)

    prune(model, mean, counted, select, replace(SETTINGS, steps=5, penalty=(1e-2,)), 0)
    assert drawn[:5] == [(8 * i, 8) for i in range(5)]
    assert all(start >= 40 for start, _ in drawn[5:])


def test_progress_rises_from_nothing_to_all(problem):
    told: list[float] = []
    prune(*problem, replace(SETTINGS, steps=5), 0, lambda stage, share: told.append(share))
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] <= 1 + 1e-9


def test_a_heavier_penalty_keeps_fewer(problem):
    model, mean, draw, _ = problem
    kept = [
        len(learn(model, mean, draw, SETTINGS, penalty, 0, lambda stage, share: None))
        for penalty in (0.0, 1e-2, 1.0)
    ]
    assert kept[0] >= kept[1] >= kept[2]
    assert kept[0] > kept[2]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_step_and_its_surrogate_slope(temperature):
    tau = torch.tensor([-1.0, -1e-9, 0.0, 1e-9, 0.7], requires_grad=True)
    kept = step(tau, temperature)
    assert kept.tolist() == [0, 0, 1, 1, 1]
    kept.backward(torch.arange(1.0, 6.0))
    smooth = tau.detach().clone().requires_grad_()
    torch.sigmoid(smooth / temperature).backward(torch.arange(1.0, 6.0))
    assert torch.allclose(tau.grad, smooth.grad)


def test_losses_per_prompt_do_not_depend_on_the_pieces(problem, found, monkeypatch):
    model, mean, _, select = problem
    mask = keeping(found.nodes, model.config, mean)
    whole = per_prompt_loss(model, mask, select)
    assert len(whole) == len(select)
    monkeypatch.setattr(score, "PROMPTS_AT_ONCE", 6)
    assert torch.allclose(per_prompt_loss(model, mask, select), whole, atol=1e-6)
