"""The training of a bridge on models of a few channels: its loss and gradients, exact resuming, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from circuitlang.language.program.bridge import Bridge as Recipe
from circuitlang.language.program.bridge import BridgeLoss, BridgeTraining, Coupling
from circuitlang.language.program.recipe import Recipe as ModelRecipe
from circuitlang.language.program.spec import VerdictSettings
from circuitlang.model.bridge_maps import Joined, divergence, streams
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.config import Config
from circuitlang.model.training.data import TokenData
from circuitlang.model.training.machine import Machine
from circuitlang.model.training.sparsity import largest_shares, project
from circuitlang.model.training.train_bridge import BridgeLoop, bridge_loss, train_bridge, untrained
from circuitlang.model.transformer import Transformer
from circuitlang.source.diagnostic import CommandError

WHOLE = 10


def checkpoint(data: TokenData, seed: int, width: int, sparse: bool = False) -> Checkpoint:
    sizes = {"layers": 1, "heads": 2, "context": 16, "hidden": 32, "vocabulary": 300}
    model = Transformer(Config(width=width, bigram=True, activations=0.5 if sparse else 1.0, **sizes))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator) * 0.3
            parameter.copy_(1 + noise if "norm" in name else noise)
    if sparse:
        project(model, 0.5, 0.5, 2)
    return Checkpoint(
        f"m{seed}", model.requires_grad_(False), data.tokenizer, torch.zeros(1, 16), f"{seed}", {}
    )


@pytest.fixture
def parts(data: TokenData, make_recipe: Callable[..., ModelRecipe]) -> Callable[..., dict[str, Any]]:
    def make(joint: bool = False, loss: BridgeLoss = BridgeLoss(), **training: Any) -> dict[str, Any]:  # noqa: B008
        corpus = make_recipe().training.corpus
        settings = {"tokens": WHOLE * 64, "batch": 4, "learning_rate": 0.01, "joint": joint, **training}
        train = BridgeTraining(corpus, **settings)
        recipe = Recipe("b", None, "m0", "m1", Coupling(), train, loss, VerdictSettings(), (), "b", None)  # type: ignore[arg-type]
        reference = data.batch(1, 0, 4, 16)
        dense, sparse = checkpoint(data, 0, 12), checkpoint(data, 1, 16, sparse=True)
        return {"recipe": recipe, "dense": dense, "sparse": sparse, "data": data, "reference": reference}

    return make


def state_of(*modules: nn.Module) -> list[Tensor]:
    return [tensor.clone() for module in modules for tensor in module.state_dict().values()]


def run(parts: dict[str, Any], path: Path, stop: int | None = None, **options: Any) -> list[Tensor]:
    done = train_bridge(**parts, state=path, report=lambda _: None, stop_after=stop, **options)
    return state_of(done.bridge, done.sparse)


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_run_in_pieces_is_the_run(parts: Any, tmp_path: Path, joint: bool, shuffled: bool) -> None:
    asked = parts(joint)
    whole = run(asked, tmp_path / "whole", shuffled=shuffled)
    for stop in (3, 7, None):
        found = run(asked, tmp_path / "pieces", stop, shuffled=shuffled)
    assert all(torch.equal(a, b) for a, b in zip(whole, found, strict=True))
    first = untrained(
        asked["recipe"], Joined(asked["dense"].model, asked["sparse"].model), asked["reference"]
    )
    assert any(not torch.equal(a, b) for a, b in zip(state_of(first), found, strict=False))


@pytest.mark.parametrize("joint", [False, True])
def test_only_what_is_trained_changes(parts: Any, tmp_path: Path, joint: bool) -> None:
    asked = parts(joint)
    before = state_of(asked["dense"].model, asked["sparse"].model)
    done = train_bridge(**asked, state=tmp_path / "s", report=lambda _: None)
    assert all(
        torch.equal(a, b)
        for a, b in zip(before, state_of(asked["dense"].model, asked["sparse"].model), strict=True)
    )
    same = all(
        torch.equal(a, b) for a, b in zip(state_of(asked["sparse"].model), state_of(done.sparse), strict=True)
    )
    assert same is not joint
    shares = largest_shares(asked["sparse"].model)
    assert all(b <= a for a, b in zip(shares, largest_shares(done.sparse), strict=True))


@pytest.mark.parametrize("learns", [False, True])
def test_the_gradients_in_pieces_are_those_of_the_whole_loss(parts: Any, learns: bool) -> None:
    """Against the formula written as one sum and one back-propagation."""
    asked = parts()
    joined = Joined(asked["dense"].model, asked["sparse"].model.requires_grad_(learns))
    weigh = BridgeLoss(0.7, 1.3, 0.4, 2.0, 0.9)
    bridge = untrained(asked["recipe"], joined, asked["reference"])
    tokens = asked["data"].batch(0, 0, 3, 17)
    value = bridge_loss(bridge, joined, weigh, tokens, tokens)
    trained = [p for m in (bridge, joined.sparse) for p in m.parameters() if p.requires_grad]
    found = [p.grad.clone() if p.grad is not None else torch.zeros_like(p) for p in trained]
    x = tokens[:, :-1]
    truth, dense = streams(joined.dense, x)
    logits, sparse = streams(joined.sparse, x)
    total = torch.zeros(())
    for place, number in enumerate(bridge.sites):
        encoded, decoded = bridge.encode(number, dense[number]), bridge.decode(number, sparse[number])
        apart = (encoded - sparse[number].detach()).square().sum(-1).mean() / bridge.sparse_variance[place]
        total = total + weigh.encoder * apart
        apart = (decoded - dense[number]).square().sum(-1).mean() / bridge.dense_variance[place]
        total = total + weigh.decoder * apart
        other = joined.sparse(x, entry=(number, encoded))
        total = total + weigh.to_sparse * divergence(truth, other).mean()
        total = total + weigh.to_dense * divergence(truth, joined.dense(x, entry=(number, decoded))).mean()
    if learns:
        own = nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        total = total + weigh.pretraining * own
    wanted = torch.autograd.grad(total, trained, allow_unused=True)
    torch.testing.assert_close(value, total.detach())
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, torch.zeros_like(one) if other is None else other)


def test_fewer_rows_at_a_time_are_the_same_step_but_for_rounding(parts: Any) -> None:
    asked = parts()
    gradients = []
    for rows in (None, 1):
        loop = BridgeLoop(**asked, machine=Machine(rows=rows), shuffled=True)
        value = loop.gradients(asked["data"].batch(0, 0, 4, 17))
        gradients.append((value, [p.grad for p in loop.model.parameters()]))
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-5)
    torch.testing.assert_close(gradients[0][1], gradients[1][1], rtol=1e-4, atol=1e-6)


def test_the_loss_falls(parts: Any, tmp_path: Path) -> None:
    told = []
    train_bridge(**parts(tokens=60 * 64), state=tmp_path / "s", report=lambda now: told.append(now.loss))
    assert sum(told[-5:]) < 0.8 * sum(told[:5])


def test_what_cannot_be_trained_is_refused(parts: Any, tmp_path: Path) -> None:
    asked = parts()
    for wrong, said in (
        (parts(loss=BridgeLoss(1, 0, 0, 0, 0)), "has no loss"),
        (parts(tokens=10), "not enough for one batch"),
        (parts(batch=1), "a batch needs 2 rows"),
    ):
        with pytest.raises(CommandError, match=said):
            run(wrong, tmp_path / "s", shuffled=True)
    run(asked, tmp_path / "s", 3)
    other = replace(asked["sparse"], digest="another")
    with pytest.raises(CommandError, match="checkpoint of another"):
        run({**asked, "sparse": other}, tmp_path / "s")


def test_a_divergence_keeps_the_last_good_checkpoint(parts: Any, tmp_path: Path) -> None:
    asked = parts()
    good = run(asked, tmp_path / "s", 3)
    model = asked["sparse"].model
    with torch.no_grad():
        model.unembed[:] = torch.nan
    with pytest.raises(CommandError, match="the loss is nan"):
        run(asked, tmp_path / "s")
    with torch.no_grad():
        model.load_state_dict(checkpoint(asked["data"], 1, 16, sparse=True).model.state_dict())
    again = run(asked, tmp_path / "s", 3)
    assert all(torch.equal(a, b) for a, b in zip(good, again, strict=True))


def test_a_term_of_weight_0_is_left_out(parts: Any, tmp_path: Path) -> None:
    """Its maps stay as they were, and the run is saved and goes on."""
    asked = parts(loss=BridgeLoss(encoder=0, to_sparse=0))
    joined = Joined(asked["dense"].model, asked["sparse"].model)
    first = untrained(asked["recipe"], joined, asked["reference"])
    for stop in (3, None):
        done = train_bridge(**asked, state=tmp_path / "s", report=lambda _: None, stop_after=stop)
    for a, b in zip(state_of(first.encoders), state_of(done.bridge.encoders), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(state_of(first.decoders)[0], state_of(done.bridge.decoders)[0])
