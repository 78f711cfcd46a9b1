"""Token streams: batches are a function of seed and step; text is stored whole, read back, and never shared with
validation."""

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.language.program.recipe import Files
from circuitlang.model.training import data as module
from circuitlang.model.training.data import VALIDATION_FILES, VALIDATION_START, Stream, TokenData, prepare
from circuitlang.prompts.document import rule_documents
from circuitlang.source.diagnostic import CommandError


def quiet(_stage: str, _share: float) -> None:
    pass


def two_streams() -> TokenData:
    """`rules` counts up from 0, `files` from 40000, so that a row shows where it is from."""
    low, high = np.arange(500, dtype=np.uint16), np.arange(40_000, 40_300, dtype=np.uint16)
    return TokenData(None, (Stream("rules", 0.75, low, low), Stream("files", 0.25, high, high)), "")  # type: ignore


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(0, 2**40), st.integers(1, 9), st.integers(1, 30))
def test_a_batch_is_a_function_of_seed_and_step(seed, step, rows, length):
    first, again = (
        two_streams().batch(seed, step, rows, length),
        two_streams().batch(seed, step, rows, length),
    )
    assert torch.equal(first, again)
    assert first.dtype == torch.int64
    assert first.shape == (rows, length)
    assert torch.all(first.diff(dim=1) == 1), "a row is consecutive tokens of one stream"


def test_batches_differ_by_seed_and_step():
    data = two_streams()
    seen = {data.batch(seed, step, 4, 8).numpy().tobytes() for seed in range(10) for step in range(10)}
    assert len(seen) == 100


def test_rows_come_from_the_streams_by_share_and_from_everywhere():
    starts = torch.cat([two_streams().batch(0, step, 50, 20)[:, 0] for step in range(80)])
    files = starts >= 40_000
    assert abs(float(files.float().mean()) - 0.25) < 0.03
    assert len(starts[~files].unique()) > 470  # of 480 places
    assert int(starts[~files].max()) < 480


def test_the_batches_never_change():
    assert two_streams().batch(0, 0, 2, 3).tolist() == [[55, 56, 57], [280, 281, 282]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for number in range(45):
        folder = tmp_path / "code"
        folder.mkdir(exist_ok=True)
        (folder / f"f{number:02}.txt").write_text(f"file = {number:03}\n" * 30)
    return tmp_path


def test_a_second_call_reads_back(make_recipe, tmp_path, monkeypatch):
    recipe = make_recipe()
    first = prepare(recipe, Path(), tmp_path, quiet)
    stamps = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    monkeypatch.setattr(module, "_build", None)
    again = prepare(recipe, Path(), tmp_path, quiet)
    assert stamps == {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert first.digest == again.digest
    assert first.tokenizer.to_json() == again.tokenizer.to_json()
    assert np.array_equal(first.streams[0].train, again.streams[0].train)


def test_the_same_recipe_gives_the_same_tokens(make_recipe, tmp_path):
    one = prepare(make_recipe(), Path(), tmp_path / "one", quiet)
    two = prepare(make_recipe(), Path(), tmp_path / "two", quiet)
    other = prepare(make_recipe(seed=1), Path(), tmp_path / "other", quiet)
    for name in ("rules.train.bin", "rules.validation.bin", "tokenizer.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert one.digest == two.digest != other.digest
    assert not np.array_equal(one.streams[0].train, other.streams[0].train)


def test_rule_documents_are_written_in_order_between_end_tokens(make_recipe, tmp_path):
    recipe = make_recipe()
    data = prepare(recipe, Path(), tmp_path, quiet)
    corpus, training, end = recipe.training.corpus, recipe.training, data.tokenizer.end
    for ids, wanted, start in (
        (data.streams[0].train, training.tokens, 0),
        (data.streams[0].validation, training.validation, VALIDATION_START),
    ):
        assert len(ids) == wanted
        expected: list[int] = []
        for text in islice(rule_documents(corpus, training.seed, start), 400):
            expected += [end, *data.tokenizer.encode(text).ids]
        assert expected[: len(ids)] == ids.tolist()


def test_files_for_validation_are_never_trained_on(make_recipe, project):
    recipe = make_recipe(files=(Files("code/*.txt", 0.5),))
    data = prepare(recipe, project, project / "out", quiet)
    rules, files = data.streams
    assert (rules.name, files.name, rules.share, files.share) == ("rules", "files", 0.5, 0.5)

    def documents(ids: np.ndarray) -> set[str]:
        texts = data.tokenizer.decode(ids.tolist()).split("<|end|>")
        return {text for text in texts if text}

    trained, held = documents(files.train), documents(files.validation)
    assert held == {f"file = {n:03}\n" * 30 for n in range(0, 45, VALIDATION_FILES)}
    assert len(trained) == 42
    assert not trained & held


def test_changed_files_change_the_data(make_recipe, project):
    recipe = make_recipe(files=(Files("code/*.txt", 0.5),))
    before = prepare(recipe, project, project / "out", quiet)
    digest, first = before.digest, before.streams[1].train[:40].tolist()
    (project / "code" / "f01.txt").write_text("other = 999\n" * 40)
    after = prepare(recipe, project, project / "out", quiet)
    assert after.digest != digest
    assert after.streams[1].train[:40].tolist() != first


def test_an_interrupted_build_is_not_taken_for_the_one_before(make_recipe, tmp_path, monkeypatch):
    """Build A; begin B and break off; A again must not find B's tokens under A's name."""
    first = np.array(prepare(make_recipe(), Path(), tmp_path, quiet).streams[0].train)
    write = module._write

    def broken(path, *rest):
        write(path, *rest)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write", broken)
        with pytest.raises(KeyboardInterrupt):
            prepare(make_recipe(seed=1), Path(), tmp_path, quiet)
    assert np.array_equal(prepare(make_recipe(), Path(), tmp_path, quiet).streams[0].train, first)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": 16}, "give only 16 tokens for training"),
        ({"validation": 10}, "give only 10 tokens for validation"),
        ({"validation": 0}, "no text for rules.validation.bin"),
    ],
)
def test_too_little_text_is_refused(make_recipe, tmp_path, change, message):
    recipe = make_recipe()
    recipe = replace(recipe, training=replace(recipe.training, **change))
    with pytest.raises(CommandError, match=message):
        prepare(recipe, Path(), tmp_path, quiet)


@pytest.mark.parametrize("pattern", ["code/f00.txt", "code/f0[01].txt"])
def test_no_real_file_left_to_train_on_is_refused(make_recipe, project, pattern):
    (project / "code" / "f01.txt").write_text("")
    with pytest.raises(
        CommandError, match=r"no real file of corpus tiny is left to train on: of \d, 1 kept out"
    ):
        prepare(make_recipe(files=(Files(pattern, 0.5),)), project, project / "out", quiet)


def test_lost_tokens_are_reported(make_recipe, tmp_path):
    prepare(make_recipe(), Path(), tmp_path, quiet)
    (tmp_path / "rules.train.bin").unlink()
    with pytest.raises(CommandError, match="cannot read the training text"):
        prepare(make_recipe(), Path(), tmp_path, quiet)


def test_progress_is_told(make_recipe, tmp_path):
    told: list[tuple[str, float]] = []
    prepare(make_recipe(), Path(), tmp_path, lambda *what: told.append(what))
    assert list(dict(told)) == ["tokenizer", "rules.train.bin", "rules.validation.bin"]
    shares = [share for stage, share in told if stage == "rules.train.bin"]
    assert shares == sorted(shares)
    assert shares[-1] == told[-1][1] == 1
    assert json.loads((tmp_path / "data.json").read_text()).keys() == {"digest"}
