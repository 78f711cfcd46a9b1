"""Looking inside: what is recorded is what the forward pass has, under any name; a function changes what it names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.interfaces.api.model import Model
from circuitlang.language.program.load import load_text
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.config import Config
from circuitlang.model.hook_names import Passage, find_spot, names
from circuitlang.model.transformer import Attention, Transformer
from circuitlang.prompts.tokenizer import train_tokenizer
from circuitlang.site import Node, Place, Site
from circuitlang.source.diagnostic import CommandError

TOKENIZER = train_tokenizer([f"rows{i % 5} = [{i}, {i * 7}]\n" for i in range(200)], 270)
TEXTS = ["rows1 = [3, 21]\n", "rows", "[12, 84"]


def tiny(**sizes: float) -> Model:
    """Every parameter is drawn, so that each shows in the logits."""
    usual = {"layers": 2, "width": 16, "heads": 4, "context": 24, "hidden": 32, "activations": 0.5}
    inner = Transformer(Config(vocabulary=TOKENIZER.size, **{**usual, **sizes}))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in inner.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator) * 0.5
            parameter.copy_(1 + drawn / 2 if "norm" in name else drawn)
    inner.eval().requires_grad_(False)
    return Model(Checkpoint("tiny", inner, TOKENIZER, torch.zeros(1, 24, dtype=torch.int64), "", {}))


MODELS = {"plain": tiny(), "sink and bigram": tiny(sink=True, bigram=True), "one layer": tiny(layers=1)}
models = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@models
def test_recording_everything_changes_nothing(model: Model) -> None:
    ids = model.tokens(TEXTS).ids
    plain = model.checkpoint.model(ids)
    assert torch.equal(model.run(TEXTS), plain)
    assert torch.equal(model.run(ids), plain)
    same = {name: lambda x: x for name in model.sites if changeable(name)}
    assert torch.equal(model.run(TEXTS, same), plain)
    seen = model.record(TEXTS, model.sites)
    assert list(seen) == list(model.sites)


def changeable(name: str) -> bool:
    return name != "0.resid_in" and not name.endswith((".y", ".pattern"))


@models
def test_what_is_recorded_is_what_the_forward_pass_has(model: Model) -> None:
    """The streams, patterns and mixed values against sums and formulas made here, the sites against the seam."""
    inner, ids = model.checkpoint.model, model.tokens(TEXTS).ids
    sites: dict[str, torch.Tensor] = {}

    def keep(site: Site, x: torch.Tensor) -> torch.Tensor:
        sites[str(site)] = x
        return x

    inner(ids, keep)
    seen = model.record(TEXTS, model.sites)
    stream = inner.embed[ids]
    for layer, attention in enumerate(inner.attention):
        assert isinstance(attention, Attention)
        assert torch.equal(seen[f"{layer}.resid_in"], stream)
        stream = stream + sites[f"{layer}.attn_out"]
        assert torch.equal(seen[f"{layer}.resid_mid"], stream)
        stream = stream + sites[f"{layer}.mlp_out"]
        pattern = seen[f"{layer}.pattern"]
        assert pattern.shape == (3, 4, ids.shape[1], ids.shape[1])
        mixed = torch.einsum("bhqk,bhkd->bhqd", pattern, attention.split(sites[f"{layer}.v"]))
        mixed = mixed.transpose(1, 2).reshape(seen[f"{layer}.y"].shape)
        torch.testing.assert_close(seen[f"{layer}.y"], mixed)
    assert torch.equal(seen["final"], stream)
    assert all(torch.equal(seen[name], value) for name, value in sites.items())


@given(st.data())
@settings(max_examples=30)
def test_a_change_of_the_stream_is_what_comes_next(data: st.DataObject) -> None:
    """Whatever a function gives stands there, and nothing before it moves."""
    model = MODELS["sink and bigram"]
    name = data.draw(st.sampled_from([name for name in model.sites if changeable(name)]))
    factor = data.draw(st.floats(-2, 2, width=32))
    before = model.record(TEXTS, model.sites)
    after = model.record(TEXTS, model.sites, {name: lambda x: x * factor + 1})
    torch.testing.assert_close(after[name], before[name] * factor + 1, rtol=1e-4, atol=1e-5)
    write = {"resid_mid": ".attn_out", "resid_in": ".mlp_out"}.get(name.partition(".")[2])
    for earlier in model.sites[: model.sites.index(name)]:
        assert torch.equal(after[earlier], before[earlier]) or (write and earlier.endswith(write))


def test_every_name_of_a_place_finds_it() -> None:
    for row in names(3):
        assert find_spot(str(row.spot), 3) == row.spot
        for name in filter(None, (row.authors, row.transformer_lens)):
            assert find_spot(name, 3) == row.spot
    every = [name for row in names(3) for name in (str(row.spot), row.transformer_lens)]
    assert len(set(every)) == len(every)
    assert find_spot("blocks.0.hook_resid_post", 3) == Passage(1, "resid_in")
    assert find_spot("blocks.2.hook_resid_post", 3) == Site(3, Place.FINAL)
    assert find_spot("1.neuron[37]", 3) == Node(Site(1, Place.NEURON), 37)


def test_the_sites_are_all_places_of_the_engine() -> None:
    sites = [row.spot for row in names(2) if isinstance(row.spot, Site)]
    assert sites[:-1] == list(MODELS["plain"].config.sites())


def test_one_unit_is_recorded_and_changed_alone() -> None:
    model = MODELS["plain"]
    before = model.record(TEXTS, ["1.neuron", "1.neuron[3]"])
    assert torch.equal(before["1.neuron[3]"], before["1.neuron"][..., 3])
    after = model.record(
        TEXTS, "1.neuron", {"1.mlp.post_act": lambda x: 2 * x, "1.neuron[3]": lambda x: x + 1}
    )
    wanted = 2 * before["1.neuron"]
    wanted[..., 3] += 1
    assert torch.equal(after["1.neuron"], wanted)


def test_what_a_function_writes_into_its_argument_is_a_copy() -> None:
    model = MODELS["plain"]
    kept = []

    def spoil(x: torch.Tensor) -> torch.Tensor:
        kept.append(x.clone())
        return x.zero_()

    model.run(TEXTS, {"0.attn_in": spoil})
    assert torch.equal(kept[0], model.record(TEXTS, "0.attn_in")["0.attn_in"])


def test_gradients_flow_from_an_intervention() -> None:
    model = MODELS["plain"]
    shift = torch.zeros(model.config.hidden, requires_grad=True)
    model.run(TEXTS, {"1.neuron": lambda x: x + shift})[0, -1, 5].backward()
    assert shift.grad is not None
    assert shift.grad.abs().max() > 0


def test_texts_and_ids_are_the_same_thing() -> None:
    model = MODELS["plain"]
    ids, end = model.tokens(TEXTS)
    assert ids[0, 0] == TOKENIZER.end
    for row, text in enumerate(TEXTS):
        assert ids[row, 1 : int(end[row]) + 1].tolist() == TOKENIZER.encode(text).ids
        assert len(model.pieces(text)) == int(end[row]) + 1
        assert "".join(model.pieces(text)[1:]) == text
        alone = model.run(text)[0]
        torch.testing.assert_close(alone, model.run(TEXTS)[row, : len(alone)])
    assert torch.equal(model.tokens(ids[:, :2].tolist()).ids, ids[:, :2])


def test_the_prompts_of_a_task() -> None:
    task = load_text(
        'task t { rule n = 0..99  prompt "rows{n} = {open}{n}"\n case flat with open = "[" answer "]"\n'
        ' case bare with open = "" answer "," }'
    ).tasks["t"]
    model = MODELS["plain"]
    batch = model.prompts(task, 5)
    assert np.array_equal(model.tokens(batch).ids.numpy(), batch.tokens)
    assert model.run(batch).shape == (10, batch.tokens.shape[1], model.config.vocabulary)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda m: m.record("rows", "0.atn_in"), "did you mean `0.attn_in`"),
        (lambda m: m.record("rows", "7.attn_in"), "there is no site `7.attn_in` in a model of 2 layers"),
        (lambda m: m.record("rows", "1.neuron[32]"), "no unit `1.neuron\\[32\\]`; 1.neuron has 32"),
        (lambda m: m.record("rows", "1.neuron[x]"), "is no unit of a site"),
        (lambda m: m.run("rows", {"0.attn.y": lambda x: x}), "`0.y` follows from queries"),
        (lambda m: m.run("rows", {"0.resid_in": lambda x: x}), "the tokens' embedding"),
        (lambda m: m.run("rows", {"0.q": lambda x: x[:, :1]}), "shape \\(1, 1, 16\\), not \\(1, "),
        (lambda m: m.run("rows", {"0.q": lambda x: None}), "gave NoneType"),
        (lambda m: m.run("rows", {"0.q": abs, "0.attn.q": abs}), "two interventions on `0.q`"),
        (lambda m: m.run("rows " * 30), "the model takes 1 to 24"),
        (lambda m: m.run([[0, 999]]), "a token id outside 0 to"),
        (lambda m: m.run([]), "there is no text"),
        (lambda m: m.token("rows = "), "is not one token but"),
    ],
)
def test_a_mistake_is_one_sentence(asked, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        asked(MODELS["plain"])


def test_the_model_that_ships(tmp_path: Path) -> None:
    import circuitlang as cl

    model = cl.load_model("zoo:python-small", tmp_path)
    assert "4 layers" in repr(model)
    with pytest.raises(cl.CommandError, match="there is no model `zoo:nothing`"):
        cl.load_model("zoo:nothing")
