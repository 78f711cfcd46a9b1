"""A task's cases + one draw of its values -> prompts: texts, answers, foils and marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from circuitlang.program.expression import Expression, Ref, Sequence
from circuitlang.program.task import Case, Task
from circuitlang.prompts.draw import Values
from circuitlang.prompts.expand import Compiled, Compiler, Page, Step, labelled
from circuitlang.prompts.prompt import Mark, Prompt
from circuitlang.prompts.stream import Word, derive, words
from circuitlang.prompts.unroll import Grammar, label


class Cases:
    """A task's cases, ready to expand. Shared by all datapoints and never changed."""

    def __init__(self, task: Task, grammar: Grammar) -> None:
        self.cases = task.cases
        self._inner = Compiler(grammar, labelled)
        outer = Compiler(grammar, self._refer)
        self.bindings = [
            {name: (outer.outside(body), derive("binding", name)) for name, body in case.bindings.items()}
            for case in task.cases
        ]
        self.prompts = [outer.outside(Sequence(case.prompt.parts)) for case in task.cases]
        self.answers = [outer.outside(Sequence(case.answer.parts)) for case in task.cases]
        self.foils = [case.foil and outer.outside(Sequence(case.foil.parts)) for case in task.cases]
        self.apart = [
            (i, j)
            for (i, first), (j, second) in combinations(enumerate(task.cases), 2)
            if _must_differ(first, second)
        ]

    def _refer(self, compiler: Compiler, ref: Ref) -> Compiled:
        """What a name becomes in a case's own expressions: a rule is a numbered use, a binding one text per
        case."""
        name = label(ref.name)
        if ref.kind == "binding":
            return lambda append, word, page: page.insert(name, _expansion(page).binding(name))
        if ref.kind != "rule":
            return labelled(compiler, ref)
        inner = self._inner.rule(ref.name)
        if isinstance(inner, str):
            constant = Page({}, {}, [inner])
            return lambda append, word, page: page.insert(name, constant)
        tag = derive("use", name)
        return lambda append, word, page: page.insert(name, _expansion(page).use(tag, inner))


class _CasePage(Page):
    """A page of a case's own expressions: it knows which case of which datapoint it belongs to."""

    __slots__ = ("expansion",)

    def __init__(self, expansion: _Expansion) -> None:
        super().__init__(expansion.values.pages, expansion.values.counts)
        self.expansion = expansion


def _expansion(page: Page) -> _Expansion:
    assert isinstance(page, _CasePage)
    return page.expansion


class _Expansion:
    """One case of one attempt at a datapoint."""

    __slots__ = ("_bindings", "_key", "_own", "_used", "_uses", "values")

    def __init__(
        self, key: bytes, values: Values, uses: dict[bytes, Page], bindings: Mapping[str, tuple[Step, bytes]]
    ) -> None:
        self.values = values
        self._key = key
        self._uses = uses
        self._bindings = bindings
        self._used: dict[bytes, int] = {}
        self._own: dict[str, Page] = {}

    def page(self, step: Step, word: Word) -> Page:
        """A new page with this expression's text."""
        page = _CasePage(self)
        step(page.pieces.append, word, page)
        return page

    def use(self, tag: bytes, step: Step) -> Page:
        """The next use of a rule in this case. Its text is that of the same use in the datapoint's other
        cases."""
        number = self._used.get(tag, 0)
        self._used[tag] = number + 1
        address = tag + number.to_bytes(4, "little")
        page = self._uses.get(address)
        if page is None:
            page = self._uses[address] = Page(self.values.pages, self.values.counts)
            step(page.pieces.append, words(self._key + address), page)
        return page

    def binding(self, name: str) -> Page:
        """The binding's text, expanded where the case first uses it."""
        page = self._own.get(name)
        if page is None:
            step, tag = self._bindings[name]
            page = self._own[name] = self.page(step, words(self._key + tag))
        return page


class Attempt:
    """A datapoint before it is known whether it fits. Cases are expanded one at a time, so that a datapoint
    whose first prompt falls in another split costs one."""

    def __init__(self, key: bytes, values: Values, cases: Cases) -> None:
        self._values = values
        self._cases = cases
        uses: dict[bytes, Page] = {}
        self._expansions = [_Expansion(key, values, uses, bindings) for bindings in cases.bindings]
        self._pages: list[Page] = []

    def texts(self) -> Iterator[str]:
        """The text of each case's prompt."""
        for i in range(len(self._expansions)):
            yield self._page(i).text()

    def _page(self, i: int) -> Page:
        while len(self._pages) <= i:
            at = len(self._pages)
            self._pages.append(self._expansions[at].page(self._cases.prompts[at], _no_words))
        return self._pages[i]

    def prompts(self) -> tuple[Prompt, ...] | None:
        """The finished prompts; None when answers that must differ do not."""
        pages = [self._page(i) for i in range(len(self._expansions))]
        answers = [self._template(i, step) for i, step in enumerate(self._cases.answers)]
        if any(answers[i] == answers[j] for i, j in self._cases.apart):
            return None
        prompts = []
        for i, (case, page) in enumerate(zip(self._cases.cases, pages, strict=True)):
            foil = self._cases.foils[i]
            others = answers if foil is None else [self._template(i, foil)]
            foils = tuple(dict.fromkeys(other for other in others if other != answers[i]))
            if foil is not None and not foils:
                return None
            marks = tuple(map(Mark._make, page.ranges()))
            prompts.append(
                Prompt(case.name, page.text(), answers[i], foils, case.negated, marks, self._values.texts)
            )
        return tuple(prompts)

    def _template(self, i: int, step: Step) -> str:
        return self._expansions[i].page(step, _no_words).text()


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
