"""The generated code gives what the closures give, mark for mark, on random tasks with everything in them."""

from __future__ import annotations

import pickle
from collections import Counter
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuitlang.program.expression import Choice, Expression, Number, Ref, Repeat, Sequence, Template, Text
from circuitlang.program.task import Case, Draw, Param, Rule, Task
from circuitlang.prompts import draw, emit_draw, generate
from circuitlang.prompts.generate import Generator, SupportError
from circuitlang.prompts.prompt import SPLITS, Datapoint
from circuitlang.prompts.reference import Reference
from circuitlang.prompts.split import Feature
from circuitlang.source import Source, Span

SPAN = Span(Source("law.task", "task law {}"), 0, 4)
EXAMPLES = 100
ATTEMPTS = 15

WORDS = ("a", "b", "{c}", "'", '"', "\\\n", "", "ü", "d e", "\ud800")
NAMES = ("if", "word", "key", "text_0", "t_1", "_", "None", "value")  # what a variable could collide with
text = st.sampled_from(WORDS).map(Text)
numbers = st.sampled_from([Number(3, 3), Number(-1, 4), Number(0, 99), Number(7, 9000)])
weights = st.sampled_from([1.0, 2.0, 0.1, 1e-7])


def expressions(names: list[Ref], leaves: int = 5) -> st.SearchStrategy[Expression]:
    def grow(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        several = st.lists(inner, min_size=1, max_size=3).map(tuple)
        options = st.lists(st.tuples(inner, weights), min_size=1, max_size=4)
        return st.one_of(
            several.map(Sequence),
            options.map(lambda rows: Choice(tuple(o for o, _ in rows), tuple(w for _, w in rows))),
            st.builds(repeat, inner, st.integers(0, 2), st.integers(0, 5), st.sampled_from(["", ", "])),
            inner.map(lambda body: Repeat(body, 0, 2, "size", "-")),
        )

    return st.recursive(st.one_of(text, numbers, *map(st.just, names)), grow, max_leaves=leaves)


def repeat(body: Expression, low: int, more: int, joiner: str) -> Repeat:
    return Repeat(body, low, low + more, None, joiner)


@st.composite
def tasks(choose: st.DrawFn) -> Task:
    rules: dict[str, Rule] = {}
    params = (Param("size", 0, 2), Param("count", 3, 3))
    known = [Ref("size", "param"), Ref("count", "param")]
    draws: list[Draw] = []
    hold_out: dict[str, Fraction] = {}
    for i in range(choose(st.integers(1, 3))):
        names = (NAMES[2 * i], NAMES[2 * i + 1])[: choose(st.integers(1, 2))]
        listed = choose(st.lists(st.sampled_from("abcdefgh"), min_size=5, max_size=8, unique=True))
        options = tuple(map(Text, listed))
        body = Choice(options, tuple(choose(weights) for _ in options))
        kind = choose(st.sampled_from(["expanded", "listed", "held out", "held out"]))
        if kind == "expanded":
            body = choose(expressions([*known, *rules_of(rules)]))
        if kind == "held out":
            hold_out[names[0]] = Fraction(1, 4)
        earlier = [name for other in draws for name in other.names]
        without = tuple(name for name in earlier if choose(st.booleans()))
        draws.append(Draw(names, body, without))
        known += [Ref(name, "draw") for name in names]
    for i in range(choose(st.integers(1, 3))):
        name = f"r{i}"
        end = choose(expressions([*known, *rules_of(rules)]))
        if choose(st.booleans()):
            again = choose(expressions([*known, *rules_of(rules), Ref(name, "rule")]))
            rules[name] = Rule(name, Choice((end, again), (1.0, 1.5)), choose(st.integers(1, 3)))
        else:
            rules[name] = Rule(name, end, None)
    cases = []
    for i in range(choose(st.integers(1, 3))):
        own = [*known, *rules_of(rules)]
        bindings = {name: choose(expressions(own)) for name in ("with", "other")}
        holes = [*own, *(Ref(name, "binding") for name in bindings)]
        parts = st.lists(st.one_of(text, st.sampled_from(holes)), min_size=1, max_size=4)
        prompt, answer, foil = (Template(tuple(choose(parts))) for _ in range(3))
        fixed = Template((Text(str(i)),))
        answer = answer if choose(st.booleans()) else fixed
        foil = foil if choose(st.integers(0, 3)) == 0 else None
        cases.append(Case(f"c{i}", bindings, prompt, answer, False, foil, SPAN))
    whole = f"{rules} {draws} {cases}"
    return Task("law", None, params, rules, tuple(draws), hold_out, tuple(cases), whole, SPAN)


def rules_of(rules: dict[str, Rule]) -> list[Ref]:
    return [Ref(name, "rule") for name in rules]


def test_the_generated_code_gives_what_the_closures_give(monkeypatch):
    monkeypatch.setattr(generate, "ATTEMPTS", ATTEMPTS)
    for module in (draw, emit_draw):
        monkeypatch.setattr(module, "REDRAWS", 20)
    tried: Counter[str] = Counter()
    features = st.builds(
        Feature,
        st.sampled_from(["text", "all", "set", "first", "last"]),
        st.sampled_from(["whole", "before", "after"]),
        st.sampled_from(["a", "d e", "9"]),
        st.integers(1, 3),
    )
    where = st.sampled_from([{}, {"size": (1, 1)}, {"size": (0, 9), "count": (2, 12)}])

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(tasks(), st.integers(0, 2**40), features, where)
    def law(task: Task, index: int, feature: Feature, where: dict[str, tuple[int, int]]) -> None:
        generator = Generator(task, 5)
        vars(generator)["feature"] = feature
        slow = Reference(task, 5, feature)
        for i in (index, index + 1):
            expected = [slow.datapoint(split, i, where, ATTEMPTS) for split in SPLITS]
            made = [made_or_none(generator, split, i, where) for split in SPLITS]
            assert made == expected
            assert pickle.loads(pickle.dumps(made)) == expected
            tried["found"] += sum(datapoint is not None for datapoint in made)
            tried["held out"] += bool(task.hold_out) and made[2] is not None
        others = slow.unsplit(index, where, ATTEMPTS)
        if others is not None:
            assert generator.unsplit(index, where) == others
            tried["marks"] += sum(len(prompt.marks) for prompt in others)
        tried["at length"] += "_make_at_length" in vars(generator)

    law()
    assert tried["found"] > EXAMPLES
    assert tried["held out"] > EXAMPLES / 4
    assert tried["marks"] > 4 * EXAMPLES
    assert tried["at length"] > EXAMPLES / 20


def made_or_none(generator: Generator, split, index: int, where) -> Datapoint | None:
    try:
        return generator.datapoint(split, index, where)
    except SupportError:
        return None
