"""Training on from another model: where it begins, what it keeps, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from circuitlang.model import checkpoint
from circuitlang.model.locate import locate
from circuitlang.model.training.card import fact_of, make_card, reference_text, start_from
from circuitlang.model.training.data import prepare
from circuitlang.model.training.processes import ALONE
from circuitlang.model.training.sparsity import largest_shares, sparse_parameters
from circuitlang.model.training.train import Loop, Machine, config_of, next_token_loss, train
from circuitlang.report.listing import card_lines
from circuitlang.source.diagnostic import CommandError
from circuitlang.studies.frontier.run_grid import frontier
from circuitlang.studies.training import start_of

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def begun(make_recipe, data, tmp_path_factory):
    """A folder with the tiny model after forty steps."""
    folder = tmp_path_factory.mktemp("begun")
    recipe = make_recipe()
    run = train(recipe, data, folder / "state", CPU, lambda _: None)
    card = make_card(recipe, data, run, CPU, {})
    checkpoint.save(folder, run.model, data.tokenizer, reference_text(recipe, data), card)
    return folder


def sparser(recipe, weights):
    return replace(recipe, sparsity=replace(recipe.sparsity, weights=weights))


def nonzeros(model):
    """Per tensor of the block matrices."""
    return {
        name: int(p.count_nonzero()) for name, p, group, _ in sparse_parameters(model) if group == "weights"
    }


def test_it_begins_with_the_weights_of_the_other(make_recipe, data, begun):
    recipe = make_recipe(seed=1)
    start = start_from(begun, "begun", config_of(recipe))
    loop = Loop(recipe, data, CPU, Machine(), ALONE, start)
    for name, tensor in loop.model.state_dict().items():
        assert torch.equal(tensor, start.model.state_dict()[name])
    drawn = Loop(recipe, data, CPU, Machine(), ALONE)
    tokens = data.batch(5, 0, 16, 17)
    with torch.no_grad():
        there, anew = (float(next_token_loss(each.model, tokens, torch.float32)) for each in (loop, drawn))
    assert there < anew - 0.3


def test_the_number_of_nonzeros_stays_or_goes_down_from_there(make_recipe, data, begun, tmp_path):
    recipe = make_recipe(seed=1)
    start = start_from(begun, "begun", config_of(recipe))
    assert largest_shares(start.model) == pytest.approx((0.5, 0.25), abs=0.01)
    before = nonzeros(start.model)
    same = Loop(recipe, data, CPU, Machine(), ALONE, start)
    for _ in range(4):
        same.advance(40)
        assert nonzeros(same.model) == before
    seen = []
    fewer = sparser(recipe, 0.25)
    run = train(fewer, data, tmp_path / "state", CPU, lambda now: seen.append(now.nonzero), start=start)
    assert max(seen) == pytest.approx(0.5)
    assert seen == sorted(seen, reverse=True)
    assert sum(nonzeros(run.model).values()) == pytest.approx(sum(before.values()) / 2, rel=0.01)


def test_stopped_and_continued_is_uninterrupted(make_recipe, data, begun, tmp_path):
    recipe = make_recipe(seed=1)
    start = start_from(begun, "begun", config_of(recipe))
    whole = train(recipe, data, tmp_path / "whole", CPU, lambda _: None, start=start)
    train(recipe, data, tmp_path / "parts", CPU, lambda _: None, stop_after=17, start=start)
    with pytest.raises(CommandError, match="another recipe, corpus"):
        train(recipe, data, tmp_path / "parts", CPU, lambda _: None)
    again = train(recipe, data, tmp_path / "parts", CPU, lambda _: None, start=start)
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_text_is_in_the_tokens_of_the_other(make_recipe, begun, tmp_path):
    recipe = make_recipe(seed=7)
    start = start_from(begun, "begun", config_of(recipe))
    own = prepare(recipe, tmp_path, tmp_path / "own", lambda *_: None)
    taken = prepare(recipe, tmp_path, tmp_path / "taken", lambda *_: None, start.tokenizer)
    assert taken.tokenizer.digest == start.tokenizer.digest
    assert taken.digest != own.digest


def test_the_card_says_what_it_started_from(make_recipe, data, begun, tmp_path):
    recipe = make_recipe(seed=1)
    start = start_from(begun, "zoo:begun", config_of(recipe))
    run = train(recipe, data, tmp_path / "state", CPU, lambda _: None, start=start)
    card = make_card(recipe, data, run, CPU, {}, start=start)
    checkpoint.save(tmp_path / "second", run.model, data.tokenizer, reference_text(recipe, data), card)
    third = start_from(tmp_path / "second", "models/second", config_of(recipe))
    lines = list(card_lines({**card, "start": fact_of(third)}))
    (line,) = [line.strip() for line in lines if "started from" in line]
    first, second = start.digest[:12], third.digest[:12]
    assert line == (
        f"started from models/second (SHA-256 {second}…), trained on 2,560 tokens, "
        f"started from zoo:begun (SHA-256 {first}…), trained on 2,560 tokens"
    )


def test_other_sizes_are_refused_all_at_once(make_recipe, begun):
    recipe = make_recipe()
    other = replace(recipe, architecture=replace(recipe.architecture, width=32, layers=3))
    said = "width is 16 there and 32 here"
    with pytest.raises(CommandError, match=f"cannot start from begun: layers is 1 there and 3 here; {said}"):
        start_from(begun, "begun", config_of(other))
    active = replace(recipe, sparsity=replace(recipe.sparsity, activations=1.0))
    assert start_from(begun, "begun", config_of(active)).model.config.activations == 0.5


def starting(recipe, name):
    return replace(recipe, training=replace(recipe.training, start=name))


def test_it_cannot_be_written_over_what_it_starts_from(make_recipe):
    folder = locate("zoo:python-small", Path())
    with pytest.raises(CommandError, match="where it would itself be written"):
        start_of(starting(make_recipe(), "zoo:python-small"), {}, Path(), folder)


def test_a_frontier_cannot_vary_the_sizes_of_a_model_that_starts_from_another(tmp_path):
    (tmp_path / "m.cir").write_text(
        'corpus c { rule line = "x = " 0..9  document line }\n'
        "model on { architecture { layers = 1  width = 8  heads = 2 }"
        ' train { corpus = c  tokens = 1K  start = "zoo:python-small" } }\n'
    )
    with pytest.raises(CommandError, match="model on starts from zoo:python-small"):
        frontier(tmp_path / "m.cir", "on", out=tmp_path / "out", told=lambda *_: None)
