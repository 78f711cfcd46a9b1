"""The tokenizer: how text is split, offsets in characters, no way to spell END, the same tokens for the same corpus."""

import json

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.prompts import tokenizer as module
from circuitlang.prompts.tokenizer import END, Tokenizer, load_tokenizer, train_tokenizer
from circuitlang.source.diagnostic import CommandError

NAMES = ("rows", "total", "value", "result")
TEXTS = [f"{NAMES[i % 4]} = [[{i}, {i * 37}], [{i % 9}]]\n\nprint('{NAMES[i % 3]}')\n" for i in range(300)]

text_like = st.text(st.sampled_from("ab rows=[](),:'\n\t/0123456789éß日本🙂\u0301"), max_size=40)
anything = st.one_of(text_like, st.text(st.characters(exclude_categories=["Cs"]), max_size=30))


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 360)


def pieces(text: str) -> list[str]:
    """What the splitting alone gives, before any merge: no token crosses its borders."""
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(module.PATTERN), behavior="isolated")
    return [piece for piece, _ in split.pre_tokenize_str(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12345678", ["123", "456", "78"]),
        ("x1234y", ["x", "123", "4", "y"]),
        ("a = [1, 22]\n", ["a", " =", " [", "1", ",", " ", "22", "]\n"]),
        ("]]\n\n    return", ["]]\n\n", "   ", " return"]),
        ("):\n/x", ["):\n/", "x"]),
        (")\nx", [")\n", "x"]),
        ("x\n\n\ny", ["x", "\n\n\n", "y"]),
        ("x  \n y", ["x", "  \n", " y"]),
        ("_name self.rows", ["_name", " self", ".rows"]),
        ("été(日本)", ["été", "(日本", ")"]),
        ("a   b", ["a", "  ", " b"]),
        ("  ", ["  "]),
    ],
)
def test_splitting(text, expected):
    assert pieces(text) == expected


@settings(max_examples=100)
@given(anything)
def test_no_token_crosses_a_piece_and_digits_come_in_threes_at_most(tokenizer, text):
    found = pieces(text)
    assert "".join(found) == text
    ends, place = set(), 0
    for piece in found:
        place += len(piece)
        ends.add(place)
        if any(c.isnumeric() for c in piece):
            assert len(piece) <= 3
            assert all(c.isnumeric() for c in piece)
    offsets = tokenizer.encode(text).offsets
    assert {end for _, end in offsets} >= ends


@settings(max_examples=150)
@given(anything)
def test_every_text_survives_and_offsets_are_characters(tokenizer, text):
    encoded = tokenizer.encode(text)
    assert tokenizer.decode(encoded.ids) == text
    assert len(encoded.ids) == len(encoded.offsets)
    covered = 0
    for i, (start, end) in enumerate(encoded.offsets):
        assert 0 <= start < end <= len(text)
        assert start <= covered, "no character is skipped"
        assert end >= covered, "ends do not go back"
        covered = end
        shared = any(j != i and s < end and start < e for j, (s, e) in enumerate(encoded.offsets))
        if not shared:  # a token of whole characters is exactly the text it covers
            assert tokenizer.decode([encoded.ids[i]]) == text[start:end]
    assert covered == len(text)


def test_parts_of_one_character_share_its_offsets(tokenizer):
    encoded = tokenizer.encode("x🙂y")
    assert encoded.offsets == [(0, 1), (1, 2), (1, 2), (1, 2), (1, 2), (2, 3)]


@settings(max_examples=60)
@given(st.lists(anything, max_size=6))
def test_many_at_once_is_one_by_one(tokenizer, texts):
    assert tokenizer.encode_many(texts) == [tokenizer.encode(text) for text in texts]
    assert tokenizer.ids_of_many(texts) == [tokenizer.encode(text).ids for text in texts]


@settings(max_examples=60)
@given(text_like, text_like)
@pytest.mark.parametrize("spelt", [END, END * 2, f" {END}\n", END.upper(), END[:-1]])
def test_no_text_encodes_to_the_end_token(tokenizer, spelt, before, after):
    text = before + spelt + after
    for ids in (
        tokenizer.encode(text).ids,
        tokenizer.encode_many([text])[0].ids,
        tokenizer.ids_of_many([text])[0],
    ):
        assert tokenizer.end not in ids
        assert tokenizer.decode(ids) == text


def test_the_end_token_is_one_token_and_can_be_shown(tokenizer):
    assert tokenizer.decode([tokenizer.end]) == END
    assert 0 <= tokenizer.end < tokenizer.size == 360


def test_a_corpus_that_spells_the_end_token_trains_like_any_other():
    made = train_tokenizer([f"{END} rows = {i}\n" for i in range(200)], 262)
    assert made.end not in made.encode(f"x{END}").ids


def test_the_same_texts_give_the_same_tokenizer(tokenizer):
    again = train_tokenizer(iter(TEXTS), 360)
    assert again.to_json() == tokenizer.to_json()
    assert again.digest == tokenizer.digest
    assert train_tokenizer(TEXTS[::-1], 360).to_json() == tokenizer.to_json(), "the order does not matter"
    assert train_tokenizer(TEXTS[:150], 340).digest != tokenizer.digest


def test_frequent_pieces_are_one_token(tokenizer):
    for text in ("rows", " =", " [[", "]]\n\n", "print"):
        assert len(tokenizer.encode(text).ids) == 1, text


@pytest.mark.parametrize(("texts", "vocabulary"), [([], 300), (["a"], 300), (TEXTS, 100_000), (TEXTS, 100)])
def test_a_corpus_that_does_not_fit_the_vocabulary_is_refused(texts, vocabulary):
    with pytest.raises(CommandError, match=f"a vocabulary of {vocabulary} tokens"):
        train_tokenizer(texts, vocabulary)


def test_saved_and_read_back(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_json(), encoding="utf-8")
    again = load_tokenizer(path)
    assert (again.to_json(), again.digest) == (tokenizer.to_json(), tokenizer.digest)
    assert (again.end, again.size) == (tokenizer.end, tokenizer.size)
    for text in (*TEXTS[:9], "日本 🙂", f"{END}"):
        assert again.encode(text) == tokenizer.encode(text)


def test_the_digest_is_of_the_file_as_it_stands(tokenizer, tmp_path):
    """What another version of the library would write for it is of no matter."""
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(json.loads(tokenizer.to_json()), indent=3), encoding="utf-8")
    again = load_tokenizer(path)
    assert again.to_json() == path.read_text(encoding="utf-8")
    assert again.digest != tokenizer.digest
    assert again.encode(TEXTS[0]) == tokenizer.encode(TEXTS[0])


@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2]", b"\xff\xfe", b'{"version": "1.0"}', b"null"])
def test_what_is_no_tokenizer_is_refused(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(CommandError, match="is not a tokenizer"):
        load_tokenizer(path)


def test_a_tokenizer_without_the_end_token_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizers.Tokenizer(tokenizers.models.BPE()).to_str())
    with pytest.raises(CommandError, match=r"has no <\|end\|> token"):
        load_tokenizer(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CommandError, match="cannot read the tokenizer"):
        load_tokenizer(tmp_path / "nowhere.json")
