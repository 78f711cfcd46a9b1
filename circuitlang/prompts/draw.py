"""A task's params and draws -> their texts for one datapoint, held-out choices in or out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import accumulate
from math import ceil, prod

from circuitlang.language.program.task import Draw, Task
from circuitlang.prompts.choice import Choices, choices
from circuitlang.prompts.expand import Compiler, Page, as_step, labelled
from circuitlang.prompts.stream import HASHED, Source, Stream, derive
from circuitlang.prompts.unroll import Grammar

REDRAWS = 1000  # of a body that cannot be listed, to find a text that is not taken


Where = Mapping[str, tuple[int, int]]  # param -> inclusive range to draw it from instead of its own
Range = tuple[int, int]  # the lowest value, and how many values


class Values:
    """One draw of everything that a datapoint's cases share. `texts` is what a report shows."""

    __slots__ = ("counts", "held_out", "pages", "texts")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.pages: dict[str, Page] = {}
        self.texts: dict[str, str] = {}
        self.held_out = False


class Drawer:
    """Makes the values of a datapoint from its key.

    A datapoint with a held-out choice has a first one. The names before it draw from the choices of all
    splits, those after it from every choice; so nothing is drawn in vain, however rare held-out choices are.
    """

    def __init__(self, task: Task, grammar: Grammar) -> None:
        self._params = task.params
        self.plans: list[Plan] = []
        compiler = Compiler(grammar, labelled)
        chances: list[float] = []  # of drawing a held-out choice, per name of a draw that holds some out
        for draw in task.draws:
            plan = Plan(draw, task, grammar, compiler, len(chances))
            self.plans.append(plan)
            if plan.held is not None:
                chances += [plan.held_chance] * len(draw.names)
        firsts = (chance * prod(1 - other for other in chances[:i]) for i, chance in enumerate(chances))
        self.first = list(accumulate(firsts))

    @property
    def holds_out(self) -> bool:
        return bool(self.first)

    def ranges(self, where: Where) -> tuple[Range, ...]:
        """What each param is drawn from."""
        ranges = (where.get(param.name, (param.low, param.high)) for param in self._params)
        return tuple((low, high - low + 1) for low, high in ranges)

    def values(
        self, key: bytes, ranges: Iterable[Range], held_out: bool | None, source: Source = HASHED
    ) -> Values | None:
        """The values of the datapoint with this key. `held_out`: with a held-out choice, without, or either
        (None). None where a draw finds every choice taken."""
        stream = source.stream(key)
        values = Values()
        for param, (low, count) in zip(self._params, ranges, strict=True):
            number = low + stream.below(count)
            text = str(number)
            values.counts[param.name] = number
            values.texts[param.name] = text
            values.pages[param.name] = Page({}, {}, [text])
        first = -1 if held_out is None else len(self.first)
        if held_out:
            first = stream.weighted(self.first)
        for plan in self.plans:
            if not plan.draw_into(values, stream, key, first, source):
                return None
        return values


class Plan:
    """One `draw` statement, ready to run. `number`: that of its first name among the names that hold choices
    out."""

    def __init__(self, draw: Draw, task: Task, grammar: Grammar, compiler: Compiler, number: int) -> None:
        self.draw = draw
        self.number = number
        self.all = choices(grammar.unroll(draw.body), grammar)
        self._step = as_step(compiler.outside(draw.body))
        self.tag = derive("draw", *draw.names)
        self.held: Choices | None = None
        self.held_chance = 0.0
        share = _held_share(task, draw)
        if share is not None and self.all is not None:
            held = held_out_choices(self.all.texts, task.name, draw, share)
            self.held = self.all.only(held)
            self.shared = self.all.only(set(self.all.texts) - held)
            self._held_texts = held
            self.held_chance = sum(self.held.weights) / sum(self.all.weights)

    def draw_into(self, values: Values, stream: Stream, key: bytes, first: int, source: Source) -> bool:
        """Draw this statement's names, in order; False where nothing is left for one of them. `first`: the
        number of the first name with a held-out choice; -1: draw from every choice."""
        texts, own = values.texts, None
        taken = {texts[name] for name in self.draw.without}
        for place, name in enumerate(self.draw.names):
            pool = self.all if self.held is None else self._pool(self.number + place - first)
            if pool is not None:
                drawn = pool.pick(stream, taken, source.tries if taken else 1)
            else:
                own = own or source.stream(key + self.tag)
                drawn = self._expand(values, own, taken, source)
            if drawn is None:
                return False
            texts[name], values.pages[name] = drawn
            taken.add(drawn[0])
            if self.held is not None and drawn[0] in self._held_texts:
                values.held_out = True
        return True

    def _pool(self, after: int) -> Choices | None:
        if after < 0:
            return self.shared
        return self.held if after == 0 else self.all

    def _expand(
        self, values: Values, stream: Stream, taken: set[str], source: Source
    ) -> tuple[str, Page] | None:
        for _ in range(REDRAWS):
            page = Page(values.pages, values.counts)
            self._step(page.pieces.append, stream.word, page)
            text = page.text()
            if text not in taken:
                return text, page
            if not source.again():
                break
        return None


def held_out_choices(texts: tuple[str, ...], task: str, draw: Draw, share: Fraction) -> frozenset[str]:
    """`share` of the choices, rounded up. A hash under the task's name decides which, so that it is the
    same for every seed, and adding a case or a choice moves few others."""
    ranked = sorted(texts, key=lambda text: derive("hold out", task, *draw.names, text))
    return frozenset(ranked[: ceil(share * len(texts))])


def held_out_texts(task: Task) -> Mapping[str, frozenset[str]]:
    """Name -> its choices that occur in `test` only, of every draw that holds some out."""
    grammar = Grammar(task.rules)
    found: dict[str, frozenset[str]] = {}
    for draw in task.draws:
        share = _held_share(task, draw)
        listed = choices(grammar.unroll(draw.body), grammar) if share is not None else None
        if share is not None and listed is not None:
            held = held_out_choices(listed.texts, task.name, draw, share)
            found |= dict.fromkeys(draw.names, held)
    return found


def _held_share(task: Task, draw: Draw) -> Fraction | None:
    """The names of one `draw` share their choices, and so which of them are held out."""
    return max((task.hold_out[name] for name in draw.names if name in task.hold_out), default=None)
