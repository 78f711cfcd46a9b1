"""A task's params and draws -> their texts for one datapoint, held-out choices in or out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import accumulate
from math import ceil, prod
from typing import Literal

from circuitlang.program.task import Draw, Task
from circuitlang.prompts.choice import Choices, choices
from circuitlang.prompts.expand import Compiler, Page, Step, labelled
from circuitlang.prompts.stream import Stream, derive
from circuitlang.prompts.unroll import Grammar

Pool = Literal["all", "shared", "held"]  # every choice, those of all splits, those of `test` alone

_REDRAWS = 1000  # of a body that cannot be listed, to find a text that is not taken


class Values:
    """One draw of everything that a datapoint's cases share. `texts` is what a report shows."""

    __slots__ = ("counts", "held_out", "pages", "texts")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.pages: dict[str, Page] = {}
        self.texts: dict[str, str] = {}
        self.held_out = False

    def add(self, name: str, text: str, page: Page) -> None:
        self.texts[name] = text
        self.pages[name] = page


class Drawer:
    """Makes the values of a datapoint from its key."""

    def __init__(self, task: Task, grammar: Grammar) -> None:
        compiler = Compiler(grammar, labelled)
        self._params = task.params
        self._draws = [_DrawPlan(draw, task, grammar, compiler) for draw in task.draws]
        slots = [(plan, place) for plan in self._draws if plan.held for place in range(len(plan.draw.names))]
        self._slots = slots
        chances = [plan.held_chance for plan, _ in slots]
        self._first = list(
            accumulate(chance * prod(1 - other for other in chances[:i]) for i, chance in enumerate(chances))
        )

    @property
    def holds_out(self) -> bool:
        return bool(self._slots)

    def values(
        self, key: bytes, where: Mapping[str, tuple[int, int]], held_out: bool | None
    ) -> Values | None:
        """The values of the datapoint with this key. `held_out`: with a held-out choice, without, or either
        (None). None where a draw finds every choice taken."""
        stream = Stream(key)
        values = Values()
        for param in self._params:
            low, high = where.get(param.name, (param.low, param.high))
            number = low + stream.below(high - low + 1)
            values.counts[param.name] = number
            values.add(param.name, str(number), Page({}, {}, [str(number)]))
        pool_of = self._pools(stream, held_out)
        for plan in self._draws:
            if not plan.draw_into(values, stream, key, pool_of):
                return None
        return values

    def _pools(self, stream: Stream, held_out: bool | None) -> Callable[[_DrawPlan, int], Pool]:
        """Where each name is drawn from. A datapoint with a held-out choice has a first one: the names
        before it draw from the shared choices, those after it from all. This needs no redrawing, however
        rare held-out choices are."""
        if held_out is None or not self._slots:
            return _everything
        if not held_out:
            return _shared
        first = stream.weighted(self._first)
        place_of = {(id(plan), place): i for i, (plan, place) in enumerate(self._slots)}

        def pool(plan: _DrawPlan, place: int) -> Pool:
            at = place_of.get((id(plan), place), first + 1)
            return "held" if at == first else "shared" if at < first else "all"

        return pool


def _everything(plan: _DrawPlan, place: int) -> Pool:
    return "all"


def _shared(plan: _DrawPlan, place: int) -> Pool:
    return "shared"


class _DrawPlan:
    """One `draw` statement, ready to run."""

    def __init__(self, draw: Draw, task: Task, grammar: Grammar, compiler: Compiler) -> None:
        self.draw = draw
        self._taken_from = frozenset(draw.without)
        body = grammar.unroll(draw.body)
        self.listed = choices(body, grammar)
        self._step: Step = compiler.outside(draw.body)
        self._tag = derive("draw", *draw.names)
        self.held: Choices | None = None
        self.held_chance = 0.0
        share = max((task.hold_out[name] for name in draw.names if name in task.hold_out), default=None)
        if share is not None and self.listed is not None:
            held = held_out_choices(self.listed.texts, task.name, draw, share)
            self.held = self.listed.only(held)
            self._shared = self.listed.only(set(self.listed.texts) - held)
            self.held_chance = sum(self.held.weights) / sum(self.listed.weights)

    def draw_into(
        self, values: Values, stream: Stream, key: bytes, pool_of: Callable[[_DrawPlan, int], Pool]
    ) -> bool:
        """Draw this statement's names, in order; False where nothing is left for one of them."""
        taken = {values.texts[name] for name in self._taken_from}
        own: Stream | None = None
        for place, name in enumerate(self.draw.names):
            if self.listed is not None:
                drawn = self._from(pool_of(self, place)).pick(stream, taken)
            else:
                own = own or Stream(key + self._tag)
                drawn = self._expand(values, own, taken)
            if drawn is None:
                return False
            values.add(name, *drawn)
            taken.add(drawn[0])
            if self.held is not None and drawn[0] in self.held.texts:
                values.held_out = True
        return True

    def _from(self, pool: Pool) -> Choices:
        assert self.listed is not None
        if self.held is None or pool == "all":
            return self.listed
        return self.held if pool == "held" else self._shared

    def _expand(self, values: Values, stream: Stream, taken: set[str]) -> tuple[str, Page] | None:
        for _ in range(_REDRAWS):
            page = Page(values.pages, values.counts)
            self._step(page.pieces.append, stream.word, page)
            text = page.text()
            if text not in taken:
                return text, page
        return None


def held_out_choices(texts: tuple[str, ...], task: str, draw: Draw, share: Fraction) -> frozenset[str]:
    """`share` of the choices, rounded up. A hash under the task's name decides which, so that it is the
    same for every seed, and adding a case or a choice moves few others."""
    ranked = sorted(texts, key=lambda text: derive("hold out", task, *draw.names, text))
    return frozenset(ranked[: ceil(share * len(texts))])
