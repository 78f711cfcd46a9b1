"""Small tasks, built by hand: the generator is tested apart from the parser."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest

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
from circuitlang.source.diagnostic import Source, Span

SPAN = Span(Source("test.task", "task test {}"), 5, 9)


def rule(name: str) -> Ref:
    return Ref(name, "rule")


def draw(name: str) -> Ref:
    return Ref(name, "draw")


def bound(name: str) -> Ref:
    return Ref(name, "binding")


def texts(*words: str) -> Choice:
    return Choice(tuple(map(Text, words)), (1.0,) * len(words))


def row(*parts: Expression | str) -> Sequence:
    return Sequence(tuple(Text(part) if isinstance(part, str) else part for part in parts))


def template(*parts: Text | Ref | str) -> Template:
    return Template(tuple(Text(part) if isinstance(part, str) else part for part in parts))


def case(
    name: str, prompt: Template, answer: Template, negated: bool = False, **bindings: Expression
) -> Case:
    return Case(name, bindings, prompt, answer, negated, None, SPAN)


def task(
    name: str,
    cases: tuple[Case, ...],
    rules: tuple[Rule, ...] = (),
    draws: tuple[Draw, ...] = (),
    params: tuple[Param, ...] = (),
    hold_out: Mapping[str, Fraction] | None = None,
) -> Task:
    by_name = {rule.name: rule for rule in rules}
    return Task(name, None, params, by_name, draws, hold_out or {}, cases, f"task {name}", SPAN)


def brackets() -> Task:
    """The example of the language's page."""
    rules = (
        Rule("number", Number(0, 99), None),
        Rule("opening", Text("["), None),
        Rule("row", Repeat(rule("number"), 1, 4, "length", ", "), None),
    )
    draws = (
        Draw(("fn",), Choice((Text("load"), Text("merge"), Text("parse")), (1.0, 1.0, 2.0)), ()),
        Draw(("var", "other"), texts("rows", "grid", "items"), ()),
    )
    prompt = template(
        "def ", draw("fn"), "():\n    ", draw("other"), " = 0\n    ", draw("var"), " = ", bound("list")
    )
    flat = row(rule("opening"), rule("row"))
    nested = row(rule("opening"), rule("opening"), rule("row"), "], ", rule("opening"), rule("row"))
    return task(
        "brackets",
        (
            case("flat", prompt, template("]\n"), list=flat),
            case("nested", prompt, template("]]\n"), list=nested),
        ),
        rules,
        draws,
        (Param("length", 1, 4),),
        {"var": Fraction(1, 4)},
    )


def quotes() -> Task:
    """Draws alone; the cases differ in one character."""
    words = [f"w{i}" for i in range(40)]
    draws = (
        Draw(("name",), texts("x", "y", "total"), ()),
        Draw(("first", "second"), texts(*words), ()),
        Draw(("third",), texts(*words[:20]), ("first",)),
    )
    prompt = template(
        draw("name"), " = ", bound("open"), draw("first"), " ", draw("second"), " ", draw("third")
    )
    return task(
        "quotes",
        (
            case("double", prompt, template('"'), open=Text('"')),
            case("single", prompt, template("'"), open=Text("'")),
        ),
        (),
        draws,
        (),
        {"first": Fraction(1, 4), "name": Fraction(1, 3)},
    )


def names() -> Task:
    """Who gave: the answer is drawn, and three cases order the same words differently."""
    people = [f"{a}{b}" for a in ("An", "Be", "Ca", "Du", "El") for b in "abcde"]
    draws = (Draw(("a", "b"), texts(*people), ()), Draw(("n",), Number(1, 40), ()))
    first = template(draw("a"), " and ", draw("b"), " ", draw("n"), " ", draw("a"), " to")
    second = template(draw("b"), " and ", draw("a"), " ", draw("n"), " ", draw("a"), " to")
    third = template(draw("a"), " and ", draw("b"), " ", draw("n"), " ", draw("b"), " to")
    cases = (
        case("straight", first, template(" ", draw("b"))),
        case("crossed", second, template(" ", draw("b"))),
        case("other", third, template(" ", draw("a"))),
    )
    return task("names", cases, (), draws)


def small() -> Task:
    """Forty-eight datapoints in all."""
    draws = (Draw(("a",), texts("k", "l", "m", "n"), ()), Draw(("b",), texts("p", "q", "r"), ()))
    rules = (Rule("digit", Number(1, 4), None),)
    prompt = template(draw("a"), bound("mark"), draw("b"), rule("digit"))
    return task(
        "small",
        (
            case("one", prompt, template("1"), mark=Text("+")),
            case("two", prompt, template("2"), mark=Text("-")),
        ),
        rules,
        draws,
    )


def nested() -> Task:
    """Rules in rules, recursion, rules inside draws, a draw that cannot be listed, weights that are not
    whole."""
    rules = (
        Rule("digit", Number(0, 9), None),
        Rule(
            "value",
            Choice(
                (rule("digit"), row("[", Repeat(rule("value"), 0, 3, None, ","), "]"), draw("tag")),
                (0.3, 0.6, 0.1),
            ),
            3,
        ),
        Rule("noun", texts("cat", "dog"), None),
        Rule("pair", row(rule("value"), ":", rule("digit")), None),
    )
    draws = (
        Draw(("tag",), row("the ", rule("noun"), texts("", "s")), ()),
        Draw(("code",), Repeat(rule("digit"), 2, 5, None, ""), ("tag",)),
    )
    prompt = template(
        draw("code"), " ", rule("value"), " ", bound("mid"), " ", rule("value"), " ", rule("digit")
    )
    cases = (
        case("a", prompt, template("a"), mid=rule("pair")),
        case("b", prompt, template("b"), mid=row(rule("digit"), texts("!", "?"), rule("pair"))),
    )
    return task("nested", cases, rules, draws)


MAKERS = {maker.__name__: maker for maker in (brackets, quotes, names, small, nested)}


@pytest.fixture
def tasks() -> dict[str, Task]:
    return {name: maker() for name, maker in MAKERS.items()}


@pytest.fixture(params=list(MAKERS))
def any_task(request: pytest.FixtureRequest) -> Task:
    return MAKERS[request.param]()
