"""Trees to checked values: what each construct becomes, and what changes the text that the generator is keyed by."""

from collections.abc import Iterator
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest

from circuitlang.program.expression import Choice, Expression, Number, Ref, Repeat, Sequence, Template, Text
from circuitlang.program.load import load, load_text
from circuitlang.program.recipe import Architecture, Recipe, Sparsity, Training
from circuitlang.program.rules import families
from circuitlang.program.sizes import MAX_TEXT, Sizes
from circuitlang.program.spec import Intervention, PruneSettings, VerdictSettings
from circuitlang.program.task import Rule, Task
from circuitlang.program.vocabulary import INTERVENTIONS, METRICS, MODEL_SECTIONS, SPEC_SECTIONS

LANGUAGE = Path(__file__).parent.parent / "language"


def task(body: str, cases: str = 'case one answer "1" foil "2"') -> Task:
    return load_text(f"task t {{ {body} {cases} }}").tasks["t"]


def rule(body: str, more: str = "") -> Expression:
    return task(f'{more} rule it = {body} prompt "{{it}}"').rules["it"].body


def test_the_example_task() -> None:
    brackets = load(LANGUAGE / "good.task").tasks["brackets"]
    assert brackets.doc == "Close a flat list with `]`, a nested list with `]]`."
    assert [(p.name, p.low, p.high) for p in brackets.params] == [("length", 1, 4)]
    assert brackets.rules["row"].body == Repeat(Ref("number", "rule"), 1, 4, "length", ", ")
    assert brackets.rules["number"].body == Number(0, 99)
    fn, var = brackets.draws
    assert fn.body == Choice((Text("load"), Text("merge"), Text("parse")), (1.0, 1.0, 2.0))
    assert var.names == ("var", "other")
    assert brackets.hold_out == {"var": Fraction(1, 4)}
    flat, nested = brackets.cases
    assert flat.bindings == {"list": Sequence((Ref("opening", "rule"), Ref("row", "rule")))}
    assert flat.prompt == nested.prompt
    assert flat.prompt.parts[:2] == (Text("def "), Ref("fn", "draw"))
    assert flat.prompt.parts[-1] == Ref("list", "binding")
    assert nested.answer == Template((Text("]]\n"),))
    assert not flat.negated
    assert flat.foil is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"x"', Text("x")),
        ('("x")', Text("x")),
        ('"x" "y"', Sequence((Text("x"), Text("y")))),
        ('"x" | "y" weight 1/2', Choice((Text("x"), Text("y")), (1.0, 0.5))),
        ('"x"{3}', Repeat(Text("x"), 3, 3, None, "")),
        ('"x"{0..2 by ","}', Repeat(Text("x"), 0, 2, None, ",")),
        ('("x" | "y"){2}', Repeat(Choice((Text("x"), Text("y")), (1.0, 1.0)), 2, 2, None, "")),
        ("-3..1K", Number(-3, 1000)),
    ],
)
def test_expressions(written: str, meant: Expression) -> None:
    assert rule(written) == meant


def test_cases() -> None:
    t = task('prompt "p{x}"', 'case a with x = "1" answer not "q" case b prompt "own" answer "q"')
    a, b = t.cases
    assert (a.negated, b.negated) == (True, False)
    assert a.prompt == Template((Text("p"), Ref("x", "binding")))
    assert b.prompt == Template((Text("own"),))


def test_a_corpus_and_a_model() -> None:
    program = load_text(
        """
        corpus c {
          draw a, b = "x" | "y" | "z"
          rule line = a " = " b
          document line weight 1/2
          files "stdlib:**/*.py"
        }
        model m {
          "Small."
          architecture { layers = 2  width = 64  heads = 4  bigram = yes }
          sparsity { weights = 1/16 }
          train { corpus = c  tokens = 1M  warmup = 2% }
        }"""
    )
    corpus = program.corpora["c"]
    assert corpus.draws[0].names == ("a", "b")
    assert [(d.name, d.weight) for d in corpus.documents] == [("line", 0.5)]
    assert [(f.pattern, f.weight) for f in corpus.files] == [("stdlib:**/*.py", 1.0)]
    recipe = program.recipes["m"]
    assert recipe.architecture == Architecture(2, 64, 4, bigram=True)
    assert recipe.sparsity == Sparsity(weights=1 / 16)
    assert recipe.training == Training(corpus, 1_000_000, warmup=0.02)
    assert recipe.doc == "Small."
    assert corpus.text in recipe.text


def spec(body: str) -> str:
    return f'use "good.task"\nspec s {{ task = brackets  {body} }}'


def test_a_spec() -> None:
    text = spec("""model = m
        prune { loss = 0.1  ablate = zero  seeds = 0..2  penalty = 0.01 }
        verdict { confidence = 95%  samples = 100..1K }
        claim small: nodes <= 30
        claim minimal: rise given drop(each node) >= 1/100
        claim lucky: loss given keep(circuit) < loss given keep(random) where length = 64 for case flat""")
    recipe = """
        corpus c { files "x/*.txt" }
        model m { architecture { layers = 1  width = 16  heads = 1 } train { corpus = c  tokens = 1K } }"""
    program = load_text(text + recipe, root=LANGUAGE)
    s = program.specs["s"]
    assert isinstance(s.recipe, Recipe)
    assert s.recipe is program.recipes["m"]
    assert (s.model, s.task) == ("m", program.tasks["brackets"])
    assert s.prune == PruneSettings(loss=0.1, ablate="zero", seeds=(0, 1, 2), penalty=(0.01,))
    assert s.verdict == VerdictSettings(confidence=0.95, samples=(100, 1000))
    small, minimal, lucky = s.claims
    assert (small.left.metric, small.relation, small.right) == ("nodes", "<=", 30.0)
    assert minimal.left.interventions == (Intervention("drop", "circuit", "node"),)
    assert minimal.text == "rise given drop(each node) >= 1/100"
    assert not isinstance(lucky.right, float)
    assert lucky.right.interventions == (Intervention("keep", "random"),)
    assert (lucky.right.where, lucky.right.case) == ({"length": (64, 64)}, "flat")
    assert lucky.span.text.startswith("claim lucky:")


def test_the_text_of_a_task_is_its_meaning() -> None:
    plain = task('rule a = "x" | 0..1000 prompt "{a}\\n"').text
    same = 'rule a =  # why\n\n "x"\n | 0..1K   prompt """\n   {a}\n   """'
    assert task(f'"What it is." {same}').text == plain
    for other in ('rule a = "x" | 0..1001 prompt "{a}\\n"', 'rule a = "x" | 0..1000 prompt "{a}"'):
        assert task(other).text != plain


def test_sizes_are_upper_bounds() -> None:
    rules = {
        "e": Rule("e", Choice((Text("x"), Sequence((Ref("e", "rule"), Ref("e", "rule")))), (1.0, 1.0)), 4),
        "p": Rule("p", Repeat(Ref("n", "param"), 0, 3, "n", ", "), None),
    }
    sizes = Sizes(rules, {"n": 20}, families(rules))
    assert sizes.longest(Ref("e", "rule")) == 2 ** (4 - 1) * 2  # every text counts one more
    assert sizes.longest(Ref("p", "rule")) == 20 * (3 + 2) + 1
    assert sizes.longest(Repeat(Text("x"), 0, 10**9, None, "")) > MAX_TEXT


def test_families_are_the_rules_that_reach_each_other() -> None:
    def uses(name: str, *others: str) -> tuple[str, Rule]:
        return name, Rule(name, Sequence(tuple(Ref(other, "rule") for other in others)), None)

    rules = dict(
        [uses("a", "b"), uses("b", "c", "d"), uses("c", "a"), uses("d", "e"), uses("e"), uses("f", "f")]
    )
    found = families(rules)
    assert set(found) == {"a", "b", "c", "f"}
    assert found["a"] == found["b"] == found["c"] != found["f"]
    chain = dict(uses(f"r{i}", f"r{i + 1}") for i in range(5000))
    assert families(chain) == {}


def sections() -> Iterator[tuple[str, object]]:
    yield from MODEL_SECTIONS.items()
    yield from SPEC_SECTIONS.items()


def test_the_vocabulary_names_every_field_once() -> None:
    for section in (*MODEL_SECTIONS.values(), *SPEC_SECTIONS.values()):
        assert [setting.name for setting in section.settings] == [
            field.name for field in fields(section.holds)
        ]
        for name, default in section.defaults.items():
            setting = next(setting for setting in section.settings if setting.name == name)
            if setting.type in ("integer", "number", "integers", "numbers", "integer range"):
                assert all(map(setting.accepts, default if isinstance(default, tuple) else (default,))), name
    assert {metric.name for metric in METRICS.values() if metric.built} == {
        metric.name for metric in METRICS.values() if "spec" in metric.blocks
    }
    for kind in INTERVENTIONS.values():
        assert set(kind.built) <= {*kind.forms, *(option.name for option in kind.options)}
