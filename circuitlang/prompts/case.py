"""A task's cases + one draw of its values -> prompts: texts, answers, foils and marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from circuitlang.language.program.expression import Expression, Ref, Sequence
from circuitlang.language.program.task import Case, Task
from circuitlang.prompts.draw import Values
from circuitlang.prompts.expand import Compiled, Compiler, Page, Part, Step, as_step, labelled
from circuitlang.prompts.prompt import Mark, Prompt
from circuitlang.prompts.stream import HASHED, Source, derive
from circuitlang.prompts.unroll import Grammar, label


@dataclass(frozen=True, slots=True)
class _Plan:
    """One case, ready to expand."""

    prompt: Step
    bindings: Mapping[str, tuple[Step, bytes]]
    answer: Compiled
    foil: Compiled | None


class Cases:
    """A task's cases, ready to expand. Shared by all datapoints and never changed."""

    def __init__(self, task: Task, grammar: Grammar) -> None:
        self.cases = task.cases
        self._inner = Compiler(grammar, labelled)
        self._outer = Compiler(grammar, self._refer)
        self.plans = [self._plan(case) for case in task.cases]
        self.apart = [
            (i, j)
            for (i, first), (j, second) in combinations(enumerate(task.cases), 2)
            if _must_differ(first, second)
        ]

    def _plan(self, case: Case) -> _Plan:
        outside = self._outer.outside
        bindings = {
            name: (as_step(outside(body)), derive("binding", name)) for name, body in case.bindings.items()
        }
        prompt, answer = (outside(Sequence(template.parts)) for template in (case.prompt, case.answer))
        foil = outside(Sequence(case.foil.parts)) if case.foil else None
        return _Plan(as_step(prompt), bindings, answer, foil)

    def _refer(self, compiler: Compiler, ref: Ref) -> Compiled:
        """What a name becomes in a case's own expressions: a rule is a numbered use, a binding one text per
        case."""
        name = label(ref.name)
        if ref.kind == "binding":
            return lambda append, word, page: page.scope.binding(name, page)
        if ref.kind != "rule":
            return labelled(compiler, ref)
        inner = self._inner.rule(ref.name)
        if isinstance(inner, str):
            constant = Page({}, {}, [inner])
            return lambda append, word, page: page.insert(name, constant)
        tag = derive("use", name)
        return lambda append, word, page: page.scope.use(name, tag, inner, page)


class _Expansion:
    """One case of one attempt at a datapoint; the scope of its pages."""

    __slots__ = ("_bound", "_key", "_plan", "_source", "_used", "_uses", "_values")

    def __init__(
        self, key: bytes, values: Values, uses: dict[bytes, Part], plan: _Plan, source: Source
    ) -> None:
        self._key = key
        self._source = source
        self._values = values
        self._uses = uses  # shared by the cases
        self._plan = plan
        self._used: dict[bytes, int] = {}
        self._bound: dict[str, Part] = {}

    def page(self, step: Step) -> Page:
        """A new page with a template's text."""
        page = Page(self._values.pages, self._values.counts)
        page.scope = self
        step(page.pieces.append, _no_words, page)
        del (
            page.scope
        )  # a finished page asks for nothing; without the way back it is freed at once, not by the collector
        return page

    def text(self, template: Compiled) -> str:
        """The text of an answer or a foil."""
        return template if isinstance(template, str) else self.page(template).text()

    def use(self, name: str, tag: bytes, step: Step, page: Page) -> None:
        """Add the next use of a rule in this case to the page. Its text is that of the same use in the
        datapoint's other cases."""
        number = self._used.get(tag, 0)
        self._used[tag] = number + 1
        address = tag + number.to_bytes(4, "little")
        part = self._uses.get(address)
        if part is None:
            self._uses[address] = page.expand(name, step, self._source.words(self._key + address))
        else:
            page.repeat(part)

    def binding(self, name: str, page: Page) -> None:
        """Add the binding's text to the page; it is expanded where the case first uses it."""
        part = self._bound.get(name)
        if part is None:
            step, tag = self._plan.bindings[name]
            self._bound[name] = page.expand(name, step, self._source.words(self._key + tag))
        else:
            page.repeat(part)


class Attempt:
    """A datapoint before it is known whether it fits. Cases are expanded one at a time, so that a datapoint
    whose first prompt falls in another split costs one."""

    __slots__ = ("_cases", "_expansions", "_key", "_pages", "_source", "_texts", "_uses", "_values")

    def __init__(self, key: bytes, values: Values, cases: Cases, source: Source = HASHED) -> None:
        self._key = key
        self._source = source
        self._values = values
        self._cases = cases
        self._uses: dict[bytes, Part] = {}
        self._expansions: list[_Expansion] = []
        self._pages: list[Page] = []
        self._texts: list[str] = []

    def text(self, i: int) -> str:
        """The text of case i's prompt, after those of the cases before it."""
        texts = self._texts
        while len(texts) <= i:
            plan = self._cases.plans[len(texts)]
            expansion = _Expansion(self._key, self._values, self._uses, plan, self._source)
            page = expansion.page(plan.prompt)
            self._expansions.append(expansion)
            self._pages.append(page)
            texts.append("".join(page.pieces))
        return texts[i]

    def prompts(self) -> tuple[Prompt, ...] | None:
        """The finished prompts; None when answers that must differ do not."""
        plans, expansions = self._cases.plans, self._expansions
        self.text(len(plans) - 1)
        answers = [x.text(plan.answer) for x, plan in zip(expansions, plans, strict=True)]
        if any(answers[i] == answers[j] for i, j in self._cases.apart):
            return None
        prompts = []
        for i, case in enumerate(self._cases.cases):
            foil, answer = plans[i].foil, answers[i]
            others = answers if foil is None else [expansions[i].text(foil)]
            foils = tuple(dict.fromkeys([other for other in others if other != answer]))
            if foil is not None and not foils:
                return None
            marks = self._pages[i].ranges()
            texts = self._values.texts
            prompts.append(Prompt(case.name, self._texts[i], answer, foils, case.negated, marks, texts))
        return tuple(prompts)

    def marks(self) -> tuple[tuple[Mark, ...], ...]:
        """Those of each case's prompt."""
        self.text(len(self._cases.plans) - 1)
        return tuple(page.ranges() for page in self._pages)


def _no_words() -> int:
    raise AssertionError("a template consists of text and holes; it draws nothing itself")


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
