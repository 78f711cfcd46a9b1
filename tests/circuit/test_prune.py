"""Pruning: finds a planted circuit, keeps its word about loss and order, and says so when a target is out of reach."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from circuitlang.circuit import prune as module
from circuitlang.circuit.ablation import Ablation, FromText, means_over_text, pool_of_values
from circuitlang.circuit.eliminate import eliminate
from circuitlang.circuit.losses import per_prompt_loss
from circuitlang.circuit.mask import keeping
from circuitlang.circuit.prune import learn, prune, step
from circuitlang.language.program.spec import PruneSettings
from circuitlang.model import score
from circuitlang.prompts.encode import NO_FOIL
from circuitlang.site import Node, Place, Site

SETTINGS = PruneSettings(ablate="mean", steps=60, batch=8, learning_rate=0.01, penalty=(1e-3, 1e-2))


@pytest.fixture(scope="session")
def problem(planted_model):
    model, draw = planted_model
    reference = torch.randint(0, 10, (8, 12), generator=torch.Generator().manual_seed(0))
    return model, Ablation(means_over_text(model, reference)), draw, draw(10_000, 40)


@pytest.fixture(scope="session")
def found(problem):
    return prune(*problem, SETTINGS, 0)


def loss_of(problem, nodes) -> float:
    """By the model itself under the mask, not by the compacted one."""
    model, rest, _, select = problem
    logits = score.answer_logits(model, select, keeping(nodes, model.config, rest.of(select)))
    return float(score.loss(logits, select).double().mean())


def test_the_planted_circuit_is_found(problem, found, planted_nodes):
    assert loss_of(problem, planted_nodes) < 0.1
    assert found.reached
    assert set(found.nodes) == set(planted_nodes)


def test_it_keeps_its_word(problem, found):
    assert found.loss + module.MARGIN * found.error <= SETTINGS.loss
    assert math.isclose(found.loss, loss_of(problem, found.nodes), abs_tol=1e-5)
    values = per_prompt_loss(problem[0], problem[1], found.nodes, problem[3])
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


def test_under_resampling_the_planted_circuit_is_found_and_keeps_its_word(problem, planted_nodes):
    model, rest, draw, select = problem
    reference = torch.randint(0, 10, (8, 12), generator=torch.Generator().manual_seed(1))
    resampled = FromText(rest.mean, pool_of_values(model, reference))
    found = prune(model, resampled, draw, select, replace(SETTINGS, ablate="resample(text)"), 0)
    assert set(planted_nodes) <= set(found.nodes)
    assert found.reached
    assert math.isclose(found.loss, loss_of((model, resampled, draw, select), found.nodes), abs_tol=1e-5)


def heads_with(model, nodes, place) -> set[tuple[int, int | None]]:
    return {(n.site.layer, model.config.within_head(n)[0]) for n in nodes if n.site.place is place}


def test_no_part_of_an_order_under_resampling_keeps_values_of_a_head_without_a_key(problem):
    model, rest, draw, _ = problem
    nodes = module.every_node(model)[::5]
    keyless = heads_with(model, nodes, Place.V) - heads_with(model, nodes, Place.K)
    nodes = [n for n in nodes if n.site.place is not Place.V or not heads_with(model, [n], Place.V) & keyless]
    order = eliminate(
        model,
        rest,
        draw,
        replace(SETTINGS, ablate="resample(text)", loss=9.0),
        nodes,
        lambda stage, share: None,
    )
    assert sorted(order) == sorted(nodes)
    for k in range(len(order) + 1):
        assert heads_with(model, order[:k], Place.V) <= heads_with(model, order[:k], Place.K)


def test_values_of_a_head_count_where_a_key_of_it_does(make_model):
    config = make_model(layers=1, width=8, heads=2, hidden=4).config
    sizes = [config.size(site) for site in config.sites()]
    keep = torch.ones(sum(sizes), requires_grad=True)
    parts = dict(zip(config.sites(), torch.ones(sum(sizes)).split(sizes), strict=True))
    parts[Site(0, Place.K)][4:] = 0  # the second head's
    without = torch.cat([part.flatten() for part in parts.values()])
    found = dict(zip(config.sites(), module.with_keys(keep * without, config).split(sizes), strict=True))
    assert found[Site(0, Place.V)].tolist() == [1.0] * 4 + [0.0] * 4
    assert all(torch.equal(found[site], parts[site]) for site in parts if site.place is not Place.V)
    found[Site(0, Place.V)].sum().backward()
    assert keep.grad is not None
    slopes = dict(zip(config.sites(), keep.grad.split(sizes), strict=True))
    assert bool((slopes[Site(0, Place.K)][:4] > 0).all())  # a key carries what the values are worth


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
    model, rest, draw, select = problem
    drawn: list[tuple[int, int]] = []

    def counted(start: int, count: int):
        drawn.append((start, count))
        return draw(start, count)

    prune(model, rest, counted, select, replace(SETTINGS, steps=5, penalty=(1e-2,)), 0)
    assert drawn[:5] == [(8 * i, 8) for i in range(5)]
    assert all(start >= 40 for start, _ in drawn[5:])


def test_progress_rises_from_nothing_to_all(problem):
    told: list[float] = []
    prune(*problem, replace(SETTINGS, steps=5), 0, lambda stage, share: told.append(share))
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] <= 1 + 1e-9


def test_a_heavier_penalty_keeps_fewer(problem):
    model, rest, draw, _ = problem
    kept = [
        len(learn(model, rest, draw, SETTINGS, penalty, 0, lambda stage, share: None).nodes)
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
    model, rest, _, select = problem
    whole = per_prompt_loss(model, rest, found.nodes, select)
    assert len(whole) == len(select)
    monkeypatch.setattr(score, "PROMPTS_AT_ONCE", 6)
    assert torch.allclose(per_prompt_loss(model, rest, found.nodes, select), whole, atol=1e-6)


def shuffled(draw):
    """The same prompts, the right answer drawn at random: nothing can be learnt."""

    def drawn(start: int, count: int):
        batch = draw(start, count)
        turned = np.random.default_rng(start).random(len(batch)) < 0.5
        answer = np.where(turned, batch.foils[:, 0], batch.answer)
        return replace(batch, answer=answer, foils=(batch.answer + batch.foils[:, 0] - answer)[:, None])

    return drawn


def test_forbidden_nodes_are_not_kept(problem, found, planted_nodes):
    model, rest, draw, _ = problem
    banned = planted_nodes[1]
    learnt = learn(model, rest, draw, SETTINGS, 1e-3, 0, lambda stage, share: None, (banned,))
    assert banned not in learnt.nodes
    assert banned not in module.every_node(model, (banned,))
    assert len(module.every_node(model, (banned,))) == model.config.total_nodes - 1
    other = prune(*problem, SETTINGS, 0, without=(banned,))
    assert banned not in other.order
    assert not other.reached  # there is no other way from the token to the answer
    assert prune(*problem, SETTINGS, 0, without=found.order[len(found.nodes) :][:1]).nodes == found.nodes
    with pytest.raises(ValueError, match="no node"):
        prune(*problem, SETTINGS, 0, without=(Node(Site(9, Place.V), 0),))


def test_the_fallback_keeps_the_ban_and_can_be_left_out(problem, planted_nodes, monkeypatch):
    steps = replace(SETTINGS, penalty=(1e-3,))
    monkeypatch.setattr(module, "learn", lambda *_: module.Learnt([planted_nodes[0]]))
    whole = prune(*problem, steps, 0)
    assert whole.reached
    assert set(whole.nodes) == set(planted_nodes)  # by the way from all nodes
    assert planted_nodes[1] not in prune(*problem, steps, 0, without=planted_nodes[1:2]).order
    started: list[int] = []
    monkeypatch.setattr(module, "every_node", lambda *_: started.append(1) or [])
    assert not prune(*problem, steps, 0, fallback=False).reached
    assert not started


def test_a_search_with_nothing_to_learn_stops_early_and_says_so(problem, monkeypatch):
    model, rest, draw, select = problem
    monkeypatch.setattr(module, "eliminate", None)  # neither the second stage nor the fallback begins
    steps: list[int] = []

    def counted(start: int, count: int):
        steps.append(start)
        return shuffled(draw)(start, count)

    found = prune(model, rest, counted, select, SETTINGS, 0)
    stopped = found.stopped
    assert stopped is not None
    assert not found.reached
    assert found.nodes == ()
    assert stopped.step == len(steps) == math.ceil(module.PATIENCE * SETTINGS.steps)
    assert stopped.steps == SETTINGS.steps
    assert stopped.loss > stopped.near == module.NEAR * SETTINGS.loss
    assert f"after {stopped.step} of {SETTINGS.steps} steps" in str(stopped)
    assert len(found.order) == len(set(found.order)) > 0  # what a budget is cut from
    assert math.isclose(found.loss, loss_of(problem, ()), abs_tol=1e-6)


def test_a_search_that_reaches_its_target_does_not_feel_the_stop(problem, found, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 2.0)  # never looked at
    assert prune(*problem, SETTINGS, 0) == found


@pytest.mark.parametrize(
    ("target", "near"),
    [(0.15, 0.3), (0.5, (0.5 + math.log(2)) / 2), (0.7, math.inf), (math.log(2), math.inf)],
)
def test_what_is_near_the_target(target, near):
    """Twice the target would be above chance where the target is 0.5; a target above chance is near from the start."""
    assert math.isclose(module._near(target, math.log(2)), near)


def test_chance_counts_the_candidates(make_batch):
    batch = make_batch(datapoints=2)
    assert math.isclose(module.chance(batch), math.log(2))
    foils = np.concatenate([batch.foils, np.array([[NO_FOIL], [7], [NO_FOIL], [7]])], 1)
    assert math.isclose(module.chance(replace(batch, foils=foils)), (math.log(2) + math.log(3)) / 2)
    assert math.isclose(module.chance(replace(batch, foils=foils, one_sided=True)), math.log(2))


def test_a_target_missed_by_little_is_reached_by_taking_nodes_back(problem, planted_nodes, monkeypatch):
    """Here whatever is missed counts as little, so that the way back from one node alone is seen."""
    steps = replace(SETTINGS, penalty=(1e-3,))
    monkeypatch.setattr(module, "learn", lambda *_: module.Learnt([planted_nodes[0]]))
    monkeypatch.setattr(module, "_near", lambda *_: math.inf)
    monkeypatch.setattr(module, "GROWN", 1000)
    started: list[int] = []
    monkeypatch.setattr(module, "every_node", lambda *_: started.append(1) or [])
    found = prune(*problem, steps, 0)
    assert found.reached
    assert found.loss <= steps.loss
    assert set(planted_nodes) <= set(found.nodes)
    assert loss_of(problem, found.nodes) == pytest.approx(found.loss, abs=1e-5)
    assert not started  # not from all nodes
    banned = [node for node in found.order if node not in planted_nodes][:2]
    assert not set(banned) & set(prune(*problem, steps, 0, without=banned).order)
