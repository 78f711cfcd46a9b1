"""Expansion: weights, repetition, recursion, and marks that point at their text."""

from collections import Counter
from collections.abc import Callable

import pytest

from circuitlang.language.program.expression import Choice, Expression, Number, Ref, Repeat, Sequence, Text
from circuitlang.language.program.task import Rule
from circuitlang.prompts.expand import TABLE, Compiler, Page, as_step, even, labelled
from circuitlang.prompts.stream import derive, words
from circuitlang.prompts.unroll import Grammar
from circuitlang.source.diagnostic import CommandError


def page(
    expression: Expression, rules: tuple[Rule, ...] = (), key: int = 0, counts: dict[str, int] | None = None
) -> Page:
    compiler = Compiler(Grammar({rule.name: rule for rule in rules}), labelled)
    made = Page({}, counts or {})
    as_step(compiler.outside(expression))(made.pieces.append, words(derive(key)), made)
    return made


def plain(expression: Expression, rules: tuple[Rule, ...] = (), **counts: int) -> Callable[[int], str]:
    """The text of an expression under a key. `counts`: the params it needs."""
    step = as_step(Compiler(Grammar({rule.name: rule for rule in rules}), labelled).outside(expression))

    def text(key: int) -> str:
        made = Page({}, counts)
        step(made.pieces.append, words(derive(key)), made)
        return made.text()

    return text


def many(expression: Expression, rules: tuple[Rule, ...] = (), n: int = 2000) -> Counter[str]:
    text = plain(expression, rules)
    return Counter(text(key) for key in range(n))


def value(depth: int) -> Rule:
    body = Choice((Text("x"), Sequence((Text("("), Ref("value", "rule"), Text(")")))), (1.0, 3.0))
    return Rule("value", body, depth)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 2.0), (0.1, 0.2, 0.7), (1.0, 2.0**-40, 3.0), (0.0, 1.0, 1.0)])
def test_choices_follow_their_weights(weights):
    found = many(Choice((Text("a"), Text("b"), Text("c")), weights), n=4000)
    for text, weight in zip("abc", weights, strict=True):
        assert abs(found[text] - 4000 * weight / sum(weights)) < 160


def test_weights_become_tables_where_they_are_short():
    assert even((1.0, 1.0, 2.0)) == [0, 1, 2, 2]
    assert even((0.1, 0.3)) == [0, 1, 1, 1]
    assert even((1.0, 1e-9)) is None
    assert len(even((1.0,) * (TABLE + 1)) or ()) in (0, TABLE + 1)


def test_numbers_are_uniform_in_their_range_also_where_it_is_large():
    assert set(many(Number(-2, 2))) == {"-2", "-1", "0", "1", "2"}
    large = list(map(int, many(Number(10, 10 + 10**6), n=1000)))
    assert min(large) >= 10
    assert abs(sum(large) / len(large) - 500_000) < 40_000


def test_repetitions_stay_in_their_range_and_are_joined():
    found = many(Repeat(Text("a"), 0, 3, None, ","))
    assert set(found) == {"", "a", "a,a", "a,a,a"}
    assert min(found.values()) > 400
    assert page(Repeat(Text("a"), 1, 4, "n", "-"), counts={"n": 7}).text() == "a-a-a-a-a-a-a"
    assert page(Repeat(Text("a"), 0, 0, None, "-")).text() == ""


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_depth_bounds_nested_expansions(depth):
    found = many(Ref("value", "rule"), (value(depth),))
    assert set(found) == {"(" * n + "x" + ")" * n for n in range(depth)}


def test_alternatives_that_only_lead_to_the_bound_are_left_out_where_they_recurse():
    expr = Rule(
        "expr", Choice((Ref("term", "rule"), Sequence((Ref("expr", "rule"), Text("+1")))), (1.0, 1.0)), 2
    )
    body = Choice((Text("n"), Sequence((Text("("), Ref("expr", "rule"), Text(")")))), (1.0, 1.0))
    found = many(Ref("expr", "rule"), (expr, Rule("term", body, None)))
    assert set(found) == {"n", "(n)", "n+1", "(n)+1"} - {"(n)+1"}


def test_a_repetition_that_may_be_empty_counts_as_recursion():
    items = Sequence((Text("["), Repeat(Ref("v", "rule"), 0, 2, None, ""), Text("]")))
    with_end = Rule("v", Choice((Text("x"), items), (1.0, 1.0)), 2)
    assert set(many(Ref("v", "rule"), (with_end,))) == {"x", "[]", "[x]", "[xx]"}
    without = Rule("v", items, 2)
    assert set(many(Ref("v", "rule"), (without,))) == {"[]", "[[]]", "[[][]]"}


def test_what_cannot_end_is_refused():
    with pytest.raises(ValueError, match="ends within its depth"):
        page(Ref("v", "rule"), (Rule("v", Sequence((Text("("), Ref("v", "rule"))), 3),))


def test_generated_code_and_closures_give_the_same_text():
    rules = (value(4), Rule("row", Repeat(Ref("value", "rule"), 1, 3, None, ", "), None))
    text = plain(Ref("row", "rule"), rules)
    for key in range(200):
        left = page(Ref("row", "rule"), rules, key)
        assert left.text() == text(key)
        assert left.marks[0] == ("row", 0, len(left.pieces))


def test_texts_stand_in_the_source_as_literals_only():
    texts = (
        "'",
        '"',
        "'\"",
        "{x}",
        "{",
        "}}",
        "\\",
        "\n\r\t",
        "\0",
        "é\u2028",
        "\ud800",
        "f'{1}'",
        "\\N{DASH}",
    )
    for text in texts:
        row = Sequence((Text(text), Number(0, 1), Text(text)))
        assert set(many(row, n=40)) == {f"{text}0{text}", f"{text}1{text}"}
        assert set(many(Choice((row, Text(text)), (1.0, 0.3)), n=80)) == {
            f"{text}0{text}",
            f"{text}1{text}",
            text,
        }


def test_expressions_nested_deeper_than_python_nests_loops():
    deep: Expression = Number(0, 9)
    for level in range(64):
        deep = Repeat(Choice((deep, Text(".")), (1.0, 1e-9)), 1, 1 + (level % 8 == 0), None, ",")
        deep = Repeat(deep, 0, 7, "n", "-")
    text = plain(deep, n=1)
    for key in range(20):
        assert page(deep, key=key, counts={"n": 1}).text() == text(key)


def test_names_that_give_no_text_leave_no_mark():
    rules = (Rule("nothing", Text(""), None), Rule("some", Text("s"), None))
    made = page(Sequence((Ref("nothing", "rule"), Ref("some", "rule"))), rules)
    assert made.ranges() == (("some", 0, 1),)


def test_deep_rules_expand_or_are_refused_in_a_sentence():
    inner = Sequence((Text("("), Repeat(Ref("v", "rule"), 1, 2, None, ","), Text(")")))
    body = Choice((Text("x"), inner), (1.0, 1.0))
    for key in range(50):
        page(Ref("v", "rule"), (Rule("v", body, 64),), key)
    with pytest.raises(CommandError, match="too deeply"):
        page(Ref("v", "rule"), (Rule("v", body, 1000),))
