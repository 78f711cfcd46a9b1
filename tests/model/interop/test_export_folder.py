"""Exported and imported, a model has the same bits; folders of GPT-2's shape compute what GPT-2 computes."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from circuitlang.model.checkpoint import load, save
from circuitlang.model.interop import convert, import_model
from circuitlang.model.interop.huggingface import export
from circuitlang.model.interop.import_model import bring
from circuitlang.model.locate import TOKENS, WEIGHTS, locate
from circuitlang.prompts.relabel import nonsense_tokens
from circuitlang.prompts.tokenizer import END
from circuitlang.report.listing import card_lines
from circuitlang.source.diagnostic import CommandError

TEXT = "def total(rows):\n    return rows[0] + total(items)\n" * 60


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversions run here: a process of its own takes seconds to start."""

    def run(job: Any, path: Path) -> dict[str, Any]:
        return convert.convert(json.loads(json.dumps(job)))

    monkeypatch.setattr(import_model, "in_child", run)


OTHERS = {
    "positions": "concatenated",
    "position_width": 3,
    "norm": "layer",
    "shift": True,
    "activations": 0.5,
}


OWN = {"sink": True, "bigram": True, "activations": 0.5, "smear": 2}


@pytest.mark.parametrize("variant", [OWN, OTHERS], ids=str)
def test_import_of_export_has_the_same_bits(make_model, tokenizer, tmp_path, variant):
    model = make_model(vocabulary=tokenizer.size, **variant)
    reference = torch.randint(0, tokenizer.size, (6, 24), generator=torch.Generator().manual_seed(0))
    save(tmp_path / "first", model, tokenizer, reference, {"name": "tiny", "doc": "élan"})
    before = load(tmp_path / "first", "tiny")
    export(before, tmp_path / "exported")
    card = bring(tmp_path / "exported", tmp_path / "second", "tiny")
    after = load(tmp_path / "second", "tiny")
    assert after.digest == before.digest
    assert (tmp_path / "second" / WEIGHTS).read_bytes() == (tmp_path / "first" / WEIGHTS).read_bytes()
    assert (card["doc"], card["imported"]["layout"]) == ("élan", "a folder that circuitlang exported")
    export(after, tmp_path / "again")
    for name in (TOKENS, "config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "exported" / name).read_bytes()


def test_the_shipped_model_survives_the_trip(tmp_path):
    before = load(locate("zoo:python-small", Path()), "zoo:python-small")
    export(before, tmp_path / "exported")
    bring(tmp_path / "exported", tmp_path / "second", "tiny")
    assert load(tmp_path / "second", "x").digest == before.digest
    config = json.loads((tmp_path / "exported" / "config.json").read_text())
    assert config["hidden_size"] == before.model.config.width
    with pytest.raises(CommandError, match="is there already and is no empty folder"):
        export(before, tmp_path / "exported")


@pytest.fixture
def exported(make_model, tokenizer, tmp_path) -> Path:
    reference = torch.randint(0, tokenizer.size, (6, 24), generator=torch.Generator().manual_seed(0))
    save(tmp_path / "first", make_model(vocabulary=tokenizer.size), tokenizer, reference, {})
    export(load(tmp_path / "first", "tiny"), tmp_path / "exported")
    return tmp_path / "exported"


def rewritten(name: str, **tensors: Tensor | None):
    def harm(folder: Path) -> None:
        stored = from_bytes((folder / name).read_bytes())
        kept = {key: value for key, value in {**stored, **tensors}.items() if value is not None}
        (folder / name).write_bytes(to_bytes(kept))

    return harm


def configured(**changes: Any):
    def harm(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))

    return harm


GOOD_SIZES = {"layers": 2, "width": 16, "heads": 4, "context": 24, "hidden": 32, "vocabulary": 300}


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (rewritten("model.safetensors", embed=None), "has no tensor embed"),
        (rewritten("model.safetensors", extra=torch.ones(1)), "has an unknown tensor extra"),
        (rewritten("model.safetensors", embed=torch.ones(3, 4)), "embed is 3 x 4, its config says 300 x 16"),
        (
            rewritten("model.safetensors", embed=torch.full((300, 16), torch.nan)),
            "embed has values that are not",
        ),
        (
            rewritten("model.safetensors", embed=torch.ones(300, 16)),
            "is not the model that was exported: its",
        ),
        (rewritten("circuitlang.safetensors", reference=None), "circuitlang.safetensors is damaged"),
        (rewritten("circuitlang.safetensors", extra=torch.ones(1)), "circuitlang.safetensors is damaged"),
        (lambda f: (f / "circuitlang.safetensors").unlink(), "has no circuitlang.safetensors"),
        (lambda f: (f / "model.safetensors").unlink(), "there is no model.safetensors in"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 200_000), "cannot read .*model.safetensors"),
        (lambda f: (f / TOKENS).unlink(), "cannot read the tokenizer"),
        (configured(model_type="llama"), "`model_type` = 'llama': only `gpt2` and `circuitlang` are read"),
        (configured(circuitlang={}), "its `circuitlang` cannot be read"),
        (configured(circuitlang={**GOOD_SIZES, "layers": 10**9}), "too few for the"),
        (configured(circuitlang={**GOOD_SIZES, "vocabulary": 290}), "has 300 tokens, the model 290"),
    ],
)
def test_a_harmed_export_is_refused(exported, tmp_path, harm, message):
    harm(exported)
    with pytest.raises(CommandError, match=message):
        bring(exported, tmp_path / "second", "tiny")
    assert not (tmp_path / "second").exists()


GPT2: dict[str, Any] = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "vocab_size": 300,
    "n_positions": 24,
    "n_ctx": 24,
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 4,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "resid_pdrop": 0.1,
}


def gpt2_tensors(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes: dict[str, tuple[int, ...]] = {"wte.weight": (300, 16), "wpe.weight": (24, 16)}
    for at in ("ln_f", *(f"h.{layer}.{norm}" for layer in range(2) for norm in ("ln_1", "ln_2"))):
        sizes |= {f"{at}.weight": (16,), f"{at}.bias": (16,)}
    for layer in range(2):
        for name, shape in {
            "attn.c_attn": (16, 48),
            "attn.c_proj": (16, 16),
            "mlp.c_fc": (16, 64),
            "mlp.c_proj": (64, 16),
        }.items():
            sizes |= {f"h.{layer}.{name}.weight": shape, f"h.{layer}.{name}.bias": shape[1:]}
    return {name: torch.randn(shape, generator=generator) * 0.5 for name, shape in sizes.items()}


def gpt2_logits(state: dict[str, Tensor], tokens: Tensor) -> Tensor:
    """GPT-2 in torch's own pieces; weights multiply from the right."""

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (16,), state[f"{name}.weight"], state[f"{name}.bias"])

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ state[f"{name}.weight"] + state[f"{name}.bias"]

    x = state["wte.weight"][tokens] + state["wpe.weight"][: tokens.shape[1]]
    for layer in range(2):
        parts = linear(f"h.{layer}.attn.c_attn", norm(f"h.{layer}.ln_1", x)).split(16, -1)
        q, k, v = (part.unflatten(-1, (4, 4)).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + linear(f"h.{layer}.attn.c_proj", y.transpose(1, 2).flatten(-2))
        h = linear(f"h.{layer}.mlp.c_fc", norm(f"h.{layer}.ln_2", x))
        h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        x = x + linear(f"h.{layer}.mlp.c_proj", h)
    return norm("ln_f", x) @ state["wte.weight"].T


@pytest.fixture
def gpt2(tokenizer, tmp_path) -> Path:
    folder = tmp_path / "gpt2"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(GPT2))
    (folder / TOKENS).write_text(tokenizer.to_json().replace(END, "<|endoftext|>"), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(to_bytes(gpt2_tensors()))
    (tmp_path / "text.py").write_text(TEXT)
    return folder


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_gpt2_computes_what_gpt2_computes(gpt2, tokenizer, tmp_path, prefix):
    state = gpt2_tensors()
    stored = {prefix + name: tensor for name, tensor in state.items()}
    stored |= {f"{prefix}h.{i}.attn.bias": torch.ones(1, 1, 24, 24).tril() for i in range(2)}
    (gpt2 / "model.safetensors").write_bytes(to_bytes(stored))
    bring(gpt2, tmp_path / "ours", "ours", tmp_path / "text.py")
    found = load(tmp_path / "ours", "ours")
    tokens = torch.randint(0, 300, (5, 24), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(found.model(tokens), gpt2_logits(state, tokens), atol=1e-5, rtol=1e-5)
    assert found.tokenizer.encode(TEXT).ids == tokenizer.encode(TEXT).ids
    assert found.tokenizer.end == tokenizer.end


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            configured(scale_attn_by_inverse_layer_idx=True),
            "`scale_attn_by_inverse_layer_idx` = True: only False",
        ),
        (configured(layer_norm_epsilon=1e-6), "`layer_norm_epsilon` = 1e-06: only 1e-05 is read"),
        (configured(activation_function="silu"), "`activation_function` = 'silu': only gelu_new"),
        (configured(n_ctx=12), "`n_ctx` = 12: it must be `n_positions`, 24"),
        (configured(rope_theta=1e4), "`rope_theta` = 10000.0: this key is not known"),
        (configured(n_embd=None), "`n_embd` = None: it must be a whole number"),
        (configured(vocab_size=299), "has 300 tokens, the model 299"),
        (configured(n_positions=0, n_ctx=0), "`n_positions` = 0: it must be a whole number of at least 1"),
        (configured(n_inner=-1), "`n_inner` = -1: it must be a whole number of at least 1"),
        (configured(n_head=3), "`n_head` = 3: so many heads do not divide `n_embd`, 16"),
        (configured(tie_word_embeddings=False), "has no tensor lm_head.weight"),
        (
            rewritten("model.safetensors", **{"lm_head.weight": torch.ones(300, 16)}),
            "`tie_word_embeddings` = true, and model.safetensors has a lm_head.weight that is not",
        ),
        (
            rewritten("model.safetensors", **{"h.0.ln_1.bias": None}),
            "has no tensor transformer.h.0.ln_1.bias",
        ),
        (
            rewritten("model.safetensors", **{"h.0.mlp.c_fc.weight": torch.ones(64, 16)}),
            "is 64 x 16, its config says 16 x 64",
        ),
        (lambda f: (f / TOKENS).write_text("{}"), "is not a tokenizer that is read"),
        (
            lambda f: (f / TOKENS).write_text((f / TOKENS).read_text().replace("<|endof", "<|end_of")),
            r"a special token <\|endoftext\|>",
        ),
    ],
)
def test_a_gpt2_that_ours_cannot_be_is_refused(gpt2, tmp_path, harm, message):
    harm(gpt2)
    with pytest.raises(CommandError, match=message):
        bring(gpt2, tmp_path / "ours", "ours", tmp_path / "text.py")
    assert not (tmp_path / "ours").exists()


def test_a_folder_with_pickled_weights_only_is_refused(gpt2, tmp_path):
    shutil.move(gpt2 / "model.safetensors", gpt2 / "pytorch_model.bin")
    with pytest.raises(
        CommandError, match=r"pytorch_model\.bin, a pickle, .* write model.safetensors with `AutoModel"
    ):
        bring(gpt2, tmp_path / "ours", "ours", tmp_path / "text.py")
    (gpt2 / "pytorch_model.bin").unlink()
    with pytest.raises(CommandError, match=r"there is no model\.safetensors in"):
        bring(gpt2, tmp_path / "ours", "ours", tmp_path / "text.py")


def test_an_older_folder_is_named_with_all_that_is_to_convert(gpt2, tmp_path):
    for name in ("vocab.json", "merges.txt"):
        (gpt2 / name).write_text("{}")
    (gpt2 / TOKENS).unlink()
    with pytest.raises(
        CommandError, match=r"has vocab\.json and merges\.txt, .* write tokenizer\.json with `Auto"
    ):
        bring(gpt2, tmp_path / "ours", "ours", tmp_path / "text.py")
    shutil.move(gpt2 / "model.safetensors", gpt2 / "pytorch_model.bin")
    both = r"a pickle, and vocab\.json and .*AutoModelForCausalLM\.from_pretrained.*; AutoTokenizer\.from_pretrained"
    with pytest.raises(CommandError, match=both):
        bring(gpt2, tmp_path / "ours", "ours", tmp_path / "text.py")


def more_rows(folder: Path, rows: int = 320) -> dict[str, Tensor]:
    """The model has rows that its tokenizer has no token for."""
    state = gpt2_tensors()
    extra = torch.randn(rows - 300, 16, generator=torch.Generator().manual_seed(7))
    state["wte.weight"] = torch.cat([state["wte.weight"], extra])
    (folder / "model.safetensors").write_bytes(to_bytes(state))
    configured(vocab_size=rows)(folder)
    return state


def special_tokens(folder: Path) -> None:
    """Special tokens that no text asks for, one of them spelled with more than a byte-level tokenizer writes."""
    data = json.loads((folder / TOKENS).read_text(encoding="utf-8"))
    usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    data["added_tokens"] += [
        {"id": 300, "content": "<|pad|>", **usual},
        {"id": 302, "content": "a mask, ß", **usual},
    ]
    (folder / TOKENS).write_text(json.dumps(data), encoding="utf-8")


@pytest.mark.parametrize("change", [lambda folder: None, special_tokens], ids=["padded", "special tokens"])
def test_rows_that_no_text_reaches_are_part_of_the_model_and_of_no_text(gpt2, tokenizer, tmp_path, change):
    state = more_rows(gpt2)
    change(gpt2)
    card = bring(gpt2, tmp_path / "ours", "ours", tmp_path / "text.py")
    found = load(tmp_path / "ours", "ours")
    tokens = torch.randint(0, 320, (5, 24), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(found.model(tokens), gpt2_logits(state, tokens), atol=1e-5, rtol=1e-5)
    texts = [TEXT, "<|pad|> a mask, ß <|300|> <|endoftext|> \xff300 ÿ<|300|>"]
    assert found.tokenizer.ids_of_many(texts) == tokenizer.ids_of_many(texts)
    assert [found.tokenizer.decode(ids) for ids in found.tokenizer.ids_of_many(texts)] == texts
    assert (found.tokenizer.end, found.tokenizer.size) == (tokenizer.end, 320)
    assert all(found.tokenizer.bytes_of(token).startswith(b"\xff<|3") for token in range(303, 320))
    assert max(nonsense_tokens(found.tokenizer, (), 150, 0)) < 300
    assert card["imported"]["rows_without_token"] == (18 if change is special_tokens else 20)
    assert any("of its tokens stand for no text" in line for line in card_lines(card))


@pytest.mark.parametrize(
    "key", ["max_length", "tokenizer_class", "torchscript", "prefix", "n_special", "top_k"]
)
def test_keys_without_effect_and_keys_that_say_nothing_pass(gpt2, tmp_path, key):
    configured(**{key: 5, "rope_scaling": None, "is_encoder_decoder": False})(gpt2)
    bring(gpt2, tmp_path / "ours", "ours", tmp_path / "text.py")
    configured(scale_attn_weights=None)(gpt2)  # the library takes that for false
    with pytest.raises(CommandError, match="`scale_attn_weights` = None: only True is read"):
        bring(gpt2, tmp_path / "other", "other", tmp_path / "text.py")


def sharded(folder: Path, **where: object) -> None:
    """The weights in three files and an index, of which `where` changes entries."""
    state = gpt2_tensors()
    (folder / "model.safetensors").unlink()
    files = {name: f"model-{place % 3}.safetensors" for place, name in enumerate(state)}
    for file in set(files.values()):
        (folder / file).write_bytes(to_bytes({name: t for name, t in state.items() if files[name] == file}))
    index = {"metadata": {}, "weight_map": {**files, **where}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_weights_in_several_files_are_those_of_one(gpt2, tmp_path):
    bring(gpt2, tmp_path / "one", "ours", tmp_path / "text.py")
    sharded(gpt2)
    card = bring(gpt2, tmp_path / "ours", "ours", tmp_path / "text.py")
    one, ours = (load(tmp_path / name, name).model.state_dict() for name in ("one", "ours"))
    assert all(torch.equal(one[name], ours[name]) for name in one)
    assert {f"model-{number}.safetensors" for number in range(3)} <= set(card["imported"]["files"])


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("../x.safetensors", "does not name files of its folder"),
        (3, "does not name files of its folder"),
        ("x.safetensors", "there is no x.safetensors in"),
    ],
)
def test_an_index_names_files_of_its_folder(gpt2, tmp_path, file, message):
    sharded(gpt2, more=file)
    with pytest.raises(CommandError, match=message):
        bring(gpt2, tmp_path / "ours", "ours", tmp_path / "text.py")


def test_a_tensor_that_shares_anothers_numbers_is_read_by_its_name(gpt2, tmp_path):
    bring(gpt2, tmp_path / "one", "ours", tmp_path / "text.py")
    stored = {f"transformer.{name}": tensor for name, tensor in gpt2_tensors().items()}
    stored["lm_head.weight"] = stored.pop("transformer.wte.weight")
    shared = {"format": "pt", "transformer.wte.weight": "lm_head.weight"}
    (gpt2 / "model.safetensors").write_bytes(to_bytes(stored, shared))
    bring(gpt2, tmp_path / "ours", "ours", tmp_path / "text.py")
    one, ours = (load(tmp_path / name, name).model.state_dict() for name in ("one", "ours"))
    assert all(torch.equal(one[name], ours[name]) for name in one)
