"""A task's cases + one draw of its values -> prompts: texts, answers, foils and marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, repeat

from circuitlang.program.expression import Expression, Ref, Sequence, Template, Text
from circuitlang.program.task import Case, Task
from circuitlang.prompts.draw import Values
from circuitlang.prompts.expand import Compiled, Compiler, Page, Step, as_step, labelled
from circuitlang.prompts.prompt import Mark, Prompt
from circuitlang.prompts.stream import Word, derive, words
from circuitlang.prompts.unroll import Grammar, label


@dataclass(frozen=True, slots=True)
class _Plan:
    """One case, ready to expand. The prompt is cut in two: `head`, what comes before the first hole that is a
    rule or a binding, depends on the values alone. Cases whose heads are equal have equal `head_number`s and
    share its page.
    """

    head_number: int
    head: Step
    tail: Step
    bindings: Mapping[str, tuple[Step, bytes]]
    answer: Compiled
    foil: Compiled | None


class Cases:
    """A task's cases, ready to expand. Shared by all datapoints and never changed. `varied`: the same values
    can give more than one prompt."""

    def __init__(self, task: Task, grammar: Grammar) -> None:
        self.cases = task.cases
        self.varied = any(_by_chance(body) for case in task.cases for body in case.bindings.values())
        self._inner = Compiler(grammar, labelled)
        self._outer = Compiler(grammar, self._refer)
        heads = [_head(case.prompt) for case in task.cases]
        self.plans = [
            self._plan(case, head, heads.index(head)) for case, head in zip(task.cases, heads, strict=True)
        ]
        self.apart = [
            (i, j)
            for (i, first), (j, second) in combinations(enumerate(task.cases), 2)
            if _must_differ(first, second)
        ]

    def _plan(self, case: Case, head: tuple[Text | Ref, ...], number: int) -> _Plan:
        outside = self._outer.outside
        bindings = {
            name: (as_step(outside(body)), derive("binding", name)) for name, body in case.bindings.items()
        }
        return _Plan(
            number,
            as_step(outside(Sequence(head))),
            as_step(outside(Sequence(case.prompt.parts[len(head) :]))),
            bindings,
            outside(Sequence(case.answer.parts)),
            outside(Sequence(case.foil.parts)) if case.foil else None,
        )

    def _refer(self, compiler: Compiler, ref: Ref) -> Compiled:
        """What a name becomes in a case's own expressions: a rule is a numbered use, a binding one text per
        case."""
        name = label(ref.name)
        if ref.kind == "binding":
            return lambda append, word, page: page.insert(name, page.scope.binding(name))
        if ref.kind != "rule":
            return labelled(compiler, ref)
        inner = self._inner.rule(ref.name)
        if isinstance(inner, str):
            constant = Page({}, {}, [inner])
            return lambda append, word, page: page.insert(name, constant)
        self.varied = True
        tag = derive("use", name)
        return lambda append, word, page: page.insert(name, page.scope.use(tag, inner))


class _Expansion:
    """One case of one attempt at a datapoint; the scope of its pages."""

    __slots__ = ("_bound", "_key", "_plan", "_used", "_uses", "_values")

    def __init__(self, key: bytes, values: Values, uses: dict[bytes, Page], plan: _Plan) -> None:
        self._key = key
        self._values = values
        self._uses = uses  # shared by the cases
        self._plan = plan
        self._used: dict[bytes, int] = {}
        self._bound: dict[str, Page] = {}

    def page(self, step: Step, word: Word, head: Page | None = None) -> Page:
        """A new page with this expression's text, after that of the head."""
        page = Page(self._values.pages, self._values.counts)
        page.scope = self
        if head is not None:
            page.pieces += head.pieces
            page.marks += head.marks
        step(page.pieces.append, word, page)
        return page

    def text(self, template: Compiled) -> str:
        """The text of an answer or a foil."""
        return template if isinstance(template, str) else self.page(template, _no_words).text()

    def use(self, tag: bytes, step: Step) -> Page:
        """The next use of a rule in this case. Its text is that of the same use in the datapoint's other
        cases."""
        number = self._used.get(tag, 0)
        self._used[tag] = number + 1
        address = tag + number.to_bytes(4, "little")
        page = self._uses.get(address)
        if page is None:
            page = self._uses[address] = Page(self._values.pages, self._values.counts)
            step(page.pieces.append, words(self._key + address), page)
        return page

    def binding(self, name: str) -> Page:
        """The binding's text, expanded where the case first uses it."""
        page = self._bound.get(name)
        if page is None:
            step, tag = self._plan.bindings[name]
            page = self._bound[name] = self.page(step, words(self._key + tag))
        return page


class Attempt:
    """A datapoint before it is known whether it fits. Cases are expanded one at a time, so that a datapoint
    whose first prompt falls in another split costs one."""

    __slots__ = ("_cases", "_expansions", "_key", "_pages", "_uses", "_values")

    def __init__(self, key: bytes, values: Values, cases: Cases) -> None:
        self._key = key
        self._values = values
        self._cases = cases
        self._uses: dict[bytes, Page] = {}
        self._expansions: list[_Expansion] = []
        self._pages: list[Page] = []

    def texts(self) -> Iterator[str]:
        """The text of each case's prompt."""
        heads = self._values.heads
        for plan in self._cases.plans[len(self._pages) :]:
            expansion = _Expansion(self._key, self._values, self._uses, plan)
            head = heads.get(plan.head_number)
            if head is None:
                head = heads[plan.head_number] = expansion.page(plan.head, _no_words)
            page = expansion.page(plan.tail, _no_words, head)
            self._expansions.append(expansion)
            self._pages.append(page)
            yield "".join(page.pieces)

    def prompts(self) -> tuple[Prompt, ...] | None:
        """The finished prompts; None when answers that must differ do not."""
        for _ in self.texts():
            pass
        plans, expansions = self._cases.plans, self._expansions
        answers = [x.text(plan.answer) for x, plan in zip(expansions, plans, strict=True)]
        if any(answers[i] == answers[j] for i, j in self._cases.apart):
            return None
        prompts = []
        for i, (case, page) in enumerate(zip(self._cases.cases, self._pages, strict=True)):
            foil = plans[i].foil
            others = answers if foil is None else [expansions[i].text(foil)]
            foils = tuple(dict.fromkeys(other for other in others if other != answers[i]))
            if foil is not None and not foils:
                return None
            marks = tuple(map(tuple.__new__, repeat(Mark), page.ranges()))
            texts = self._values.texts
            prompts.append(Prompt(case.name, page.text(), answers[i], foils, case.negated, marks, texts))
        return tuple(prompts)


def _no_words() -> int:
    raise AssertionError("a template consists of text and holes; it draws nothing itself")


def _head(prompt: Template) -> tuple[Text | Ref, ...]:
    """The parts before the first hole that is a rule or a binding."""
    for place, part in enumerate(prompt.parts):
        if isinstance(part, Ref) and part.kind in ("rule", "binding"):
            return prompt.parts[:place]
    return prompt.parts


def _by_chance(expression: Expression) -> bool:
    """Whether an expression of a case draws something itself, apart from the rules it uses."""
    match expression:
        case Sequence(items):
            return any(map(_by_chance, items))
        case Text() | Ref():
            return False
        case _:
            return True


def _must_differ(first: Case, second: Case) -> bool:
    """Whether equal answers of two cases are an accident of the draw and not what the task says."""
    if first.negated != second.negated or (first.foil and second.foil):
        return False
    return _resolved(first) != _resolved(second)


def _resolved(case: Case) -> tuple[Expression, ...]:
    """The answer with the case's bindings put in their places."""
    return tuple(
        case.bindings[part.name] if isinstance(part, Ref) and part.kind == "binding" else part
        for part in case.answer.parts
    )
