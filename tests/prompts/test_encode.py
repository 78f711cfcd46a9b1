"""Encoding: END in front, the right token predicted at the right place, marks as positions, and refusals by name."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.prompts.encode import ENDING, NO_FOIL, START, Batch, encode
from circuitlang.prompts.one_token import NOT_ONE_TOKEN, TOO_LONG, TokenError
from circuitlang.prompts.prompt import Datapoint, Mark, Prompt
from circuitlang.prompts.tokenizer import Tokenizer, train_tokenizer

TEXTS = [f"rows{i % 3} = [{i}, [{i * 7}]]\nprint('total', \"value\")\nreturn result\n" for i in range(300)]
ANSWERS = ("]", ")", "'", '"', " total", " rows", ",")


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 340)


def prompt(
    text: str, answer: str = "]", *foils: str, case: str = "flat", marks: tuple[Mark, ...] = ()
) -> Prompt:
    return Prompt(case, text, answer, foils, False, marks, {})


def alone(made: Prompt) -> Datapoint:
    return Datapoint("train", 0, (made,), False)


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text).ids


def test_end_stands_in_front_and_behind(tokenizer):
    texts = ["x = [1", "rows = [1, 2, 33"]
    batch = encode([alone(prompt(text, "]", ",")) for text in texts], tokenizer, 64)
    longest = len(ids_of(tokenizer, texts[1])) + 1
    assert batch.tokens.shape == (2, longest)
    for row, text in enumerate(texts):
        ids = [tokenizer.end, *ids_of(tokenizer, text)]
        assert batch.tokens[row].tolist() == ids + [tokenizer.end] * (longest - len(ids))
        assert batch.end[row] == len(ids) - 1
        assert batch.answer[row] == ids_of(tokenizer, text + "]")[-1]
        assert batch.foils[row].tolist() == [ids_of(tokenizer, text + ",")[-1]]


def test_rows_are_cases_of_datapoints(tokenizer):
    made = [
        Datapoint("train", i, tuple(prompt(f"x = [{i}{c}", case=c) for c in (" ", ",")), False)
        for i in range(3)
    ]
    batch = encode(made, tokenizer, 64)
    assert (len(batch), batch.cases, batch.datapoints) == (6, 2, 3)
    assert tokenizer.decode(batch.tokens[5, 1 : batch.end[5] + 1]) == "x = [2,"


def test_fewer_foils_are_padded(tokenizer):
    batch = encode([alone(prompt("x = [1", "]", ",", ")")), alone(prompt("x = [1"))], tokenizer, 64)
    assert batch.foils.shape == (2, 2)
    assert batch.foils[1].tolist() == [NO_FOIL, NO_FOIL]
    assert NO_FOIL not in batch.foils[0]


def test_nothing_to_encode(tokenizer):
    batch = encode([], tokenizer, 64)
    assert (len(batch), list(batch.parts(8))) == (0, [])


def test_negated_cases(tokenizer):
    made = Prompt("not", "x = [1", "]", (), True, (), {})
    batch = encode([Datapoint("train", 0, (made, prompt("x = [1")), False)], tokenizer, 64)
    assert batch.one_sided
    assert batch.negated.tolist() == [True, False]
    assert not encode([alone(prompt("x"))], tokenizer, 64).one_sided


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("x = [1", "]] end"),  # two tokens
        ("x = 12", "34"),  # joins the digits before it
        ("x = tot", "al"),  # joins the word before it
        ("x = [[1]]", "\n"),  # joins the brackets before it
        ("x = 1", "日"),  # half a character
        ("x = 1", ""),  # none at all
        ("x = 1 ", " total"),  # the spaces come together
        ("x = 1", "<|end|>"),
    ],
)
def test_an_answer_that_is_not_one_token_names_its_case(tokenizer, text, answer):
    for made in (prompt(text, answer, case="nested"), prompt(text, "]", answer, case="nested")):
        with pytest.raises(TokenError) as caught:
            encode([alone(prompt("x = [1")), alone(made)], tokenizer, 64)
        assert (caught.value.case, caught.value.code) == ("nested", NOT_ONE_TOKEN)
        assert "case `nested` is not one token" in str(caught.value)
        assert repr(answer) in str(caught.value)


def test_a_prompt_longer_than_the_context_names_its_case(tokenizer):
    text = "x = [1, 2, 3"
    needed = len(ids_of(tokenizer, text)) + 1
    assert len(encode([alone(prompt(text))], tokenizer, needed)) == 1
    with pytest.raises(
        TokenError, match=f"case `long` has {needed} tokens; the model's context is"
    ) as caught:
        encode([alone(prompt(text, case="long"))], tokenizer, needed - 1)
    assert (caught.value.case, caught.value.code) == ("long", TOO_LONG)


def test_marks_are_the_tokens_that_overlap_them(tokenizer):
    text = "é = [12, total"
    ids = tokenizer.encode(text)
    marks = (Mark("name", 0, 1), Mark("list", 4, 8), Mark("word", 10, 12), Mark("name", 5, 7))
    found = encode([alone(prompt(text, marks=marks))], tokenizer, 64).marks[0]
    for name, ranges in {"name": [(0, 1), (5, 7)], "list": [(4, 8)], "word": [(10, 12)]}.items():
        expected = {
            position + 1
            for position, (start, end) in enumerate(ids.offsets)
            if any(set(range(start, end)) & set(range(*of)) for of in ranges)
        }
        assert found[name] == tuple(sorted(expected)), name
    start, end = ids.offsets[found["word"][0] - 1]
    assert start < 10 < 12 < end, "a mark within a token is the whole token"
    assert len(found["name"]) == 3, "the two bytes of é, and the number"
    assert found[START] == (1,)
    assert found[ENDING] == (len(ids.ids),)


def test_a_prompt_of_nothing_is_the_end_token(tokenizer):
    batch = encode([alone(prompt(""))], tokenizer, 64)
    assert batch.tokens.tolist() == [[tokenizer.end]]
    assert batch.marks[0] == {START: (0,), ENDING: (0,)}


def same(first: Batch, second: Batch) -> bool:
    arrays = ("end", "answer", "foils", "negated")
    width = min(first.tokens.shape[1], second.tokens.shape[1])
    return (
        all(np.array_equal(getattr(first, a), getattr(second, a)) for a in arrays)
        and np.array_equal(first.tokens[:, :width], second.tokens[:, :width])
        and (first.marks, first.cases, first.one_sided) == (second.marks, second.cases, second.one_sided)
    )


tails = st.text(st.sampled_from("ab1 [](),'=\n日"), max_size=24)


@settings(max_examples=80, deadline=None)
@given(st.lists(tails, min_size=1, max_size=6), st.sampled_from(ANSWERS), st.sampled_from(ANSWERS))
def test_together_is_one_by_one(tokenizer, texts, answer, foil):
    """What is remembered from one prompt must not decide about another: the same answers, the same refusals."""
    singles = []
    for text in texts:
        try:
            singles.append(encode([alone(prompt(text, answer, foil))], tokenizer, 64))
        except TokenError:
            with pytest.raises(TokenError):
                encode([alone(prompt(t, answer, foil)) for t in texts], tokenizer, 64)
            return
    together = encode([alone(prompt(text, answer, foil)) for text in texts], tokenizer, 64)
    for row, single in enumerate(singles):
        assert same(next(iter(rows_of(together, row))), single)


def rows_of(batch: Batch, row: int):
    yield list(batch.parts(1))[row]


def test_long_runs_that_end_alike_are_not_taken_for_each_other():
    """With tokens of 2, 4, 8 and 16 a's, one more is one token after an even number of them only."""
    tokenizer = train_tokenizer(["a" * 16 + "\n"] * 9, 261)
    even, odd = ["a" * n for n in (16, 18, 32, 34)], ["a" * n for n in (17, 19, 33, 35)]
    assert encode([alone(prompt(text, "a")) for text in even], tokenizer, 64).answer.tolist() == ids_of(
        tokenizer, "a"
    ) * len(even)
    for text in odd:
        with pytest.raises(TokenError):
            encode([alone(prompt(t, "a")) for t in (*even, text)], tokenizer, 64)


def batch_of(tokenizer: Tokenizer, count: int) -> Batch:
    chance = random.Random(count)
    made = [
        Datapoint(
            "train",
            i,
            tuple(
                prompt(
                    "x = [" + ", ".join(str(chance.randint(0, 99)) for _ in range(chance.randint(1, 6))),
                    "]",
                    ",",
                )
                for _ in range(2)
            ),
            False,
        )
        for i in range(count)
    ]
    return encode(made, tokenizer, 64)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 100])
def test_parts_are_whole_datapoints_in_order(tokenizer, rows):
    batch = batch_of(tokenizer, 7)
    parts = list(batch.parts(rows))
    step = max(1, rows // 2) * 2
    assert [len(part) for part in parts] == [min(step, 14 - i) for i in range(0, 14, step)]
    for field in ("end", "answer", "foils", "negated"):
        assert np.array_equal(np.concatenate([getattr(p, field) for p in parts]), getattr(batch, field))
    assert sum((part.marks for part in parts), ()) == batch.marks
    start = 0
    for part in parts:
        width = part.tokens.shape[1]
        assert width == part.end.max() + 1, "no column of padding alone"
        assert np.array_equal(part.tokens, batch.tokens[start : start + len(part), :width])
        start += len(part)
        assert part.cases == 2


def test_only_one_case(tokenizer):
    batch = batch_of(tokenizer, 5)
    for case in (0, 1):
        one = batch.only(case)
        assert (len(one), one.cases, one.datapoints) == (5, 1, 5)
        assert np.array_equal(one.tokens, batch.tokens[case::2])
        assert np.array_equal(one.end, batch.end[case::2])
        assert one.marks == batch.marks[case::2]
