"""Support: counted from the expressions, equal to what enumeration by hand gives."""

from dataclasses import replace
from itertools import islice, permutations, product

import pytest

from circuitlang.language.program.expression import Choice, Number, Ref, Repeat, Sequence, Template, Text
from circuitlang.language.program.load import load_text
from circuitlang.language.program.task import Draw, Param, Rule, Task
from circuitlang.prompts.enumeration import TooManyError, every_datapoint
from circuitlang.prompts.generate import Generator, SupportError
from circuitlang.prompts.prompt import SPLITS
from circuitlang.prompts.support import CAP, SMALLEST, check_support, support


def seen(task: Task, n: int) -> int:
    """How many different datapoints `n` draws give."""
    generator = Generator(task, 0)
    return len({tuple(prompt.text for prompt in generator.unsplit(i)) for i in range(n)})


def test_params_multiply_repetitions(tasks):
    task = tasks["brackets"]
    assert support(task) == sum(3 * 6 * 100 ** (2 * n) for n in range(1, 5))
    assert support(task, {"length": (1, 1)}) == 18 * 10**4
    assert support(task, {"length": (64, 64)}) == CAP
    assert support(task, {"length": (1, 10**6)}) == CAP


def test_a_small_task_is_counted_exactly(tasks):
    assert support(tasks["small"]) == 4 * 3 * 4 == seen(tasks["small"], 800)


def test_shared_uses_count_once(tasks):
    """Two cases with one and with two uses of a rule: two uses in all."""
    task = tasks["small"]
    digits = (
        Template((Ref("digit", "rule"),)),
        Template((Ref("digit", "rule"), Text("+"), Ref("digit", "rule"))),
    )
    task = replace(task, cases=tuple(replace(c, prompt=p) for c, p in zip(task.cases, digits, strict=True)))
    assert support(task) == 4 * 4 == seen(task, 300)


def test_a_binding_that_cases_share_counts_once(tasks):
    task = tasks["small"]
    body = Choice((Text("x"), Sequence((Text("y"), Ref("digit", "rule"))), Number(7, 9)), (1.0, 1.0, 1.0))
    prompt = Template((Ref("mark", "binding"),))
    cases = tuple(replace(case, bindings={"mark": body}, prompt=prompt) for case in task.cases)
    assert support(replace(task, cases=cases)) == 1 + 4 + 3 == seen(replace(task, cases=cases), 400)


def test_repetitions_of_rules_in_a_binding(tasks):
    task = tasks["small"]
    body = Repeat(Ref("digit", "rule"), 0, 2, None, ",")
    cases = tuple(
        replace(case, bindings={"mark": body}, prompt=Template((Text(case.name), Ref("mark", "binding"))))
        for case in task.cases
    )
    assert support(replace(task, cases=cases)) == 1 + 4 + 16 == seen(replace(task, cases=cases), 600)


def test_draws_without_replacement(tasks):
    words = ("k", "l", "m", "n")
    body = Choice(tuple(map(Text, words)), (1.0,) * 4)
    draws = (Draw(("a", "b"), body, ()), Draw(("c",), Choice((Text("k"), Text("z")), (1.0, 1.0)), ("a",)))
    prompt = Template((Ref("a", "draw"), Ref("b", "draw"), Ref("c", "draw")))
    task = replace(tasks["small"], draws=draws, cases=(replace(tasks["small"].cases[0], prompt=prompt),))
    by_hand = {(*pair, c) for pair, c in product(permutations(words, 2), "kz") if c != pair[0]}
    assert support(task) == len(by_hand) == seen(task, 800)
    hidden = Template(
        (Ref("b", "draw"), Ref("c", "draw"))
    )  # `a` still keeps `c` from being `k`, but is not shown
    task = replace(task, cases=(replace(task.cases[0], prompt=hidden),))
    assert support(task) == len({row[1:] for row in by_hand}) == seen(task, 800)


def test_what_no_prompt_shows_does_not_count(tasks):
    task = tasks["small"]
    more = replace(task, draws=(*task.draws, Draw(("z",), Number(1, 9), ())), params=(Param("p", 1, 5),))
    assert support(more) == support(task)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_recursion_is_counted_to_its_depth(tasks, depth):
    body = Choice((Text("x"), Text("y"), Sequence((Text("("), Ref("v", "rule"), Text(")")))), (1.0, 1.0, 1.0))
    prompt = Template((Ref("v", "rule"),))
    task = replace(
        tasks["small"],
        rules={"v": Rule("v", body, depth)},
        cases=(replace(tasks["small"].cases[0], prompt=prompt),),
    )
    assert support(task) == 2 * depth == seen(task, 300)


def test_equal_options_and_weight_zero_do_not_count(tasks):
    body = Choice((Text("x"), Text("x"), Text("y"), Text("z")), (1.0, 1.0, 1.0, 0.0))
    prompt = Template((Ref("v", "rule"),))
    task = replace(
        tasks["small"],
        rules={"v": Rule("v", body, None)},
        cases=(replace(tasks["small"].cases[0], prompt=prompt),),
    )
    assert support(task) == 2 == seen(task, 100)


def test_a_small_support_is_reported_at_the_task(tasks):
    task = tasks["small"]
    assert check_support(task) == []
    tiny = replace(task, rules={"digit": Rule("digit", Number(1, 2), None)})
    (diagnostic,) = check_support(tiny)
    assert diagnostic.code == "CIR-201"
    assert diagnostic.span == task.span
    assert "24" in diagnostic.message
    assert str(SMALLEST) in diagnostic.message


def unseen(body: str, names: str = "x") -> Task:
    """A task whose one prompt shows none of its draws."""
    cases = 'case a with o = "a" answer "A"\n  case b with o = "b" answer "B"'
    text = f'circuitlang 1\n\ntask t {{\n  draw {names} = {body}\n  prompt "{{o}}"\n  {cases}\n}}\n'
    return load_text(text).tasks["t"]


def test_what_may_not_be_drawn_again_is_not_drawn_in_its_place():
    """Enumerated, a text that is taken ends an attempt; what could stand for it has a turn of its own."""
    task = unseen('("t" | "b"){1..2}', "first, second")
    rows = list(islice(every_datapoint(task), 100))
    assert len(rows) == 6 * 5
    assert support(task) == 1
    assert list(islice(every_datapoint(unseen('("t" | "b"){1..2}', "a, b, c, d, e, f, g")), 10)) == []


def test_a_count_takes_no_more_choices_than_it_may():
    long = unseen('("a" | "b"){200000}')
    with pytest.raises(TooManyError):
        list(islice(every_datapoint(long), 10))
    assert support(long) == 1
    with pytest.raises(TooManyError):
        list(islice(every_datapoint(unseen("0..19999", "a, b, c")), 1000))


def test_fewer_draws_where_texts_are_long():
    task = unseen('("a" | "b"){20000} | "c"')
    with pytest.raises(SupportError, match=r"was found in [12],\d{3} draws"):
        list(map(Generator(task, 0).datapoint, SPLITS, (0, 0, 0)))
