"""A task's cases -> Python source that writes their texts, as `Attempt` does, and returns their prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from circuitlang.program.expression import Choice, Expression, Ref, Repeat, Sequence, Template
from circuitlang.program.task import Case, Task
from circuitlang.prompts.emit import Function, Local, Parts, call, called, expression_of, variable
from circuitlang.prompts.prompt import unmarked_prompt
from circuitlang.prompts.stream import Open, derive, words
from circuitlang.prompts.unroll import label, references


class CaseWriter:
    """Writes one case after the other. The n-th use of a rule is written once, where the first case needs it,
    and stands in a variable `r_name_n`; but if some case uses the rule inside a choice or repetition, n is not
    known here, and all its uses are taken from an iterator `use_0_name` of the case."""

    def __init__(self, task: Task, out: Function) -> None:
        self._task = task
        self._out = out
        self._counted = {ref.name for case in task.cases for ref in _counted(case)}
        self._written: set[str] = set()
        self._used: list[dict[str, int]] = [{} for _ in task.cases]
        self._bound: list[dict[str, Parts]] = [{} for _ in task.cases]
        self._now = 0  # the number of the case that is being written
        out.module.given |= {"uses": uses, "foils": foils, "prompt": unmarked_prompt}

    def write(self, apart: list[tuple[int, int]]) -> None:
        """`key`, `belongs`, `draws` and `origin` are set. `apart`: cases whose answers must differ."""
        out, cases = self._out, self._task.cases
        out.refer = self._refer
        for name in sorted(self._counted):
            out.line(f"made_{name} = []")
        for i, case in enumerate(cases):
            self._now = i
            self._write_iterators(case)
            out.line(f"text_{i} = {out.value(self._template(case.prompt))}")
            self._give_up(f"not belongs(text_{i})")
        answers = [self._text("answer", i, case.answer) for i, case in enumerate(cases)]
        for i, j in apart:
            self._give_up_if_equal(answers[i], answers[j])
        found = [self._foils(i, answers, apart) for i in range(len(cases))]
        params = [f"{name!r}: str(n_{name})" for name in self._task.param_names]
        draws = [f"{name!r}: d_{name}" for draw in self._task.draws for name in draw.names]
        out.line(f"draws = {{{', '.join(params + draws)}}}")
        out.line("origin = Expansion(key, ranges, held_out)")
        with out.inside("return ("):
            for i, case in enumerate(cases):
                answer = expression_of([answers[i]])
                out.line(
                    f"prompt({case.name!r}, text_{i}, {answer}, {found[i]}, {case.negated}, draws, origin, {i}),"
                )
        out.line(")")

    def _template(self, template: Template) -> Parts:
        return self._out.text(self._out.module.outside(Sequence(template.parts)))

    def _text(self, what: str, number: int, template: Template) -> str | Local:
        """An answer or a foil: a literal, or a variable."""
        self._now = number
        parts = self._template(template)
        if all(isinstance(part, str) for part in parts):
            return "".join(map(str, parts))
        self._out.line(f"{what}_{number} = {self._out.value(parts)}")
        return Local(f"{what}_{number}")

    def _foils(self, number: int, answers: list[str | Local], apart: list[tuple[int, int]]) -> str:
        """Python for the foils of a case."""
        foil, answer = self._task.cases[number].foil, answers[number]
        if foil is not None:
            text = self._text("foil", number, foil)
            self._give_up_if_equal(text, answer)
            return f"({expression_of([text])},)"
        constant = [other for other in answers if isinstance(other, str)]
        if len(constant) == len(answers):
            return repr(foils(constant[number], tuple(constant)))
        if len(answers) == 2 and apart:
            return f"({expression_of([answers[1 - number]])},)"
        every = ", ".join(expression_of([other]) for other in answers)
        return f"foils({expression_of([answer])}, ({every},))"

    def _give_up_if_equal(self, first: str | Local, second: str | Local) -> None:
        if isinstance(first, Local) or isinstance(second, Local):
            self._give_up(f"{expression_of([first])} == {expression_of([second])}")
        elif first == second:
            self._give_up("True")

    def _give_up(self, condition: str) -> None:
        with self._out.inside(f"if {condition}:"):
            self._out.line("return None")

    def _refer(self, function: Function, ref: Ref) -> Parts:
        """A name in a case's own expressions."""
        name = label(ref.name)
        if ref.kind == "binding":
            return self._binding(name)
        if ref.kind != "rule":
            return [Local(function.need(variable(ref)))]
        if name in self._counted:
            return [function.result("t", f"{function.need(f'use_{self._now}_{name}')}()")]
        number = self._used[self._now].get(name, 0)
        self._used[self._now][name] = number + 1
        use = f"r_{name}_{number}"
        if use not in self._written:
            self._written.add(use)
            address = derive("use", name) + number.to_bytes(4, "little")
            key = f"key + {function.module.literal(f'USE_{number}_{name}', address)}"
            with function.drawing("word", key, function.module.most(ref)):
                body = function.module.body(ref.name)
                if body is None:
                    function.line(f"{use} = {called(function, ref.name)}")
                else:
                    function.refer = call
                    function.line(f"{use} = {function.value(function.text(body))}")
                    function.refer = self._refer
        return [Local(use)]

    def _binding(self, name: str) -> Parts:
        """A binding's text; it is drawn from a stream of its own where the case first uses it."""
        bound, out = self._bound[self._now], self._out
        if name not in bound:
            tag = out.module.literal(f"BINDING_{name}", derive("binding", name))
            body = out.module.outside(self._task.cases[self._now].bindings[name])
            with out.drawing("bound", f"key + {tag}", self._most(body)):
                parts = out.text(body)
            if any(isinstance(part, Local) and part.name.startswith("t_") for part in parts):
                bound[name] = [Local(f"b_{self._now}_{name}")]
                out.line(f"b_{self._now}_{name} = {out.value(parts)}")
            else:
                bound[name] = parts
        return bound[name]

    def _most(self, expression: Expression) -> int:
        """How many words a case's own expression can draw; the rules it uses draw from other streams."""
        match expression:
            case Ref():
                return 0
            case Sequence(items):
                return sum(map(self._most, items))
            case _:
                return self._out.module.most(expression)

    def _write_iterators(self, case: Case) -> None:
        """One for each rule that the case uses a number of times that is not known here."""
        own = {ref.name for expression in _expressions(case) for ref in references(expression)}
        for name in sorted(own & self._counted):
            ref = self._out.module.outside(Ref(name, "rule"))
            assert isinstance(ref, Ref)
            function, (_, *others) = self._out.module.rule(ref.name)
            given = "".join(f"{other}, " for other in others)
            tag = self._out.module.literal(f"USES_{name}", derive("use", name))
            opened = self._out.module.source_of_words(self._out.module.most(ref))
            made = f"uses(made_{name}, key + {tag}, {opened}, {function}, ({given}))"
            self._out.line(f"use_{self._now}_{name} = {made}.__next__")


def _expressions(case: Case) -> list[Expression]:
    """All that a case expands itself."""
    templates = [case.prompt, case.answer, *([case.foil] if case.foil else [])]
    return [*case.bindings.values(), *(Sequence(template.parts) for template in templates)]


def _counted(case: Case) -> list[Ref]:
    """The rules that a case uses inside choices and repetitions."""
    found: list[Ref] = []
    waiting = _expressions(case)
    while waiting:
        match waiting.pop():
            case Sequence(items):
                waiting += items
            case Choice() | Repeat() as expression:
                found += [ref for ref in references(expression) if ref.kind == "rule"]
            case _:
                pass
    return found


def uses(
    made: list[str], key: bytes, opened: Open, expand: Callable[..., str], given: tuple[str | int, ...]
) -> Iterator[str]:
    """The texts of a rule's uses, in order. `made`: those that the datapoint's cases have needed so far."""
    for number in count():
        if number == len(made):
            address = key + number.to_bytes(4, "little")
            try:
                made.append(expand(opened(address), *given))
            except StopIteration:  # here it would end the uses
                made.append(expand(words(address), *given))
        yield made[number]


def foils(answer: str, others: tuple[str, ...]) -> tuple[str, ...]:
    """What an answer is compared with: the other texts, each once."""
    return tuple(dict.fromkeys([other for other in others if other != answer]))
