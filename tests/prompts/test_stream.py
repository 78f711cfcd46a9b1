"""Streams: addressed, independent, unbiased."""

from collections import Counter
from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from circuitlang.prompts.stream import WORDS, Stream, derive, numbered, words


def take(key: bytes, n: int) -> list[int]:
    word = words(key)
    return [word() for _ in range(n)]


def test_a_stream_is_a_function_of_its_key():
    key = derive("a", 1)
    assert take(key, 40) == take(key, 40)
    assert take(key, 40) != take(derive("a", 2), 40)


def test_the_stream_never_changes():
    assert take(derive("golden"), 2) == [8963465503498997988, 6828788759069171295]
    assert derive("a", 1, b"c").hex()[:16] == "711f284f134a8d3c"


@settings(deadline=None)  # a busy machine is no mistake
@given(st.lists(st.one_of(st.text(), st.integers(), st.binary()), max_size=4), st.data())
def test_different_parts_give_different_keys(parts, data):
    others = data.draw(st.lists(st.one_of(st.text(), st.integers(), st.binary()), max_size=4))
    assert (derive(*parts) == derive(*others)) == (parts == others)


@given(st.lists(st.one_of(st.text(), st.integers(), st.binary()), max_size=3), st.integers())
def test_numbered_keys_are_derived_keys(parts, n):
    assert numbered(*parts)(n) == derive(*parts, n)


def test_words_of_one_block_and_of_the_next_differ():
    assert len(set(take(derive("x"), 1000))) == 1000


def test_below_is_uniform():
    stream = Stream(derive("below"))
    for n in (1, 2, 3, 7, 100):
        counts = Counter(stream.below(n) for _ in range(20_000))
        assert set(counts) == set(range(n))
        expected = 20_000 / n
        assert sum((c - expected) ** 2 / expected for c in counts.values()) < n + 5 * (2 * n) ** 0.5 + 8


def test_below_passes_over_the_incomplete_cycle():
    stream = Stream(b"")
    feed = iter([WORDS - 1, WORDS - 2, 5])
    stream.word = feed.__next__
    assert stream.below(WORDS - 2) == 5


def test_weighted_follows_the_weights():
    stream = Stream(derive("weighted"))
    counts = Counter(stream.weighted([1.0, 1.0, 4.0]) for _ in range(8000))
    assert set(counts) == {0, 2}
    assert abs(counts[0] - 2000) < 200


def test_shares_lie_below_one():
    stream = Stream(derive("share"))
    shares = [stream.share() for _ in range(5000)]
    assert 0 <= min(shares) < 0.01 < 0.99 < max(shares) < 1
    stream.word = islice([WORDS - 1], 1).__next__
    assert stream.share() < 1
