"""Trees to checked values: what each construct becomes, and what changes the text that the generator is keyed by."""

from collections.abc import Iterator
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

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
from circuitlang.language.program.hypothesis import Arrow, Port, Role
from circuitlang.language.program.load import load, load_text
from circuitlang.language.program.recipe import Architecture, Recipe, Sparsity, Training
from circuitlang.language.program.rules import families
from circuitlang.language.program.sizes import MAX_TEXT, Sizes
from circuitlang.language.program.spec import Intervention, PruneSettings, VerdictSettings
from circuitlang.language.program.subject import marks
from circuitlang.language.program.task import Rule, Task
from circuitlang.language.program.vocabulary import (
    INTERVENTIONS,
    METRICS,
    MODEL_SECTIONS,
    PORTS,
    ROLE_KINDS,
    SPEC_SECTIONS,
)
from circuitlang.language.program.vocabulary_bridge import BRIDGE_SECTIONS

LANGUAGE = Path(__file__).parent.parent.parent / "language"


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
    for section in (*MODEL_SECTIONS.values(), *SPEC_SECTIONS.values(), *BRIDGE_SECTIONS.values()):
        assert [setting.name for setting in section.settings] == [
            field.name for field in fields(section.holds)
        ]
        for name, default in section.defaults.items():
            setting = next(setting for setting in section.settings if setting.name == name)
            if setting.type in ("integer", "number", "integers", "numbers", "integer range"):
                assert all(map(setting.accepts, default if isinstance(default, tuple) else (default,))), name
    assert all(metric.built for metric in METRICS.values())
    for kind in INTERVENTIONS.values():
        assert set(kind.built) <= {*kind.forms, *(option.name for option in kind.options)}
        assert set(kind.kinds) <= set(ROLE_KINDS)
        assert {option.name for option in kind.options} <= {"at", "to"}  # what an Intervention holds
    for metric in METRICS.values():
        names = [parameter.name for parameter in metric.parameters]
        assert len(set(names)) == len(names)
        assert all(place == 0 for place, p in enumerate(metric.parameters) if p.type == "role")
        assert all(set(parameter.kinds) <= set(ROLE_KINDS) for parameter in metric.parameters)
    assert [port.name for port in PORTS.values() if not port.enters] == ["out"]


DESIGN = """
task single_double_quote {
  param length = 1..3
  draw name = "total" | "label" | "price"
  rule words = "red"{length by " "}
  prompt "{name} = load({open}{words}"
  case double with open = '"' answer '")'
  case single with open = "'" answer "')"
}
spec single_double_quote {
  "Detect the opening quote, classify it, copy its kind to the end."

  task  = single_double_quote
  model = "zoo:python-small"

  prune   { loss = 0.15  ablate = mean  seeds = 0..2 }
  verdict { confidence = 0.99  samples = 512..8192 }

  circuit {
    role detector = neuron in layer 0 "fires on either quote"
    role kind     = neuron in layer 0 "positive on double, negative on single"
    role copier+  = head in layer 1..3
    detector -> copier.key
    kind -> copier.value -> answer
    never copier ~> detector
  }

  claim sufficient: loss given keep(circuit) <= 0.15
  claim necessary:  loss given drop(circuit) >= 0.69
  claim minimal:    rise given drop(each node) >= 0.01
  claim faithful:   agreement given keep(circuit) >= 95%
  claim causal:     flip given swap(kind) >= 0.9
  claim steers:     flip given set(kind = -1.5, at=open) >= 0.9
  claim wired:      loss given drop(kind -> copier.value) >= 0.69
  claim detects:    auroc(detector, at=open) >= 0.95
  claim separates:  auroc(kind, at=open, between=(double, single)) >= 0.95
  claim copies:     rise given drop(each copier) >= 0.1
  claim no_luck:    loss given keep(circuit) < loss given keep(random)
  claim dilutes:    accuracy where length = 64 <= 0.6
}
"""


def test_the_design_s_example() -> None:
    program = load_text(DESIGN)
    assert [d.code for d in program.warnings] == ["CIR-116"]  # in layers 1..3 no head comes before layer 0
    checked = program.specs["single_double_quote"]
    assert checked.circuit is not None
    detector, kind, copier = checked.circuit.roles
    assert detector == Role("detector", "neuron", False, (0, 0), "fires on either quote")
    assert (copier.group, copier.layers, kind.doc) == (
        True,
        (1, 3),
        "positive on double, negative on single",
    )
    key, value, answer, never = checked.circuit.arrows
    assert key == Arrow(Port("detector"), Port("copier", "key"))
    assert (value, answer) == (
        Arrow(Port("kind"), Port("copier", "value")),
        Arrow(Port("copier", "out"), Port("answer")),
    )
    assert never == Arrow(Port("copier", "out"), Port("detector"), direct=False, never=True)
    assert str(never) == "never copier ~> detector"
    claims = {claim.name: claim.left for claim in checked.claims}
    assert claims["causal"].interventions == (Intervention("swap", Port("kind")),)
    assert claims["steers"].interventions == (Intervention("set", Port("kind"), value=-1.5, at="open"),)
    assert claims["wired"].interventions == (Intervention("drop", value),)
    assert claims["copies"].interventions == (Intervention("drop", Port("copier"), "role"),)
    assert claims["separates"].arguments == {
        "role": Port("kind"),
        "at": "open",
        "between": ("double", "single"),
    }
    forms = [
        act.form for name in ("minimal", "causal", "wired", "copies") for act in claims[name].interventions
    ]
    assert forms == ["each node", "role", "arrow", "each ROLE"]


def test_marks_are_the_names_that_can_produce_text() -> None:
    t = task(
        'param n = 0..2 rule a = "x"{n} rule b = a | "y" draw d = b "z" rule e = "w"{0}',
        'prompt "{d}{e}{more}" case one with more = a answer "1" case two with more = "t" answer "2"',
    )
    assert marks(t) == {name: {"start", "end", "d", "b", "a", "e", "more"} for name in ("one", "two")}
    t = task(
        'rule a = "x" rule b = a "y"',
        'prompt "{m}" case one with m = a answer "1" case two with m = b answer "2"',
    )
    assert marks(t)["one"] == {"start", "end", "m", "a"}
    assert marks(t)["two"] == {"start", "end", "m", "a", "b"}
