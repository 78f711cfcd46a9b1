"""Laws of every task: random tasks whose names write brackets of their own, so that the text says where
marks lie."""

import re
from collections import Counter
from dataclasses import replace
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuitlang.language.program.expression import (
    Choice,
    Expression,
    Number,
    Ref,
    Repeat,
    Sequence,
    Template,
    Text,
)
from circuitlang.language.program.task import Case, Draw, Param, Rule, Task
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Prompt
from circuitlang.prompts.support import CAP, support
from circuitlang.source.diagnostic import Source, Span

SPAN = Span(Source("law.task", "task law {}"), 0, 4)
EXAMPLES = 100

words = st.sampled_from(["a", "b", "c", ""]).map(Text)
numbers = st.integers(0, 3).flatmap(lambda low: st.integers(low, low + 3).map(lambda high: Number(low, high)))


@cache
def expressions(*names: Ref) -> st.SearchStrategy[Expression]:
    leaves = st.one_of(words, numbers, *([st.sampled_from(names)] if names else []))

    def grow(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        several = st.lists(inner, min_size=1, max_size=3).map(tuple)
        repeats = st.tuples(inner, st.integers(0, 1), st.integers(0, 2), st.sampled_from(["", ","]))
        return st.one_of(
            several.map(Sequence),
            several.map(lambda options: Choice(options, tuple(1.0 + i for i in range(len(options))))),
            repeats.map(lambda row: Repeat(row[0], row[1], row[1] + row[2], None, row[3])),
            inner.map(lambda body: Repeat(body, 1, 2, "size", "-")),
        )

    return st.recursive(leaves, grow, max_leaves=4)


def wrapped(name: str, body: Expression) -> Expression:
    return Sequence((Text(f"<{name}:"), body, Text(f":{name}>")))


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    rules = {}
    known: list[Ref] = []
    for i in range(draw(st.integers(1, 3))):
        name = f"r{i}"
        if draw(st.booleans()):  # a recursive rule: something that ends, or itself
            end = draw(expressions(*known))
            options = (end, Sequence((Ref(name, "rule"), draw(expressions(*known, Ref(name, "rule"))))))
            rules[name] = Rule(name, wrapped(name, Choice(options, (1.0, 1.0))), draw(st.integers(1, 3)))
        else:
            rules[name] = Rule(name, wrapped(name, draw(expressions(*known))), None)
        known.append(Ref(name, "rule"))
    draws = tuple(
        Draw((f"d{i}",), wrapped(f"d{i}", draw(expressions(*known[: i + 1]))), ())
        for i in range(draw(st.integers(0, 2)))
    )
    holes = [*known, *(Ref(d.names[0], "draw") for d in draws)]
    cases = []
    for i in range(draw(st.integers(1, 3))):
        bindings = {"with": wrapped("with", draw(expressions(*holes)))}
        parts = draw(
            st.lists(st.sampled_from([*holes, Ref("with", "binding"), Text(" ")]), min_size=1, max_size=5)
        )
        cases.append(
            Case(f"c{i}", bindings, Template(tuple(parts)), Template((Text(str(i)),)), False, None, SPAN)
        )
    text = f"{rules} {draws} {cases}"
    return Task("law", None, (Param("size", 0, 2),), rules, draws, {}, tuple(cases), text, SPAN)


def marks_in(text: str) -> list[tuple[str, int, int]]:
    """Where the names' own brackets say their marks are, outer before inner."""
    found: list[tuple[str, int, int]] = []
    open_: list[int] = []
    for bracket in re.finditer(r"<(\w+):|:(\w+)>", text):
        if bracket[1]:
            open_.append(len(found))
            found.append((bracket[1], bracket.start(), -1))
        else:
            name, start, _ = found[open_.pop()]
            assert name == bracket[2]
            found[found.index((name, start, -1))] = (name, start, bracket.end())
    assert not open_
    return found


def outermost(prompt: Prompt) -> dict[str, list[str]]:
    """The texts of each rule's own uses in a case: those that stand in no other rule, in no draw, and not
    in a binding's second hole, which repeats the first."""
    found: dict[str, list[str]] = {}
    end, bound = 0, False
    for name, start, stop in prompt.marks:
        if start < end:
            continue
        if name != "with":
            end = stop
            if name.startswith("r"):
                found.setdefault(name, []).append(prompt.text[start:stop])
        elif bound:
            end = stop
        bound = bound or name == "with"
    return found


def test_laws_of_random_tasks():
    tried: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(tasks(), st.integers(0, 2**40))
    def law(task: Task, index: int) -> None:
        generator = Generator(task, 1)
        prompts = generator.unsplit(index)
        assert prompts == Generator(task, 1).unsplit(index)
        for prompt in prompts:
            assert [tuple(mark) for mark in prompt.marks] == marks_in(prompt.text)
            for name in (draw.names[0] for draw in task.draws):
                assert prompt.text.count(f"<{name}:") in (0, prompt.text.count(prompt.draws[name]))
            for name, rule in task.rules.items():
                assert nesting(prompt.text, name) <= (rule.depth or 1)
        for left in prompts:
            for right in prompts:
                for name, uses in outermost(left).items():
                    others = outermost(right).get(name, [])
                    same = min(len(uses), len(others))
                    assert uses[:same] == others[:same]
                    tried["shared uses"] += left is not right and same
        tried["tasks"] += 1
        tried["marks"] += sum(len(prompt.marks) for prompt in prompts)
        tried["recursive"] += any(nesting(p.text, name) > 1 for p in prompts for name in task.rules)

    law()
    assert tried["tasks"] >= EXAMPLES
    # About 5.2, 0.5 and 0.17 an example; Hypothesis also draws constants of the modules that happen to be loaded.
    assert tried["marks"] > 3 * EXAMPLES
    assert tried["shared uses"] > EXAMPLES / 4
    assert tried["recursive"] > EXAMPLES / 12


def nesting(text: str, name: str) -> int:
    """The largest number of expansions of a rule inside each other."""
    depth = deepest = 0
    for bracket in re.finditer(rf"<{name}:|:{name}>", text):
        depth += 1 if bracket[0].startswith("<") else -1
        deepest = max(deepest, depth)
    return deepest


def test_the_count_of_datapoints_is_never_too_small():
    tried: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(tasks())
    def law(task: Task) -> None:
        task = replace(task, text="fixed")
        generator = Generator(task, 2)
        count = support(task)
        assert 1 <= count <= CAP
        seen = {tuple(p.text for p in generator.unsplit(i)) for i in range(min(120, 8 * count))}
        assert len(seen) <= count
        tried["all"] += 1
        tried["reached"] += len(seen) == count

    law()
    assert tried["all"] >= EXAMPLES
    assert tried["reached"] >= EXAMPLES / 10
