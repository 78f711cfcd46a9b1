"""Strategies of trees and programs: all of the grammar occurs, and the checker accepts what should be accepted."""

from __future__ import annotations

import dataclasses
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from circuitlang.language.program.load import load_text
from circuitlang.language.program.task import Task
from circuitlang.language.syntax import tree
from circuitlang.prompts.enumeration import every_datapoint
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.support import EXACT, SMALLEST, support, upper_bound
from tests.language.generators import trees
from tests.language.generators.programs import programs, tasks
from tests.language.generators.trees import BLOCKS

ABSTRACT = {"Node", "Item", "Block", "Declared", "Notes"}
QUICK = settings(
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


def kinds(node: object) -> Counter[str]:
    """The classes of a tree's nodes, fields that hold something included, as `Case.foil`."""
    found: Counter[str] = Counter()
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting += part
        elif isinstance(part, tree.Node):
            name = type(part).__name__
            found[name] += 1
            for field in dataclasses.fields(part):
                value = getattr(part, field.name)
                found[f"{name}.{field.name}"] += value not in (None, (), False, "")
                waiting.append(value)
    return found


def grammar() -> set[str]:
    """Every class of the tree, and every field of each."""
    classes = [kind for kind in vars(tree).values() if isinstance(kind, type) and issubclass(kind, tree.Node)]
    return {
        name
        for kind in classes
        if kind.__name__ not in ABSTRACT
        for name in (kind.__name__, *(f"{kind.__name__}.{field.name}" for field in dataclasses.fields(kind)))
        if not name.endswith((".span", ".notes")) and name != "File.head"
    }


def test_trees_cover_the_grammar() -> None:
    """A new rule of the grammar needs a strategy in strategies/trees.py; this says which."""
    seen: Counter[str] = Counter()
    files_ = [trees.files(kind) for kind in BLOCKS]
    for part in (*files_, trees.case, trees.rule, trees.draw_, trees.corpus, trees.circuit, trees.claim):

        @settings(QUICK, max_examples=20)
        @given(part)
        def look(node: tree.Node) -> None:
            seen.update(kinds(node))

        look()
    assert {name for name in grammar() if not seen[name]} == set()


def test_programs_are_accepted() -> None:
    tried: Counter[str] = Counter()

    @settings(QUICK, max_examples=50)
    @given(programs())
    def law(text: str) -> None:
        program = load_text(text)
        for task in program.tasks.values():
            assert support(task) >= SMALLEST
            assert Generator(task, 0).datapoint("test", 1).prompts
            tried["recursive rules"] += any(rule.depth for rule in task.rules.values())
            tried["held out"] += bool(task.hold_out)
            tried["params"] += bool(task.params)
            tried["except"] += any(draw.without for draw in task.draws)
            tried["one-sided"] += any(case.negated for case in task.cases)
        for kind in ("tasks", "corpora", "recipes", "specs"):
            tried[kind] += len(getattr(program, kind))

    for number in range(5):  # what fifty programs have depends on the modules that happen to be loaded
        seed(number)(law)()
        if min(tried.values()) >= 1:
            break
    assert min(tried.values()) >= 1, tried
    assert len(tried) == 9


def test_the_planned_count_is_the_generated_count() -> None:
    """Small random tasks: exactly as many datapoints as were counted; the bound from the expressions is no less."""
    tried: Counter[str] = Counter()

    @settings(QUICK, max_examples=60)
    @given(tasks(small=True), st.integers(0, 2**32))
    def law(task: Task, seed: int) -> None:
        bound, planned = upper_bound(task), support(task)
        assert planned <= bound
        if bound > 300:
            return
        made: set[tuple[str, ...]] = set()
        for path, row in enumerate(every_datapoint(task)):
            if path == EXACT:
                return
            made.add(tuple(prompt.text for prompt in row))
        assert planned == len(made)
        generator = Generator(task, seed)
        assert {tuple(prompt.text for prompt in generator.unsplit(i)) for i in range(20)} <= made
        tried["tasks"] += 1
        tried["ambiguous"] += planned < bound

    law()
    assert tried["tasks"] >= 20
    assert tried["ambiguous"] >= 3
