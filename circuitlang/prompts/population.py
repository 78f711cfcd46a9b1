"""A task -> every datapoint of its `test` split with how often the generator gives it, where those are few.

A mean over these, by weight, is what the mean over drawn datapoints tends to: no sampling, no interval. Datapoints are
seldom equally likely: draws have weights, the same prompts may come about in several ways, and every second drawn
datapoint of `test` has a held-out choice, however few there are. So every way to make every choice is tried, each with
its exact probability under the generator, attempts that fail left out as the generator leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

from circuitlang.language.program.task import Task
from circuitlang.prompts.draw import Where
from circuitlang.prompts.enumeration import MOST, TooManyError, choice_source
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Datapoint
from circuitlang.prompts.stream import Source
from circuitlang.prompts.support import upper_bound

TRIED = 4
"""Ways to make the choices that are tried, per datapoint that is allowed: a split has about a third of them."""


@dataclass(frozen=True)
class Population:
    """All datapoints of `test`, each once. `weights`: whole numbers in proportion to their probabilities."""

    datapoints: tuple[Datapoint, ...]
    weights: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.datapoints)


def population(generator: Generator, where: Where, most: int) -> Population | None:
    """Every datapoint of `test` with params drawn as `where` says; None where there are more than `most`, or too many
    ways to come to them, or a way whose probability is not known."""
    if may_be_more(generator.task, where, most):
        return None
    arms = (False, True) if generator.holds_out else (None,)
    shares: dict[tuple[object, ...], Fraction] = {}
    found: dict[tuple[object, ...], Datapoint] = {}
    tries = TRIED * most
    try:
        for held_out in arms:
            arm: dict[tuple[object, ...], Fraction] = {}
            for source, chance in _ways(tries):
                datapoint = generator.attempt(source, "test", held_out, where)
                tries -= 1
                probability = chance()
                if datapoint is not None and probability:
                    key = tuple((p.text, p.answer, p.foils, p.marks) for p in datapoint.prompts)
                    found.setdefault(key, datapoint)
                    arm[key] = arm.get(key, Fraction(0)) + probability
                    if len(found) > most:
                        return None
            if not arm:  # the generator finds none either, and says so
                return None
            total = sum(arm.values())
            for key, probability in arm.items():
                shares[key] = shares.get(key, Fraction(0)) + probability / total
    except TooManyError:
        return None
    unit = lcm(*(share.denominator for share in shares.values()))
    whole = [int(share * unit) for share in shares.values()]
    common = gcd(*whole)
    numbered = (
        Datapoint("test", index, found[key].prompts, found[key].held_out) for index, key in enumerate(shares)
    )
    return Population(tuple(numbered), tuple(weight // common for weight in whole))


def may_be_more(task: Task, where: Where, most: int) -> bool:
    """Whether counting already shows that there are too many ways to try, without trying them."""
    return upper_bound(task, where, TRIED * most + 1) > TRIED * most


def _ways(most: int) -> Iterator[tuple[Source, Callable[[], Fraction]]]:
    """Every way to make an attempt's choices: what the generator reads, and, once it has read, how likely that was.
    TooManyError beyond `most` of them."""
    path: list[tuple[int, int]] = []  # the choices: (index, of how many)
    chances: list[Fraction] = []
    made = 0

    def step(count: int, chance: Callable[[int], Fraction]) -> int:
        nonlocal made
        if count > MOST:
            raise TooManyError
        if made == len(path):
            path.append((0, count))
        index = path[made][0]
        chances.append(chance(index))
        made += 1
        return index

    def choose(count: int) -> int:
        return step(count, lambda index: Fraction(1, count))

    def weigh(cumulative: Sequence[float]) -> int:
        last = Fraction(cumulative[-1])

        def chance(index: int) -> Fraction:
            before = cumulative[index - 1] if index else 0.0
            return (Fraction(cumulative[index]) - Fraction(before)) / last

        return step(len(cumulative), chance)

    def probability() -> Fraction:
        product = Fraction(1)
        for chance in chances:
            product *= chance
        return product

    def unknown() -> bool:
        """How likely a text is that is drawn in place of a taken one: as many numbers as it can be drawn again."""
        raise TooManyError

    for _ in range(most):
        made = 0
        chances.clear()
        yield choice_source(choose, weigh, unknown), probability
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return
        index, count = path.pop()
        path.append((index + 1, count))
    raise TooManyError
