"""Tokenizers of other people: their files may carry more than tokenization, and split in other ways than ours."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers

from circuitlang.prompts.encode import encode
from circuitlang.prompts.foreign_tokenizer import read_hugging_face
from circuitlang.prompts.one_token import TokenError, fitting
from circuitlang.prompts.prompt import Datapoint, Mark, Prompt
from circuitlang.prompts.tokenizer import THEIR_END, Tokenizer, load_tokenizer
from circuitlang.source.diagnostic import CommandError
from circuitlang.storage.atomic import LARGEST

TEXTS = ["x = 'hi' end\n", "x = 'hi' end\n" * 4]


def described() -> dict[str, Any]:
    """A tokenizer of GPT-2's kind, as its file says it."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        special_tokens=[THEIR_END], initial_alphabet=alphabet, show_progress=False, vocab_size=264
    )
    made.train_from_iterator(TEXTS, trainer)
    return json.loads(made.to_str())


def joining(data: dict[str, Any]) -> None:
    """No split at words, and a token `g: A` across one."""
    kept = [token for token in data["model"]["vocab"] if len(token) == 1 or token == THEIR_END]
    merges = [["g", ":"], ["Ġ", "A"], ["Ġ", "B"], ["g:", "ĠA"]]
    data["model"]["vocab"] = {token: i for i, token in enumerate([*kept, *map("".join, merges)])}
    data["model"]["merges"] = merges
    data["pre_tokenizer"] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": False,
    }


def lower(data: dict[str, Any]) -> None:
    data["normalizer"] = {"type": "Lowercase"}


def prefixed(data: dict[str, Any]) -> None:
    data["pre_tokenizer"]["add_prefix_space"] = True


def added(data: dict[str, Any]) -> None:
    """A token that is found before the text is split."""
    token = {"id": len(data["model"]["vocab"]), "content": "g: A", "special": False}
    usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    data["added_tokens"].append({**usual, **token})


def read(folder: Path, change: Callable[[dict[str, Any]], None], loaded: bool = False) -> Tokenizer:
    data = described()
    change(data)
    path = folder / "tokenizer.json"
    text = json.dumps(data)
    path.write_text(text.replace(THEIR_END, "<|end|>") if loaded else text)
    return load_tokenizer(path) if loaded else read_hugging_face(path, 0)


PADDING = {"pad_id": 0, "pad_type_id": 0, "pad_token": THEIR_END, "pad_to_multiple_of": None}
LEFT_OVERS: dict[str, dict[str, Any]] = {
    "padding to the longest": {"padding": {"strategy": "BatchLongest", "direction": "Right", **PADDING}},
    "padding on the left": {"padding": {"strategy": "BatchLongest", "direction": "Left", **PADDING}},
    "padding to a billion": {"padding": {"strategy": {"Fixed": 10**9}, "direction": "Right", **PADDING}},
    "truncation": {
        "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    },
    "a template": {
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": THEIR_END, "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [],
            "special_tokens": {THEIR_END: {"id": THEIR_END, "ids": [0], "tokens": [THEIR_END]}},
        }
    },
    "offsets trimmed afterwards": {
        "post_processor": {
            "type": "ByteLevel",
            "add_prefix_space": True,
            "trim_offsets": True,
            "use_regex": True,
        }
    },
}


@pytest.mark.parametrize("loaded", [False, True], ids=["imported", "loaded"])
@pytest.mark.parametrize("name", LEFT_OVERS)
def test_what_is_no_tokenization_changes_no_token(tmp_path: Path, name: str, loaded: bool) -> None:
    texts = [*TEXTS, "x", "", "x = 'hi' end x = y"]
    usual = read(tmp_path, lambda data: None, loaded)
    other = read(tmp_path, lambda data: data.update(LEFT_OVERS[name]), loaded)
    assert other.encode_many(texts) == usual.encode_many(texts)
    assert other.ids_of_many(texts) == usual.ids_of_many(texts)
    assert other.ids_of_many(texts) == [other.encode(text).ids for text in texts]


@pytest.mark.parametrize("loaded", [False, True], ids=["imported", "loaded"])
def test_tokens_are_not_left_out_at_random(tmp_path: Path, loaded: bool) -> None:
    usual = read(tmp_path, lambda data: None, loaded)
    other = read(tmp_path, lambda data: data["model"].update(dropout=0.9), loaded)
    assert [other.encode(TEXTS[1]) for _ in range(9)] == [usual.encode(TEXTS[1])] * 9


def say(name: str, answer: str, *foils: str) -> Datapoint:
    return Datapoint("train", 0, (Prompt("first", f"ab{name}:", answer, foils, False, (), {}),), False)


@pytest.mark.parametrize("change", [joining, added])
@pytest.mark.parametrize("names", [("cat", "dog"), ("dog", "cat")])
def test_a_token_across_the_border_is_refused_whatever_came_before(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], names: tuple[str, str]
) -> None:
    tokenizer = read(tmp_path, joining, loaded=True) if change is joining else with_added(tmp_path)
    with pytest.raises(TokenError, match="is not one token after the prompt"):
        encode([say(name, " A") for name in names], tokenizer, 32)


def with_added(folder: Path) -> Tokenizer:
    def change(data: dict[str, Any]) -> None:
        joining(data)
        data["model"]["merges"] = data["model"]["merges"][:3]
        del data["model"]["vocab"]["g:ĠA"]
        data["pre_tokenizer"]["use_regex"] = True
        added(data)

    return read(folder, change, loaded=True)


@pytest.mark.parametrize("foils", [("a",), ("'", "a"), ("h", "H")])
def test_texts_that_are_one_token_cannot_be_told_apart(tmp_path: Path, foils: tuple[str, ...]) -> None:
    with pytest.raises(TokenError, match=r"are one token, '[ah]': the model cannot choose between them"):
        encode([say("x", "A", *foils)], read(tmp_path, lower), 32)


def test_a_blank_put_in_front_is_no_part_of_the_first_mark(tmp_path: Path) -> None:
    text = "x = 'hi' x 'hi' x"
    marks = tuple(Mark("name", i, i + 1) for i, c in enumerate(text) if c == "x")
    assert len(marks) == 3

    def places(change: Callable[[dict[str, Any]], None]) -> tuple[tuple[int, ...], list[str]]:
        tokenizer = read(tmp_path, change)
        prompt = Prompt("first", text, "'", ("h",), False, marks, {})
        batch = encode([Datapoint("train", 0, (prompt,), False)], tokenizer, 32)
        found = batch.marks[0]["name"]
        return found, [tokenizer.decode([int(batch.tokens[0, i])]) for i in found]

    usual, texts = places(lambda data: None)
    assert len(usual) == 3
    moved, also = places(prefixed)
    assert [text.strip() for text in also] == [text.strip() for text in texts] == ["x"] * 3
    assert len(moved) == 3


@pytest.mark.parametrize("change", [lambda data: None, joining, lower, prefixed, added])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_remembered_of_an_answer_is_what_would_be_found(
    tmp_path_factory: pytest.TempPathFactory, change: Callable[[dict[str, Any]], None], data: st.DataObject
) -> None:
    """The law behind the cache: with and without it, the same ids or the same refusal."""
    tokenizer = read(tmp_path_factory.mktemp("law"), change, loaded=True)
    text = st.text("goxA1_ :'\né", min_size=1, max_size=8)
    known: dict[tuple[str, str], int] = {}
    for said, answer in data.draw(st.lists(st.tuples(text, text), min_size=1, max_size=12)):
        prompt = Prompt("c", said, answer, (), False, (), {})
        ids = tokenizer.encode(said)
        found = []
        for memory in (known, {}):
            try:
                found.append(fitting(prompt, ids, tokenizer, 64, memory))
            except TokenError as error:
                found.append(str(error))
        assert found[0] == found[1]


def test_whether_a_tokenizer_splits_behind_words_is_tried(tmp_path: Path) -> None:
    assert read(tmp_path, lambda data: None).splits_behind_words
    assert read(tmp_path, prefixed).splits_behind_words
    for change in (joining, lower, added):
        assert not read(tmp_path, change, loaded=True).splits_behind_words


def test_a_pattern_without_an_end_is_a_message(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        split = {
            "type": "Split",
            "pattern": {"Regex": r"(x+x+)+y"},
            "behavior": "Isolated",
            "invert": False,
        }
        data["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, data["pre_tokenizer"]]}

    tokenizer = read(tmp_path, change, loaded=True)
    with pytest.raises(CommandError, match="the model's tokenizer cannot split a text"):
        tokenizer.encode("x" * 60)
    with pytest.raises(CommandError, match="the model's tokenizer cannot split a text"):
        tokenizer.pieces("x" * 60)


@pytest.mark.parametrize("reader", [load_tokenizer, lambda path: read_hugging_face(path, 0)])
def test_a_file_that_never_ends_or_begins_is_refused(
    tmp_path: Path, reader: Callable[[Path], Tokenizer]
) -> None:
    path = tmp_path / "tokenizer.json"
    path.symlink_to("/dev/zero")
    with pytest.raises(CommandError, match="it is not a file on a disk"):
        reader(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(CommandError, match="it is not a file on a disk"):
        reader(path)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(CommandError, match="more than 33,554,432 bytes"):
        reader(path)
