"""A function that chooses one of n -> the source that a generator reads; a task -> all its datapoints.

The generator's own code, somebody else's choices: Hypothesis chooses so that it can shrink (strategies.py),
`every_datapoint` so that nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import gcd, lcm

from circuitlang.language.program.task import Task
from circuitlang.prompts.case import Attempt, Cases
from circuitlang.prompts.draw import Drawer, Where
from circuitlang.prompts.prompt import Prompt
from circuitlang.prompts.stream import Source, Stream, Word, always
from circuitlang.prompts.unroll import Grammar

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


def choice_source(choose: Choose, weigh: Weigh | None = None, again: Callable[[], bool] = always) -> Source:
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


MOST = 1 << 20  # alternatives of one choice, beyond which it cannot be meant to be listed
WORK = 1 << 18  # choices in all, a long list counting more: about a second
_LONG = 32  # alternatives that take about as long to look through as a choice itself


class TooManyError(Exception):
    """There are more choices, or alternatives of one, than anyone would list."""


def every_datapoint(task: Task, where: Where | None = None) -> Iterator[tuple[Prompt, ...]]:
    """The prompts of every datapoint, splits together, in the order of its choices: the first alternatives first,
    the last name's fastest. A datapoint that several choices lead to comes as often. TooManyError where there is
    a choice of more than MOST, as weights of many digits make, and where WORK choices were not enough."""
    grammar = Grammar(task.rules)
    drawer, cases = Drawer(task, grammar), Cases(task, grammar)
    ranges = drawer.ranges(where or {})
    path: list[tuple[int, int]] = []  # the choices of the datapoint: (index, of how many)
    made = work = 0

    def choose(count: int) -> int:
        nonlocal made, work
        work += 1 + count // _LONG
        if count > MOST or work > WORK:
            raise TooManyError
        if made == len(path):
            path.append((0, count))
        made += 1
        return path[made - 1][0]

    def never() -> bool:
        """What could be drawn in place of a taken text is made in its own turn."""
        return False

    while True:
        made = 0
        source = choice_source(choose, again=never)
        values = drawer.values(b"", ranges, None, source)
        prompts = None if values is None else Attempt(b"", values, cases, source).prompts()
        if prompts is not None:
            yield prompts
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return
        index, count = path.pop()
        path.append((index + 1, count))
