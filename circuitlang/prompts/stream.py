"""Keys -> endless, independent streams of random numbers, the same on every machine.

Why not `random.Random`: a counter-based stream is a pure function of its key, so that datapoint i can be
made without making datapoint i - 1, and opening a stream costs nothing until its first number is asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain, count
from struct import Struct
from typing import NamedTuple, TypeVar

WORDS = 1 << 64  # how many values a word has
_BLOCK = Struct("<8Q")
_FIRST = tuple(block.to_bytes(8, "little") for block in range(8))  # most streams end here

T = TypeVar("T")
Word = Callable[[], int]  # gives the next uniform integer of [0, 2^64)
Open = Callable[[bytes], Word]


def derive(*parts: str | int | bytes) -> bytes:
    """A key of 32 bytes. Different parts give different keys: each is hashed with its type and length."""
    return _state(parts).digest()


def numbered(*parts: str | int | bytes) -> Callable[[int], bytes]:
    """`derive(*parts, n)` as a function of n, for many n: what comes before n is hashed once."""
    begun = _state(parts)

    def key(n: int) -> bytes:
        state = begun.copy()
        data = b"%d" % n
        state.update(b"i" + len(data).to_bytes(8, "little") + data)
        return state.digest()

    return key


def _state(parts: Sequence[str | int | bytes]) -> blake2b:
    state = blake2b(digest_size=32)
    for part in parts:
        match part:
            case str():
                tag, data = b"s", part.encode("utf-8", "surrogatepass")
            case int():
                tag, data = b"i", str(part).encode()
            case _:
                tag, data = b"b", part
        state.update(tag + len(data).to_bytes(8, "little"))
        state.update(data)
    return state


def _blocks(key: bytes) -> Iterator[tuple[int, ...]]:
    """Block n of the stream is blake2b(key, n): eight words. Keys of one length never share a block."""
    for number in _FIRST:
        yield _BLOCK.unpack(blake2b(key + number).digest())
    for block in count(len(_FIRST)):
        yield _BLOCK.unpack(blake2b(key + block.to_bytes(8, "little")).digest())


def words(key: bytes) -> Word:
    """The bare source of words: what closures call, to save one call per draw."""
    return chain.from_iterable(_blocks(key)).__next__


class Stream:
    """Random numbers of one key, in order."""

    __slots__ = ("word",)

    def __init__(self, key: bytes) -> None:
        self.word = words(key)

    @classmethod
    def of(cls, word: Word) -> Stream:
        """The numbers that are left of a source of words."""
        stream = cls.__new__(cls)
        stream.word = word
        return stream

    def below(self, n: int) -> int:
        """A uniform integer of [0, n), n at most 2^64. Words of the incomplete last cycle are passed over,
        so that no value is likelier than another."""
        limit = WORDS - WORDS % n
        value = self.word()
        while value >= limit:
            value = self.word()
        return value % n

    def pick(self, choices: Sequence[T], count: int) -> list[T]:
        """`count` of the choices (all where there are fewer) in random order, without replacement."""
        left = list(choices)
        return [left.pop(self.below(len(left))) for _ in range(min(count, len(left)))]

    def share(self) -> float:
        """A uniform float of [0, 1) with 53 random bits."""
        return (self.word() >> 11) * 2.0**-53

    def weighted(self, cumulative: Sequence[float]) -> int:
        """An index, with probability proportional to its weight; `cumulative` holds the running sums of the
        weights."""
        return bisect_right(cumulative, self.share() * cumulative[-1], 0, len(cumulative) - 1)


class Source(NamedTuple):
    """Where a datapoint's randomness comes from: a key -> its stream, or that stream's bare words. `tries`: picks
    that may hit a taken choice before the rest is listed; any number gives the same chances. `again`: whether a text
    that is taken, of a body that cannot be listed, may be drawn again."""

    stream: Callable[[bytes], Stream]
    words: Open
    tries: int
    again: Callable[[], bool]


def always() -> bool:
    return True


TRIES = 8
HASHED = Source(Stream, words, TRIES, always)  # choices of somebody else are another (enumeration.py)
