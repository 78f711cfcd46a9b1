"""Training: the same result however often it is stopped, learns what is there to learn, and ends as sparse as asked."""

import json
import math
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from circuitlang.model.training import train as module
from circuitlang.model.training.data import TokenData
from circuitlang.model.training.sparsity import sparse_parameters
from circuitlang.model.training.train import Progress, Run, config_of, train, validation_loss
from circuitlang.site import Place
from circuitlang.source.diagnostic import CommandError

CPU = torch.device("cpu")


def quiet(_progress: Progress) -> None:
    pass


def weights(run: Run) -> bytes:
    return b"".join(p.detach().numpy().tobytes() for p in run.model.parameters())


@pytest.fixture(autouse=True)
def short_curve(monkeypatch):
    """A point of the curve every 4 steps, so that runs are cut off between points."""
    monkeypatch.setattr(module, "CURVE_STEPS", 4)


@pytest.fixture(scope="session")
def whole(make_recipe, data, tmp_path_factory) -> Run:
    """Forty steps without a pause."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CURVE_STEPS", 4)
        return train(make_recipe(), data, tmp_path_factory.mktemp("whole") / "state", CPU, quiet)


def test_the_same_seed_gives_the_same_bytes(make_recipe, data, tmp_path, whole):
    torch.manual_seed(12345)  # of no influence
    assert weights(train(make_recipe(), data, tmp_path / "again", CPU, quiet)) == weights(whole)
    other = train(replace_seed(make_recipe(), 1), data, tmp_path / "other", CPU, quiet)
    assert weights(other) != weights(whole)


def replace_seed(recipe, seed):
    return replace(recipe, training=replace(recipe.training, seed=seed))


@pytest.mark.parametrize("stops", [(1,), (4,), (17,), (39,), (3, 5, 21, 22)], ids=str)
def test_stopped_and_continued_is_uninterrupted(make_recipe, data, tmp_path, whole, stops):
    state = tmp_path / "state"
    for stop in stops:
        train(make_recipe(), data, state, CPU, quiet, stop_after=stop)
    run = train(make_recipe(), data, state, CPU, quiet)
    assert weights(run) == weights(whole)
    assert run.curve == whole.curve


def test_a_finished_run_is_read_back(make_recipe, data, tmp_path, whole):
    state = tmp_path / "state"
    first = train(make_recipe(), data, state, CPU, quiet)
    told: list[Progress] = []
    again = train(make_recipe(), data, state, CPU, told.append)
    assert not told
    assert weights(again) == weights(first) == weights(whole)
    assert (again.curve, again.seconds) == (first.curve, first.seconds)


def test_stopping_before_the_first_step_does_nothing(make_recipe, data, tmp_path):
    told: list[Progress] = []
    train(make_recipe(), data, tmp_path / "state", CPU, told.append, stop_after=0)
    assert not told
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("place", ["project", "learning_rate", "validation_loss", "next_token_loss"])
def test_an_interruption_within_a_step_costs_at_most_that_step(
    make_recipe, data, tmp_path, whole, place, monkeypatch
):
    """Ctrl-C comes anywhere, also between the optimizer's step and the projection."""
    state = tmp_path / "state"
    monkeypatch.setattr(module, "SAVE_SECONDS", 0.0)
    original, calls = getattr(module, place), []

    def interrupted(*arguments):
        calls.append(None)
        if len(calls) == {"validation_loss": 1, "project": 12, "learning_rate": 21}.get(place, 23):
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, place, interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(make_recipe(), data, state, CPU, quiet)
    with safe_open(state, "pt") as file:
        assert 0 < json.loads(file.metadata()["facts"])["step"] < 40
    run = train(make_recipe(), data, state, CPU, quiet)
    assert weights(run) == weights(whole)
    assert run.curve == whole.curve


@pytest.mark.parametrize("step", [1, 9, 23])
def test_sigterm_keeps_the_step_it_comes_in(make_recipe, data, tmp_path, whole, step):
    state, handler = tmp_path / "state", signal.getsignal(signal.SIGTERM)

    def report(progress: Progress) -> None:
        if progress.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        train(make_recipe(), data, state, CPU, report)
    assert signal.getsignal(signal.SIGTERM) == handler
    with safe_open(state, "pt") as file:
        assert json.loads(file.metadata()["facts"])["step"] == step
    run = train(make_recipe(), data, state, CPU, quiet)
    assert weights(run) == weights(whole)
    assert run.curve == whole.curve


def test_a_training_in_a_thread_leaves_signals_alone(make_recipe, data, tmp_path, whole):
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(train, make_recipe(), data, tmp_path / "state", CPU, quiet).result()
    assert weights(run) == weights(whole)


def test_an_interruption_between_steps_keeps_them(make_recipe, data, tmp_path, whole):
    state = tmp_path / "state"

    def report(progress: Progress) -> None:
        if progress.step == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(make_recipe(), data, state, CPU, report)
    with safe_open(state, "pt") as file:
        assert json.loads(file.metadata()["facts"])["step"] == 9
    assert weights(train(make_recipe(), data, state, CPU, quiet)) == weights(whole)


@pytest.mark.parametrize("change", ["recipe", "data"])
def test_the_checkpoint_of_another_run_is_refused(make_recipe, data: TokenData, tmp_path, change):
    state = tmp_path / "state"
    train(make_recipe(), data, state, CPU, quiet, stop_after=2)
    before = state.read_bytes()
    recipe = make_recipe(seed=1) if change == "recipe" else make_recipe()
    other = replace(data, digest="another") if change == "data" else data
    with pytest.raises(
        CommandError, match="the checkpoint of another recipe, corpus, precision or circuitlang"
    ):
        train(recipe, other, state, CPU, quiet)
    assert state.read_bytes() == before


@pytest.mark.parametrize("harm", ["truncated", "empty", "folder", "text", "shorter"])
def test_a_damaged_checkpoint_is_refused(make_recipe, data, tmp_path, harm):
    state = tmp_path / "state"
    train(make_recipe(), data, state, CPU, quiet, stop_after=2)
    content = state.read_bytes()
    state.unlink()
    if harm == "folder":
        state.mkdir()
    elif harm == "shorter":  # a parameter is missing, though the file is whole
        from safetensors.torch import load, save

        with_key = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        tensors = load(content)
        del tensors["exp_avg.embed"]
        state.write_bytes(save(tensors, with_key))
    else:
        state.write_bytes({"truncated": content[:-5], "empty": b"", "text": b"hello " * 99}[harm])
    with pytest.raises(CommandError, match=r"checkpoint"):
        train(make_recipe(), data, state, CPU, quiet)


def test_a_disk_that_fills_during_a_checkpoint_leaves_the_one_before(
    make_recipe, data, tmp_path, whole, monkeypatch
):
    state, calls = tmp_path / "state", []
    monkeypatch.setattr(module, "SAVE_SECONDS", 0.0)

    def full(tensors, path, metadata):
        calls.append(None)
        if len(calls) > 5:
            path.write_bytes(b"half of it")
            raise SafetensorError("I/O error: No space left on device (os error 28)")
        save_file(tensors, path, metadata)

    with monkeypatch.context() as patch:
        patch.setattr("circuitlang.model.training.state.save_file", full)
        with pytest.raises(CommandError, match=r"cannot write .*state: .*No space left on device"):
            train(make_recipe(), data, state, CPU, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    with safe_open(state, "pt") as file:
        assert json.loads(file.metadata()["facts"])["step"] == 5
    assert weights(train(make_recipe(), data, state, CPU, quiet)) == weights(whole)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_divergence_stops_the_run_and_keeps_the_last_good_checkpoint(
    make_recipe, data, tmp_path, monkeypatch, what
):
    monkeypatch.setattr(module, "SAVE_SECONDS", 0.0)
    original, calls = module.next_token_loss, []

    def diverging(model, *rest):
        calls.append(None)
        loss = original(model, *rest)
        if len(calls) != 7:
            return loss
        zero = (model.embed - model.embed.detach()).sum()
        return loss * math.nan if what == "loss" else loss + zero.abs().sqrt()  # its slope at 0 is infinite

    monkeypatch.setattr(module, "next_token_loss", diverging)
    monkeypatch.setattr(module, "validation_loss", lambda *_: {})
    state = tmp_path / "state"
    with pytest.raises(CommandError, match=r"at step 6; the last good checkpoint is kept"):
        train(make_recipe(), data, state, CPU, quiet)
    with safe_open(state, "pt") as file:
        assert json.loads(file.metadata()["facts"])["step"] == 6
        assert all(torch.isfinite(file.get_tensor(name)).all() for name in file.keys())  # noqa: SIM118


def test_an_absurd_learning_rate_ends_in_one_sentence(make_recipe, data, tmp_path):
    recipe = make_recipe()
    recipe = replace(recipe, training=replace(recipe.training, learning_rate=1e30))
    with pytest.raises(CommandError, match="A smaller learning_rate usually helps"):
        train(recipe, data, tmp_path / "state", CPU, quiet)


def test_too_few_tokens_for_one_batch_are_refused(make_recipe, data, tmp_path):
    recipe = make_recipe()
    recipe = replace(recipe, training=replace(recipe.training, tokens=63))
    with pytest.raises(CommandError, match="63 tokens are not enough for one batch of model tiny"):
        train(recipe, data, tmp_path / "state", CPU, quiet)


def test_nonzeros_at_the_end_are_the_recipe_s(make_recipe, whole):
    sparsity = make_recipe().sparsity
    share = {"weights": sparsity.weights, "embeddings": sparsity.embeddings}
    for name, parameter, group, axis in sparse_parameters(whole.model):
        assert int((parameter != 0).sum()) == int(share[group] * parameter.numel()), name
        if axis is not None:
            assert int((parameter != 0).sum(1 - axis).min()) >= sparsity.floor, name


def test_a_trivial_corpus_is_learnt(make_recipe, data, tmp_path):
    """From ln 300 = 5.7 nats towards what the corpus has: five names and a number per line."""
    recipe = make_recipe(steps=250)
    told: list[Progress] = []
    run = train(recipe, data, tmp_path / "state", CPU, told.append)
    first = sum(p.loss for p in told[:5]) / 5
    last = sum(p.loss for p in told[-20:]) / 20
    assert abs(first - math.log(300)) < 0.2
    assert last < 4
    assert abs(validation_loss(run.model, data, CPU)["rules"] - last) < 0.3
    assert [p.step for p in told] == list(range(1, 251))
    nonzero = [p.nonzero for p in told]
    assert nonzero == sorted(nonzero, reverse=True)
    assert (nonzero[0], nonzero[-1]) == (1, 0.5)


def test_the_curve_is_means_of_the_losses(make_recipe, data, tmp_path, whole):
    told: list[Progress] = []
    train(make_recipe(), data, tmp_path / "state", CPU, told.append)
    assert [point["step"] for point in whole.curve] == list(range(4, 41, 4))
    for point in whole.curve:
        losses = [p.loss for p in told[point["step"] - 4 : point["step"]]]
        assert math.isclose(point["loss"], sum(losses) / 4)
    assert [point["step"] for point in whole.curve if "rules" in point] == [40]


def test_config_of_a_recipe(make_recipe):
    recipe = make_recipe()
    config = config_of(recipe)
    sparsity = replace(recipe.sparsity, activations_at=(Place.NEURON,))
    other = config_of(replace(recipe, architecture=replace(recipe.architecture, smear=2), sparsity=sparsity))
    assert (other.smear, other.kept(Place.NEURON), other.kept(Place.Q)) == (2, 0.5, 1.0)
    assert not config.smear
    assert (config.layers, config.width, config.heads, config.context) == (1, 16, 2, 16)
    assert (config.hidden, config.vocabulary, config.activations, config.sink) == (32, 300, 0.5, True)
