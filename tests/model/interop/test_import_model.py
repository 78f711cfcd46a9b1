"""Folders in the authors' layout become models of ours with the same logits, or are refused in one sentence."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.model.checkpoint import load
from circuitlang.model.interop import convert, import_model
from circuitlang.model.interop.import_model import bring, require_memory
from circuitlang.prompts.byte_pairs import lowest_first, read_byte_pairs
from circuitlang.site import Site
from circuitlang.source.diagnostic import CommandError
from tests.model.interop.authors_layout import SIZES, Reference, tensors, write_folder, write_tokenizer

TEXT = "def total(rows):\n    return rows[0] + total(items)\n\nclass Items:\n    name = 'é→'\n" * 40
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "yolo1": {},
    "yolo2": {"sink": True, "enable_bigram_table": True, "learnable_bigram_table": True},
    "sweep": {"afrac_loctypes": "attn_in,attn_v,attn_out,mlp_in,mlp_neuron,mlp_out", "afrac": 0.5},
    "default places": {"afrac_loctypes": "attn_in,attn_out,mlp_in,mlp_out"},
    "dense": {"afrac": None},
    "all kept": {"afrac": 1},
    "concatenated": {"d_pos_emb": 8, "sink": True},
    "concatenated, layer norm": {"d_pos_emb": 3, "rms_norm": False, "afrac": 0.5},
    "layer norm without bias": {"rms_norm": False, "ln_bias": False, "bias": False, "afrac": None},
    "relu, tied": {"activation_type": "relu", "tied_unembed": True, "enable_bigram_table": True},
}


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversions run here: a process of its own takes seconds to start."""

    def run(job: Any, path: Path) -> dict[str, Any]:
        return convert.convert(json.loads(json.dumps(job)))

    monkeypatch.setattr(import_model, "in_child", run)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.py"
    path.write_text(TEXT, encoding="utf-8")
    return path


def some_tokens(seed: int = 1) -> torch.Tensor:
    return torch.randint(0, 300, (6, 24), generator=torch.Generator().manual_seed(seed))


def imported(folder: Path, text: Path, **changes: Any):
    """The changed model in the authors' layout, imported; and what it must compute."""
    config = {**SIZES, **changes}
    state = tensors(config)
    write_folder(folder / "theirs", config, state)
    bring(folder / "theirs", folder / "ours", "ours", text)
    return load(folder / "ours", "ours"), Reference(config, state)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_logits_are_those_of_the_authors_formulas(in_process, tmp_path, text, name):
    found, theirs = imported(tmp_path, text, **CONFIGURATIONS[name])
    tokens = some_tokens()
    assert torch.allclose(found.model(tokens), theirs(tokens), atol=1e-5, rtol=1e-5)
    short = tokens[:, :5]
    assert torch.allclose(found.model(short), theirs(short), atol=1e-5, rtol=1e-5)


def test_rows_behind_the_tokenizers_end_are_part_of_the_model_and_of_no_text(in_process, tmp_path, text):
    found, theirs = imported(tmp_path, text, vocab_size=320, some_note=None)
    tokens = torch.arange(240).view(10, 24) + 80
    assert torch.allclose(found.model(tokens), theirs(tokens), atol=1e-5, rtol=1e-5)
    alone = read_byte_pairs(tmp_path / "theirs")
    assert found.tokenizer.encode(TEXT) == alone.encode(TEXT)
    assert (found.tokenizer.end, found.tokenizer.size, alone.size) == (alone.end, 320, 300)
    assert found.card["imported"]["rows_without_token"] == 20


@pytest.mark.parametrize("name", ["yolo2", "sweep", "concatenated"])
def test_every_site_has_the_values_of_the_authors_hook(in_process, tmp_path, text, name):
    found, theirs = imported(tmp_path, text, **CONFIGURATIONS[name])
    seen: dict[Site, torch.Tensor] = {}

    def edit(site: Site, x: torch.Tensor) -> torch.Tensor:
        seen[site] = x
        return x

    found.model(some_tokens(), edit)
    theirs(some_tokens())
    for site in found.model.config.sites():
        assert seen[site].shape[-1] == found.model.config.size(site)
        assert torch.allclose(seen[site], theirs.seen[site.authors_name], atol=1e-5, rtol=1e-5), site


def test_positions_that_are_zero_are_none_and_a_bias_of_the_logits_stays(in_process, tmp_path, text):
    state = tensors(SIZES)
    state["transformer.wpe.weight"].zero_()
    state["final_logits_bias"] = torch.linspace(-1, 1, 300)
    write_folder(tmp_path / "theirs", SIZES, state)
    bring(tmp_path / "theirs", tmp_path / "ours", "ours", text)
    found = load(tmp_path / "ours", "ours")
    assert (found.model.config.positions, found.model.config.shift) == ("none", True)
    tokens = some_tokens()
    assert torch.allclose(found.model(tokens), Reference(SIZES, state)(tokens), atol=1e-5, rtol=1e-5)


def test_older_files_are_read(in_process, tmp_path, text):
    """`n_mlp`, no `sink`, `use_tied_aux_matrix`, no bias of the logits, the mask of slow attention, half precision."""
    config = {k: v for k, v in SIZES.items() if k not in ("d_mlp", "sink", "d_head", "flash")}
    config |= {"n_mlp": 48, "use_tied_aux_matrix": False}
    state = tensors(config)
    del state["final_logits_bias"]
    state = {name: tensor.half() for name, tensor in state.items()}
    mask = torch.ones(24, 24).tril().view(1, 1, 24, 24)
    stored = {**state, **{f"transformer.h.{layer}.attn.bias": mask for layer in range(2)}}
    write_folder(tmp_path / "theirs", config, stored)
    bring(tmp_path / "theirs", tmp_path / "ours", "ours", text)
    found, tokens = load(tmp_path / "ours", "ours"), some_tokens()
    reference = Reference({**SIZES, **config}, {name: t.float() for name, t in state.items()})
    assert found.model.config.hidden == 48
    assert torch.allclose(found.model(tokens), reference(tokens), atol=1e-5, rtol=1e-5)


def test_the_card_says_where_the_model_came_from(in_process, tmp_path, text):
    found, _ = imported(tmp_path, text)
    files = found.card["imported"]["files"]
    assert set(files) == {"beeg_config.json", "final_model.pt", "vocab.bpe", "encoder.json"}
    for name, digest in files.items():
        assert hashlib.sha256((tmp_path / "theirs" / name).read_bytes()).hexdigest() == digest
    assert found.card["imported"]["config"] == SIZES
    assert found.card["text"] == "text.py"
    assert found.card["nonzeros"]["embed"] == [int((found.model.embed != 0).sum()), 300 * 16]
    ids = found.tokenizer.encode(TEXT).ids
    assert found.reference.flatten().tolist()[:200] == [found.tokenizer.end, *ids][:200]


def test_a_model_that_is_no_longer_what_was_imported_is_not_loaded(in_process, tmp_path, text):
    from tests.model.test_checkpoint import rewrite

    imported(tmp_path, text)
    rewrite(tmp_path / "ours", {"norm.weight": torch.ones(16)})
    with pytest.raises(CommandError, match="is not the model that was imported: its logits are up to"):
        load(tmp_path / "ours", "ours")


def test_the_whole_way_by_the_command(tmp_path):
    """In its own process, with the shipped model's text; what is printed; and twice is refused."""
    write_folder(tmp_path / "models" / "csp", {**SIZES, "sink": True}, tensors({**SIZES, "sink": True}))
    for name in ("vocab.bpe", "encoder.json"):  # their place in the authors' store
        (tmp_path / "tinypython").mkdir(exist_ok=True)
        (tmp_path / "models" / "csp" / name).rename(tmp_path / "tinypython" / name)
    command = [sys.executable, "-m", "circuitlang", "models", "import", "models/csp", "--as", "mine"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "imported from the layout of Gao et al. 2025" in done.stdout
    assert "means are taken over the text of zoo:python-small" in done.stdout
    assert 'in a spec: model = "models/mine"' in done.stdout
    assert load(tmp_path / "models" / "mine", "mine").model.config.sink
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["csp", "mine"]
    listed = subprocess.run(command[:4], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "models/mine  " in listed.stdout
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: there is a model at models/mine already\n"


class Dangerous:
    def __reduce__(self):
        return Path.touch, (Path("code-was-run"),)


@pytest.mark.parametrize("content", [Dangerous(), {"transformer.wte.weight": Dangerous()}])
def test_code_in_a_pickle_is_not_run(tmp_path, text, monkeypatch, content):
    """With the real child: this is what it is for."""
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "theirs", SIZES, tensors(SIZES))
    torch.save([content, torch.zeros(200_000)], tmp_path / "theirs" / "final_model.pt")
    with pytest.raises(CommandError, match="can run any code when it is read, so it is not"):
        bring(tmp_path / "theirs", tmp_path / "ours", "ours", text)
    assert not (tmp_path / "code-was-run").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["text.py", "theirs"]


def test_pickles_are_read_in_one_file_only():
    """Those of strangers. What a cluster's workers send, whom its owner trusts with everything, is no file."""
    package = Path(import_model.__file__).parents[2]
    reading = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "torch.load" in path.read_text() or "import pickle" in path.read_text()
    ]
    assert sorted(reading) == ["circuit/cluster.py", "model/interop/convert.py"]


def without(key: str):
    def harm(config, state):
        del state[key]

    return harm


def tensor(key: str, value: torch.Tensor):
    def harm(config, state):
        state[key] = value

    return harm


def setting(key: str, value: Any):
    def harm(config, state):
        config[key] = value

    return harm


NORM = "transformer.ln_f.weight"
WRONG = [
    (without(NORM), r"has no tensor transformer\.ln_f\.weight: not what its config says"),
    (without("lm_head.weight"), r"has no tensor lm_head\.weight"),
    (tensor("transformer.h.7.x", torch.ones(1)), r"has an unknown tensor transformer\.h\.7\.x"),
    (tensor(NORM, torch.ones(17)), r"transformer\.ln_f\.weight is 17, its config says 16"),
    (tensor("lm_head.weight", torch.ones(16, 300)), r"lm_head\.weight is 16 x 300, its config says 300 x 16"),
    (tensor(NORM, torch.full((16,), torch.nan)), r"ln_f\.weight has values that are not finite"),
    (tensor(NORM, torch.full((16,), torch.inf)), r"ln_f\.weight has values that are not finite"),
    (tensor(NORM, torch.ones(16, dtype=torch.int32)), r"holds torch\.int32, not numbers with a fraction"),
    (tensor(NORM, [1.0] * 16), r"is not a table of tensors by name"),
    (tensor(7, torch.ones(1)), r"has an unknown tensor 7"),
    (setting("sink", True), r"has no tensor transformer\.h\.0\.attn\.attn_imp\.sink_logit"),
    (tensor("bigram_table", torch.ones(300, 300)), r"has an unknown tensor bigram_table"),
    (setting("d_pos_emb", 4), r"has no tensor transformer\.h\.0\.ln_p1\.weight"),
    (
        setting("tied_unembed", True),
        r"`tied_unembed` = true, and final_model.pt has a lm_head.weight that is not",
    ),
    (setting("rotary", True), r"`rotary` = True: this key is not known"),
    (setting("residual_activation_type", "relu"), r"`residual_activation_type` = 'relu': only `identity`"),
    (setting("activation_type", "silu"), r"`activation_type` = 'silu': only `gelu` and `relu`"),
    (setting("tokenizer_name", "gpt2"), r"`tokenizer_name` = 'gpt2': only `tinypython_2k`"),
    (setting("use_tied_aux_matrix", True), r"`use_tied_aux_matrix` = True: only false is read"),
    (setting("afrac_loctypes", "attn_in,resid_post_mlp"), r"`resid_post_mlp` is none of attn_in, attn_q"),
    (setting("afrac", 0.01), r"`afrac` = 0\.01: that keeps none of the 16 values at attn_in"),
    (setting("afrac", 1.5), r"`afrac` = 1\.5: that is not a value it can have"),
    (setting("n_layer", 0), r"`n_layer` = 0: that is not a value"),
    (setting("n_layer", "2"), r"`n_layer` = '2': that is not a value"),
    (setting("bias", 1), r"`bias` = 1: that is not a value"),
    (setting("d_head", 8), r"`d_head` = 8: 4 heads of it must make `d_model`, 16"),
    (setting("n_mlp", 32), r"two names of one key"),
    (setting("vocab_size", 2048), r"too few for the .* numbers|has 300 tokens, the model 2048"),
    (setting("n_layer", 10**6), r"too few for the [\d,]+ numbers that its config asks for"),
]


def sparse(indices: list[list[int]]) -> torch.Tensor:
    """Of the shape that is asked for; the indices may lie outside it."""
    return torch.sparse_coo_tensor(
        torch.tensor(indices), torch.tensor([41.0]), (300, 16), check_invariants=False
    )


def badly_compressed() -> torch.Tensor:
    ends = torch.tensor([0, *[10**9] * 300])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls the layout a beta
        return torch.sparse_csr_tensor(
            ends, torch.tensor([0]), torch.tensor([41.0]), (300, 16), check_invariants=False
        )


NOT_PLAIN = {
    "inside": lambda: sparse([[3], [0]]),
    "a place outside": lambda: sparse([[301], [0]]),
    "a place far outside": lambda: sparse([[10**9], [10**9]]),
    "a bad end of a row": badly_compressed,
    "one number for all": lambda: torch.ones(1).expand(300, 16),
    "none at all": lambda: torch.empty(300, 16, device="meta"),
    "complex": lambda: torch.ones(300, 16, dtype=torch.complex64),
    "of eight bits": lambda: torch.ones(300, 16).to(torch.float8_e4m3fn),
    "quantized": lambda: torch.quantize_per_tensor(torch.ones(300, 16), 0.1, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", NOT_PLAIN)
def test_a_tensor_that_is_not_plain_numbers_is_refused_untouched(
    in_process, tmp_path, text, monkeypatch, name
):
    """With the sparse kernels' setting, too. Nothing makes another tensor of it: that would write where it says."""
    state = {**tensors(SIZES), "lm_head.weight": NOT_PLAIN[name]()}
    write_folder(tmp_path / "theirs", {**SIZES, "enable_sparse_kernels": True}, state)

    def touched(tensor: torch.Tensor) -> None:
        raise AssertionError("it was touched")

    monkeypatch.setattr(torch.Tensor, "to_dense", touched)
    with pytest.raises(CommandError, match=r"lm_head\.weight (is stored as|holds|has)"):
        bring(tmp_path / "theirs", tmp_path / "ours", "ours", text)
    assert not (tmp_path / "ours").exists()


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(in_process, tmp_path, text):
    folder = write_folder(tmp_path / "theirs", SIZES, tensors(SIZES))
    plain = folder / "final_model.pt"
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
        new.writestr("archive/padding", random.Random(0).randbytes(200_000))
    packed.replace(plain)
    with pytest.raises(CommandError, match=r"is compressed, which torch\.save never does"):
        bring(folder, tmp_path / "ours", "ours", text)


@pytest.mark.parametrize(("harm", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_said(in_process, tmp_path, text, harm, message):
    config = dict(SIZES)
    state: dict[Any, Any] = dict(tensors(config))
    harm(config, state)
    write_folder(tmp_path / "theirs", config, state)
    with pytest.raises(CommandError, match=message):
        bring(tmp_path / "theirs", tmp_path / "ours", "ours", text)
    assert not (tmp_path / "ours").exists()


def spoil(name: str, content: bytes | None):
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        if content is not None:
            (folder / name).write_bytes(content)

    return harm


def other_merges(folder: Path) -> None:
    path = folder / "vocab.bpe"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[5], lines[6] = lines[6], lines[5]
    path.write_text("\n".join(lines), encoding="utf-8")


HARMED = [
    (
        spoil("beeg_config.json", None),
        "no layout that is read: neither beeg_config.json nor config.json is there",
    ),
    (spoil("beeg_config.json", b"{"), "cannot read .*beeg_config.json"),
    (spoil("beeg_config.json", b"[]"), "it is no JSON object"),
    (spoil("beeg_config.json", b'{"sink": true, "sink": false}'), "a key occurs twice"),
    (spoil("final_model.pt", None), "there is no final_model.pt in"),
    (spoil("final_model.pt", b""), "has 0 bytes, too few for"),
    (spoil("final_model.pt", b"PK\x03\x04" + bytes(200_000)), "cannot read .*final_model.pt"),
    (
        spoil("final_model.pt", pickle.dumps([0] * 200_000)),
        "not a table of tensors|more than tensors|cannot read",
    ),
    (spoil("vocab.bpe", None), "cannot read the tokenizer's .*vocab.bpe"),
    (spoil("encoder.json", None), "cannot read the tokenizer's .*encoder.json"),
    (spoil("vocab.bpe", b"\xff"), "vocab.bpe is not UTF-8"),
    (spoil("vocab.bpe", b"#version: 0.2\na b c\n"), "line 2: not two pieces"),
    (spoil("vocab.bpe", b"#version: 0.2\na bc\n"), "merges `a bc`, and one of these is no piece"),
    (spoil("vocab.bpe", b"#version: 0.2\na b\n"), "is not the table of vocab.bpe: they disagree about"),
    (spoil("encoder.json", b"[1]"), "is not a table of ids by piece"),
    (spoil("encoder.json", b'{"a": "b"}'), "is not a table of ids by piece"),
    (other_merges, "is not the table of vocab.bpe"),
    (lambda folder: write_tokenizer(folder, 310), "has 310 tokens, the model 300"),
]


@pytest.mark.parametrize(("harm", "message"), HARMED, ids=[message for _, message in HARMED])
def test_a_harmed_file_is_refused(in_process, tmp_path, text, harm, message):
    harm(write_folder(tmp_path / "theirs", SIZES, tensors(SIZES)))
    with pytest.raises(CommandError, match=message):
        bring(tmp_path / "theirs", tmp_path / "ours", "ours", text)
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read the text"), (b"\xff\xfe", "cannot read the text"), (b"", "there is no text in")],
)
def test_a_text_that_is_none_is_refused(in_process, tmp_path, content, message):
    write_folder(tmp_path / "theirs", SIZES, tensors(SIZES))
    if content is not None:
        (tmp_path / "text.py").write_bytes(content)
    with pytest.raises(CommandError, match=message):
        bring(tmp_path / "theirs", tmp_path / "ours", "ours", tmp_path / "text.py")
    assert not (tmp_path / "ours").exists()


def test_too_little_memory_is_said_before(in_process, tmp_path, text, monkeypatch):
    write_folder(tmp_path / "theirs", SIZES, tensors(SIZES))
    monkeypatch.setattr(import_model, "available_memory", lambda: 1000)
    with pytest.raises(CommandError, match=r"takes about 0\.0 GB of memory, and 0\.0 GB are there"):
        bring(tmp_path / "theirs", tmp_path / "ours", "ours", text)
    with pytest.raises(CommandError, match=r"475,000,000 numbers takes about 7\.6 GB of memory, and 4\.0 GB"):
        require_memory(475_000_000, 4_000_000_000)
    require_memory(475_000_000, None)


@settings(max_examples=100, deadline=None)
@given(st.text() | st.text(alphabet="def toal(rows):\n 'é<|endoftext|>#0123", max_size=60))
def test_text_has_the_ids_that_the_authors_rule_gives(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp() / "tokenizer"
    if not folder.exists():
        write_tokenizer(folder)
    tokenizer = read_byte_pairs(folder)
    table = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    byte_of = {chr(b): b for b in range(256) if chr(b).isprintable() and b != 32}
    byte_of |= {chr(256 + i): b for i, b in enumerate(b for b in range(256) if chr(b) not in byte_of)}
    ranks = {bytes(byte_of[c] for c in piece): number for piece, number in table.items()}
    expected = [token for piece in tokenizer.pieces(text) for token in lowest_first(ranks, piece.encode())]
    assert tokenizer.encode(text).ids == expected
    assert tokenizer.decode(expected) == text
    assert (tokenizer.end, tokenizer.size) == (299, 300)
