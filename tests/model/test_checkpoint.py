"""A model's folder: the same bytes every time, read back exactly, and refused in one sentence when anything is off."""

import copy
import json
import os
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes

from circuitlang.model.checkpoint import Checkpoint, load, save
from circuitlang.model.locate import CARD, TOKENS, WEIGHTS, locate, read_card, read_config, zoo
from circuitlang.model.training.sparsity import project
from circuitlang.prompts.tokenizer import train_tokenizer
from circuitlang.report.listing import card_lines
from circuitlang.source.diagnostic import CommandError


@pytest.fixture(scope="session")
def model(make_model):
    made = make_model(vocabulary=300, sink=True, bigram=True, activations=0.5)
    project(made, 0.25, 0.25, 2)
    return made


@pytest.fixture(scope="session")
def reference():
    return torch.randint(0, 300, (6, 24), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="session")
def saved(model, tokenizer, reference, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    save(folder, model, tokenizer, reference, {"name": "tiny", "doc": "élan"})
    return folder


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    """A copy to harm."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


def refused(folder: Path) -> str:
    with pytest.raises(CommandError) as caught:
        load(folder, "x")
    return str(caught.value)


def rewrite(folder: Path, tensors: Mapping[str, torch.Tensor] = {}, drop: str = "", **metadata: Any) -> None:
    """The weights' file with some tensors and metadata changed."""
    content = (folder / WEIGHTS).read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    kept = {name: t for name, t in from_bytes(content).items() if not (drop and name.startswith(drop))}
    facts = {k: v for k, v in {**header["__metadata__"], **metadata}.items() if v is not None}
    (folder / WEIGHTS).write_bytes(to_bytes({**kept, **tensors}, facts))


def test_round_trip_is_exact(model, tokenizer, reference, saved):
    found = load(saved, "tiny")
    assert isinstance(found, Checkpoint)
    assert found.name == "tiny"
    assert found.card == {"name": "tiny", "doc": "élan"}
    assert found.model.config == model.config
    assert torch.equal(found.reference, reference)
    assert found.tokenizer.to_json() == tokenizer.to_json()
    for (name, before), (same, after) in zip(
        model.state_dict().items(), found.model.state_dict().items(), strict=True
    ):
        assert name == same
        assert torch.equal(before, after), name
    tokens = reference[:2]
    assert torch.equal(found.model(tokens), model(tokens))
    assert not found.model.training
    assert not any(p.requires_grad for p in found.model.parameters())


def test_the_same_model_gives_the_same_bytes(model, tokenizer, reference, saved, tmp_path):
    for number in range(5):
        save(tmp_path / str(number), model, tokenizer, reference, {"name": "tiny", "doc": "élan"})
        for name in (WEIGHTS, TOKENS, CARD):
            assert (tmp_path / str(number) / name).read_bytes() == (saved / name).read_bytes()
    assert load(tmp_path / "0", "a").digest == load(saved, "b").digest


def test_a_shipped_model_written_again_has_the_same_bytes(tmp_path):
    """Whatever options came after it was trained."""
    folder = locate("zoo:python-small", Path())
    found = load(folder, "zoo:python-small")
    save(tmp_path, found.model, found.tokenizer, found.reference, found.card)
    assert (tmp_path / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()


def test_another_weight_gives_another_digest(model, tokenizer, reference, saved, tmp_path):
    with torch.no_grad():
        place = tuple(model.embed.nonzero()[0])
        before = model.embed[place].clone()
        model.embed[place] = before.nextafter(torch.tensor(9.0))
        save(tmp_path / "other", model, tokenizer, reference, {})
        model.embed[place] = before
    assert load(tmp_path / "other", "x").digest != load(saved, "x").digest


def test_only_nonzeros_are_stored(model, saved):
    tensors = from_bytes((saved / WEIGHTS).read_bytes())
    assert len(tensors["embed.values"]) == int((model.embed != 0).sum())
    assert "embed" not in tensors


def test_sizes_are_read_without_the_weights(model, folder):
    content = (folder / WEIGHTS).read_bytes()
    config, metadata = read_config(folder)
    assert config == model.config
    assert set(metadata) == {"format", "version", "config", "tokenizer"}
    assert content.startswith((folder / WEIGHTS).read_bytes()[:8])


def test_a_tokenizer_written_by_another_version_of_its_library_is_still_the_same(folder):
    """The digest is of the file, not of what today's library would write."""
    path = folder / TOKENS
    text = path.read_text()
    other = json.dumps(json.loads(text), indent=2)
    path.write_text(other)
    assert "is not the tokenizer" in refused(folder)
    import hashlib

    rewrite(folder, tokenizer=hashlib.sha256(other.encode()).hexdigest())
    assert load(folder, "x").tokenizer.to_json() == other


def with_smear(folder: Path) -> str:
    return json.dumps({**read_config(folder)[0].to_json(), "smear": 1})


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / WEIGHTS).unlink(), "cannot read the model"),
        (lambda f: ((f / WEIGHTS).unlink(), (f / WEIGHTS).mkdir()), "cannot read the model"),
        (lambda f: (f / WEIGHTS).write_bytes(b""), "cannot read the model"),
        (lambda f: (f / WEIGHTS).write_text("no weights here" * 99), "cannot read the model"),
        (lambda f: (f / TOKENS).unlink(), "cannot read the tokenizer"),
        (lambda f: ((f / TOKENS).unlink(), (f / TOKENS).mkdir()), "cannot read the tokenizer"),
        (lambda f: (f / TOKENS).write_text("{}"), "is not a tokenizer"),
        (lambda f: (f / TOKENS).write_bytes(b"\xff\xfe\x00"), "is not a tokenizer"),
        (lambda f: (f / CARD).write_text("{"), "cannot read the card"),
        (lambda f: (f / CARD).write_text("[1]"), "it is no JSON object"),
        (lambda f: rewrite(f, format="another"), "is not a circuitlang model"),
        (lambda f: rewrite(f, format=None), "is not a circuitlang model"),
        (lambda f: rewrite(f, version="2"), "format version 2; this circuitlang reads version 1"),
        (lambda f: rewrite(f, config=None), "its config cannot be read"),
        (lambda f: rewrite(f, config="{"), "its config cannot be read"),
        (lambda f: rewrite(f, config="[]"), "its config cannot be read"),
        (lambda f: rewrite(f, config="[" * 100_000), "its config cannot be read"),
        (lambda f: rewrite(f, config='{"layers": 0}'), "its config cannot be read"),
        (lambda f: rewrite(f, tokenizer="0" * 64), "is not the tokenizer that"),
        (lambda f: rewrite(f, drop="norm.weight"), "damaged or of another shape"),
        (lambda f: rewrite(f, drop="embed.columns"), "damaged or of another shape"),
        (lambda f: rewrite(f, drop="reference"), "damaged or of another shape"),
        (lambda f: rewrite(f, {"norm.gain": torch.ones(16)}, drop="norm.weight"), "damaged or of another"),
        (lambda f: rewrite(f, {"extra": torch.ones(1)}), "unknown tensors: extra"),
        (lambda f: rewrite(f, {"smear": torch.ones(16)}), "unknown tensors: smear"),
        (
            lambda f: rewrite(f, config=with_smear(f)),
            "missing tensors: smear.columns, smear.offsets, smear.values",
        ),
        (lambda f: rewrite(f, {"norm.weight": torch.full((16,), torch.nan)}), "not a finite float32 number"),
        (lambda f: rewrite(f, {"norm.weight": torch.full((16,), torch.inf)}), "not a finite float32 number"),
        (lambda f: rewrite(f, {"norm.weight": torch.ones(17)}), "damaged or of another shape"),
        (lambda f: rewrite(f, {"norm.weight": torch.ones(16).half()}), "not a finite float32 number"),
        (
            lambda f: rewrite(f, {"reference": torch.full((2, 3), 300, dtype=torch.uint16)}),
            "a token that is none of the 300",
        ),
        (lambda f: rewrite(f, {"reference": torch.full((2, 3), -1)}), "not rows of token ids"),
        (lambda f: rewrite(f, {"reference": torch.ones(2, 3)}), "not rows of token ids"),
        (lambda f: rewrite(f, {"reference": torch.ones(0, 3, dtype=torch.uint16)}), "not rows of token ids"),
        (lambda f: rewrite(f, {"reference": torch.ones(3, dtype=torch.uint16)}), "not rows of token ids"),
    ],
)
def test_what_is_wrong_is_said(folder, harm, message):
    harm(folder)
    assert message in refused(folder)


HARM = [(part, change) for part in ("columns", "offsets") for change in ("negative", "floating")]
HARM += [
    (part, change) for part in ("values", "columns", "offsets") for change in ("longer", "shorter", "square")
]
HARM += [("offsets", "huge"), ("values", "nan"), ("values", "double")]


@pytest.mark.parametrize(("part", "change"), HARM)
def test_rows_that_do_not_fit_are_refused(folder, part, change):
    stored = from_bytes((folder / WEIGHTS).read_bytes())[f"embed.{part}"]
    wide = stored if part == "values" else stored.to(torch.int64)
    harmed = {
        "longer": lambda: torch.cat([wide, wide[-1:]]),
        "shorter": lambda: wide[:-1],
        "negative": lambda: torch.cat([wide[:-1], torch.tensor([-1])]),
        "huge": lambda: torch.cat([wide[:-1], torch.tensor([2**40])]),
        "floating": lambda: wide.float() + 0.5,
        "double": lambda: wide.double(),
        "square": lambda: wide.view(1, -1),
        "nan": lambda: torch.cat([wide[:-1], torch.tensor([torch.nan])]),
    }[change]()
    if change not in ("floating", "double"):
        harmed = harmed.to(stored.dtype)  # 2**40 becomes 0, -1 becomes the largest: neither fits
    rewrite(folder, {f"embed.{part}": harmed})
    assert "is damaged" in refused(folder)


def test_a_config_of_another_shape_is_refused_before_memory_is_taken(folder, model):
    for name, value in [
        ("layers", 10**9),
        ("width", 32),
        ("vocabulary", 299),
        ("hidden", 33),
        ("sink", False),
    ]:
        rewrite(folder, config=json.dumps({**model.config.to_json(), name: value}))
        assert str(folder) in refused(folder)


def test_truncated_anywhere_is_refused(folder):
    path = folder / WEIGHTS
    content = path.read_bytes()
    for length in sorted({*range(0, len(content), len(content) // 60), len(content) - 1}):
        path.write_bytes(content[:length])
        refused(folder)


@pytest.mark.parametrize("name", [WEIGHTS, TOKENS, CARD])
def test_changed_bytes_are_refused_or_show_in_the_digest(saved, folder, name):
    """A changed bit of a weight is a weight: only the digest can tell. Nothing else than CommandError may come out."""
    chance, path = random.Random(name), folder / name
    content, digest = path.read_bytes(), load(saved, "x").digest
    header = 8 + int.from_bytes(content[:8], "little") if name == WEIGHTS else len(content)
    outcomes = {True: 0, False: 0}
    for trial in range(50 if name == CARD else 130):
        harmed = bytearray(content)
        for _ in range(chance.choice([1, 1, 1, 4])):
            harmed[chance.randrange(header if trial % 2 else len(content))] = chance.randrange(256)
        if harmed == content:
            continue
        path.write_bytes(harmed)
        try:
            found = load(folder, "x")
        except CommandError:
            outcomes[False] += 1
            continue
        outcomes[True] += 1
        assert found.digest != digest or name == CARD
        assert all(torch.isfinite(p).all() for p in found.model.parameters())
        assert torch.isfinite(found.model(found.reference[:1])).all()
    assert outcomes[False] > 15


def test_locate(saved, tmp_path):
    root = saved.parent
    assert locate("model", root) == root / "model"
    assert locate(f"model/{WEIGHTS}", root) == root / "model"
    assert locate(str(saved), tmp_path) == saved
    (tmp_path / "models").mkdir()
    shutil.copytree(saved, tmp_path / "models" / "tiny")
    assert locate("tiny", tmp_path, trained=True) == tmp_path / "models" / "tiny"
    for name, trained, message in [
        ("nowhere", False, "there is no model at"),
        ("nowhere", True, "train it first: circuitlang train FILE nowhere"),
        ("zoo:nowhere", False, "there is no model `zoo:nowhere`; known:"),
        ("zoo:../zoo", False, "there is no model `zoo:../zoo`"),
    ]:
        with pytest.raises(CommandError, match=message):
            locate(name, tmp_path, trained)


def test_every_model_of_the_zoo_loads():
    for name in zoo():
        assert load(locate(name, Path()), name).card["name"]


def test_a_model_without_a_card_has_an_empty_one(folder):
    (folder / CARD).unlink()
    assert read_card(folder) == {} == load(folder, "x").card


def test_another_tokenizer_of_the_same_size_is_refused(folder):
    texts = [f"other{i % 7} words = {i}\n" for i in range(300)]
    (folder / TOKENS).write_text(train_tokenizer(texts, 280).to_json())
    assert "is not the tokenizer" in refused(folder)


CARD_AS_WRITTEN: dict[str, Any] = {
    "name": "tiny",
    "doc": "A model.",
    "tokens": 10,
    "hours": 0.5,
    "machine": {"device": "a machine", "threads": 2, "precision": "float32", "torch": "2"},
    "start": {"model": "zoo:x", "digest": "ab", "tokens": 5, "start": {"model": "y", "digest": "cd"}},
    "imported": {"files": {"a.bin": "ab"}, "config": {"n": 1}},
    "text": "texts",
    "parameters": {"nonzero": 5, "all": 10},
    "validation_loss": {"rules": 1.5},
    "competence": {"t": {"accuracy": 0.5, "loss": 1.0, "mass": 0.5}},
    "nonzeros": {"embed": [1, 2], "mlp.0.up": [1, 2]},
    "curve": [[1, 2.5]],
}
ODD = (None, True, -1, 1.5, 10**30, float("nan"), float("inf"), "x", [], {}, [[]], {"a": []})


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, each in inner for found in ((*path, key), *places(each, (*path, key)))]


def put(card: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(card)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def test_a_card_is_shown_or_refused_whatever_one_of_its_fields_says(tmp_path):
    """Every field in turn is left out, and takes every odd value."""
    shown, said = 0, list[str]()
    (tmp_path / CARD).write_text(json.dumps(CARD_AS_WRITTEN))
    assert len(list(card_lines(read_card(tmp_path)))) >= 9
    for path in places(CARD_AS_WRITTEN):
        for value in ODD:
            (tmp_path / CARD).write_text(json.dumps(put(CARD_AS_WRITTEN, path, value)))
            try:
                card = read_card(tmp_path)
            except CommandError as error:
                said.append(str(error))
            else:
                assert list(card_lines(card))
                shown += 1
    start = f"cannot read the card {tmp_path / CARD}: "
    assert [line for line in said if not line.startswith(start) or "\n" in line] == []
    assert shown > 50
    assert len(said) > 150


def test_a_card_commands_no_terminal(tmp_path):
    text = "\x1b[31m\n::error::x\u202e"
    hostile = json.loads(
        json.dumps(CARD_AS_WRITTEN),
        object_hook=lambda table: {
            text + key if key in ("a.bin", "rules", "t", "embed") else key: text
            if isinstance(value, str)
            else value
            for key, value in table.items()
        },
    )
    (tmp_path / CARD).write_text(json.dumps(hostile))
    lines = list(card_lines(read_card(tmp_path)))
    assert not [line for line in lines if not line.isprintable()]
    assert not [line for line in lines if line.startswith("::")]


LIES = {
    "layers": [2_000_000, 1.0, True, "2", None, 0, -1],
    "width": [1_000_000, 2**40, 16.0],
    "hidden": [10**9],
    "vocabulary": [10**9],
    "heads": [3, 4.0],
    "sink": [1, "yes"],
    "position_width": [1.5, 10**9],
}


@pytest.mark.parametrize("name", LIES)
def test_a_config_that_lies_takes_no_memory(folder, monkeypatch, name):
    made: list[int] = []
    usual = torch.nn.Linear.__init__

    def counted(self: Any, rows: int, columns: int, *rest: Any, **more: Any) -> None:
        if torch.get_default_device().type != "meta":
            made.append(rows * columns)
        usual(self, rows, columns, *rest, **more)

    monkeypatch.setattr(torch.nn.Linear, "__init__", counted)
    config, metadata = read_config(folder)
    for value in LIES[name]:
        rewrite(folder, config=json.dumps({**config.to_json(), name: value}))
        assert "damaged" in (said := refused(folder)) or "its tokenizer" in said
    assert metadata["format"] == "circuitlang-model"
    assert max(made, default=0) < 10**6


@pytest.mark.parametrize(
    "change",
    [
        {"__metadata__": []},
        {"__metadata__": {"format": 7}},
        {"embed.values": {"dtype": "F32", "shape": [1], "data_offsets": [0]}},
        {"embed.values": {"dtype": "F32", "shape": [1], "data_offsets": "ab"}},
        {"embed.values": []},
        {"embed.values": None},
    ],
)
def test_a_header_of_other_types_is_refused(folder, change):
    content = (folder / WEIGHTS).read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.dumps({**json.loads(content[8 : 8 + size]), **change}).encode()
    (folder / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])
    assert "cannot read the model" in refused(folder) or "is not a circuitlang model" in refused(folder)


@pytest.mark.parametrize("name", [TOKENS, CARD])
def test_a_file_that_never_ends_or_begins_is_refused(folder, name):
    for make in (lambda path: path.symlink_to("/dev/zero"), os.mkfifo):
        (folder / name).unlink()
        make(folder / name)
        assert "it is not a file on a disk" in refused(folder)


def test_a_name_that_is_too_long_for_a_file_is_no_model(tmp_path):
    with pytest.raises(CommandError, match="File name too long"):
        locate("x" * 300, tmp_path)
