"""A function that chooses one of n -> the source that a generator reads: its own code, somebody else's choices.

Hypothesis chooses so that it can shrink (strategies/datapoints.py), `every` so that nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import gcd, lcm

from circuitlang.prompts.stream import Source, Stream, Word, always

_COARSE = 16  # bits of a share that are chosen first

Choose = Callable[[int], int]  # n -> an integer of [0, n); 0 is the first alternative, the smallest number
Weigh = Callable[[Sequence[float]], int]  # running sums of weights -> which of them


class _Open(int):
    """A word that is not decided yet. The generator takes its remainder by a number of alternatives, or its high
    bits as a share; only then is one chosen, among exactly these. No value of it is ever passed over.

    Streams of one key are the same, so a word may be read again, by a binding of the same name in another case.
    Then what was chosen holds: a word that is even stays so.
    """

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._modulus, self._rest = 1, 0  # what is decided: the remainder by a modulus,
        self._share: dict[int, int] = {}  # and the bits above a number of them

    def __new__(cls, choose: Choose) -> _Open:
        return super().__new__(cls)

    def __ge__(self, limit: int) -> bool:
        return False

    def __mod__(self, count: int) -> int:
        common = gcd(self._modulus, count)
        value = self._rest % common + common * self._choose(count // common)
        modulus = lcm(self._modulus, count)
        # the number below `modulus` with both remainders (Chinese remainder theorem)
        steps = (value - self._rest) // common * pow(self._modulus // common, -1, count // common)
        self._rest = (self._rest + self._modulus * steps) % modulus
        self._modulus = modulus
        return value

    def __rshift__(self, bits: int) -> int:
        if bits not in self._share:
            rest = 64 - bits - _COARSE
            self._share[bits] = (self._choose(1 << _COARSE) << rest) | self._choose(1 << rest)
        return self._share[bits]


class _Chosen(Stream):
    """A weighted choice is one of so many; weights count for nothing, unless somebody weighs them."""

    def __init__(self, word: Word, weigh: Weigh | None) -> None:
        self.word = word
        self._weigh = weigh

    def weighted(self, cumulative: Sequence[float]) -> int:
        word = self.word()
        return word % len(cumulative) if self._weigh is None else self._weigh(cumulative)


def chosen(choose: Choose, weigh: Weigh | None = None, again: Callable[[], bool] = always) -> Source:
    """The streams of one attempt at a datapoint, their numbers chosen in the order in which they are first read.
    Weights count for nothing, unless they are so fine that a share is chosen. Where some choices are taken, one of
    the rest is chosen at once: passing one over would be a choice too. `weigh` makes the weighted choices, for whoever
    needs to know how likely each was. `again`: as in `Source`."""
    known: dict[bytes, list[_Open]] = {}

    def words(key: bytes) -> Word:
        return _words(known.setdefault(key, []), choose).__next__

    return Source(lambda key: _Chosen(words(key), weigh), words, 0, again)


def _words(known: list[_Open], choose: Choose) -> Iterator[int]:
    """The words of a stream, those that were read before first."""
    place = 0
    while True:
        if place == len(known):
            known.append(_Open(choose))
        yield known[place]
        place += 1
