"""Laws of the formatter, on random trees: parse(format(t)) == t, formatting twice changes nothing, no comment is
lost, and the text without comments depends on meaning alone."""

import dataclasses
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from circuitlang.source import ProgramError, Source
from circuitlang.syntax import tree
from circuitlang.syntax.format import bare_text, format_block, format_file
from circuitlang.syntax.parse import keywords, parse

LANGUAGE = Path(__file__).parent.parent / "language"
EXAMPLES = 40  # of each kind of block


def nodes(kind: type, *parts: st.SearchStrategy) -> st.SearchStrategy:
    names = [field.name for field in dataclasses.fields(kind) if not field.kw_only]
    return st.builds(kind, **dict(zip(names, parts, strict=False)))


def several(part: st.SearchStrategy, least: int = 0, most: int = 3) -> st.SearchStrategy:
    return st.lists(part, min_size=least, max_size=most).map(tuple)


comment = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=8).map(
    lambda t: f"# {t}".rstrip()
)
notes = st.builds(
    tree.Notes,
    before=several(comment, most=2) | several(comment, most=1).map(lambda lines: ("", *lines)),
    after=st.none() | comment,
)
quiet = st.just(tree.Notes())


def items(kind: type, *parts: st.SearchStrategy, noted: st.SearchStrategy = notes) -> st.SearchStrategy:
    names = [field.name for field in dataclasses.fields(kind) if not field.kw_only]
    return st.builds(kind, notes=noted, **dict(zip(names, parts, strict=False)))


def blocks(kind: type, *parts: st.SearchStrategy) -> st.SearchStrategy:
    names = [field.name for field in dataclasses.fields(kind) if not field.kw_only]
    inside = {"head": st.none() | comment, "end": several(comment, most=2)}
    return st.builds(kind, notes=notes, **inside, **dict(zip(names, parts, strict=False)))


words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True)
name = nodes(tree.Name, words.filter(lambda text: text not in keywords()))
key = name.map(lambda n: tree.Key(n.text)) | st.sampled_from(
    sorted(keywords() - {"circuit", "claim", "given", "where", "for"})
).map(tree.Key)
text = st.text(st.characters(codec="utf-8"), max_size=12) | st.text(" \n\t\"'\\{}ab", max_size=14)
integers = nodes(tree.Int, st.integers(-(10**12), 10**12) | st.sampled_from([10**4, 5 * 10**7, 2**31, 0]))
counts = nodes(tree.Int, st.integers(0, 9))
floats = nodes(tree.Float, st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0))
fractions = nodes(tree.Fraction, st.fractions(-(10**6), 10**6, max_denominator=1000))
percents = nodes(tree.Percent, st.integers(-(10**6), 10**6).map(lambda n: Fraction(n, 10**4)))
numbers = integers | floats | fractions
ranges = nodes(tree.Range, integers, integers)
string = st.builds(tree.String, text, st.booleans())


@st.composite
def templates(draw: st.DrawFn) -> tree.Template:
    parts: list[str | tree.Hole] = []
    for part in draw(st.lists(text.filter(bool) | words.map(tree.Hole), max_size=4)):
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return tree.Template(tuple(parts), draw(st.booleans()))


def sequences(part: st.SearchStrategy, noted: st.SearchStrategy = quiet) -> st.SearchStrategy:
    return items(tree.Sequence, several(part, least=1), st.none() | numbers, noted=noted)


def _repeats(atom: st.SearchStrategy) -> st.SearchStrategy:
    return nodes(tree.Repeat, atom, counts | ranges | name, st.none() | string)


atoms = st.recursive(
    string | name | ranges,
    lambda inner: (
        nodes(tree.Group, nodes(tree.Choice, several(sequences(inner), least=1)))
        | nodes(tree.Group, nodes(tree.Choice, several(sequences(_repeats(inner)), least=1)))
    ),
    max_leaves=4,
)


parts_ = atoms | _repeats(atoms)
choices = nodes(tree.Choice, several(sequences(parts_), least=1))


def _last_without_comment(choice: tree.Choice) -> tree.Choice:
    """The comment behind a production's last alternative is the production's own; a lone alternative has none."""
    *others, last = choice.options
    kept = tree.Notes(last.notes.before if others else ())
    return tree.Choice((*others, dataclasses.replace(last, notes=kept)))


option_notes = st.builds(tree.Notes, before=several(comment, most=1), after=st.none() | comment)
productions = nodes(tree.Choice, several(sequences(parts_, option_notes), least=1)).map(_last_without_comment)
rule = items(tree.Rule, name, st.none() | integers, productions)
draw_ = items(tree.Draw, several(name, least=1), productions, several(name, most=2))
prompt = items(tree.Prompt, templates())
case = items(
    tree.Case,
    name,
    several(nodes(tree.Binding, name, choices), most=2),
    st.none() | items(tree.Prompt, templates(), noted=quiet),
    nodes(tree.Answer, st.booleans(), templates()),
    st.none() | nodes(tree.Foil, templates()),
)
weight = st.none() | numbers
value = st.recursive(
    numbers | percents | string | name | ranges,
    lambda inner: nodes(tree.Several, several(inner, least=1)),
    max_leaves=3,
)
setting = items(tree.Setting, key, value)
section = blocks(tree.Section, key, several(setting))
port = nodes(tree.Port, name.map(lambda n: tree.Key(n.text)), st.none() | key)
hops = several(nodes(tree.Hop, st.sampled_from(["->", "~>"]), port), least=1)
wire = items(tree.Wire, port, hops)
quiet_wire = items(tree.Wire, port, hops, noted=quiet)
role = items(
    tree.Role, name, st.booleans(), name.map(lambda n: tree.Key(n.text)), st.none() | integers | ranges,
    st.none() | string,
)  # fmt: skip
circuit = blocks(tree.Circuit, several(role | wire | items(tree.Never, quiet_wire)))
named = nodes(tree.Named, name.map(lambda n: tree.Key(n.text)), value)
intervention = nodes(
    tree.Intervention, name.map(lambda n: tree.Key(n.text)), st.booleans(), port | quiet_wire,
    st.none() | numbers, several(named, most=2),
)  # fmt: skip
quantity = nodes(
    tree.Quantity, name.map(lambda n: tree.Key(n.text)), several(port | named, most=2),
    several(intervention, most=2), several(nodes(tree.Condition, name, integers | ranges), most=2),
    st.none() | name,
)  # fmt: skip
relations = st.sampled_from(["<", "<=", ">", ">=", "=="])
claim = items(tree.Claim, name, quantity, relations, numbers | percents | quantity)
doc = st.none() | items(tree.Doc, text, st.booleans())
task = blocks(
    tree.Task, name, doc,
    several(
        items(tree.Param, name, integers | ranges) | rule | draw_ | items(tree.HoldOut, name, percents) | prompt | case,
        most=5,
    ),
)  # fmt: skip
corpus = blocks(
    tree.Corpus, name, doc,
    several(rule | draw_ | items(tree.Files, string, weight) | items(tree.Document, name, weight)),
)  # fmt: skip
model = blocks(tree.Model, name, doc, several(section))
bridge = blocks(tree.Bridge, name, doc, several(section | setting | claim))
spec = blocks(tree.Spec, name, doc, several(setting | section | circuit | claim))
use = items(tree.Use, string)
BLOCKS = {"use": use, "task": task, "corpus": corpus, "model": model, "bridge": bridge, "spec": spec}


def files(block: st.SearchStrategy) -> st.SearchStrategy:
    """Files with one or two blocks of a kind between other things."""
    version = st.none() | items(tree.Version, integers)
    return st.builds(
        lambda version, uses, blocks, end: tree.File(version, (*uses, *blocks), end=end),
        version,
        several(use, most=1),
        several(block, least=1, most=2),
        several(comment, most=2),
    )


def comments_of(node: object) -> Counter[str]:
    """Every comment of a tree."""
    found: Counter[str] = Counter()
    if isinstance(node, tree.Item):
        found.update(node.notes.comments)
    if isinstance(node, tree.Block):
        found.update(line for line in node.end if line)
        found.update([node.head] if node.head else [])
    if isinstance(node, tuple):
        for part in node:
            found += comments_of(part)
    elif dataclasses.is_dataclass(node) and not isinstance(node, type):
        for field in dataclasses.fields(node):
            if field.name not in ("span", "notes", "head", "end"):
                found += comments_of(getattr(node, field.name))
    return found


def check(file: tree.File) -> None:
    """All laws of one tree."""
    written = format_file(file)
    again = parse(Source("built", written))
    assert again == file, written
    assert format_file(again) == written
    assert comments_of(again) == comments_of(file)
    for before, after in zip(file.items, again.items, strict=True):
        if isinstance(before, tree.Block) and isinstance(after, tree.Block):
            alone = tree.File(None, (before,))
            assert format_block(before) in format_file(alone)
            assert bare_text(before) == bare_text(after)


@pytest.mark.parametrize("kind", BLOCKS)
def test_formatting_loses_nothing(kind: str) -> None:
    tried: Counter[str] = Counter()

    # Shrinking trees of this size takes minutes; the text that fails is printed instead.
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )
    @given(files(BLOCKS[kind]))
    def laws(file: tree.File) -> None:
        check(file)
        tried["files"] += 1
        tried["items"] += sum(len(getattr(item, "items", "1")) for item in file.items)
        tried["comments"] += comments_of(file).total()

    laws()
    assert tried["files"] >= EXAMPLES
    assert tried["items"] >= EXAMPLES, tried
    assert tried["comments"] >= EXAMPLES, tried


@pytest.mark.parametrize("path", sorted(LANGUAGE.glob("*.*")), ids=lambda path: path.name)
def test_real_texts_keep_every_comment(path: Path) -> None:
    """The language's own test programs, where they parse: the same comments, the same tree, and then no change."""
    for text in re.split(r"^---\n", path.read_text(encoding="utf-8"), flags=re.M):
        try:
            file = parse(Source(path.name, text))
        except ProgramError:
            continue
        written = format_file(file)
        assert parse(Source(path.name, written)) == file
        assert format_file(parse(Source(path.name, written))) == written
        assert sorted(re.findall(r"#.*", written)) == sorted(c.rstrip() for c in re.findall(r"#.*", text))


CANONICAL = '''\
circuitlang 1

# About this file.

use "a.task"
use "b.task"  # and why

# Above the task.
task t {  # behind its brace
  "What it is."

  param n = 1..4  # how many
  # above a rule

  rule a =
    "x"  # the first
    # above the second
    | "y" weight 2
  rule long = "aaaaaaaaaaaaaaaaaaaaaaaaaa" | "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
    | "cccccccccccccccccccccccccc" | 'say "x"' | name{1..3 by ", "}
  draw b, c = "p" | "q" | "r" except d, e
  prompt """
    def f():

        {a}"""
  case one with x = "1", y = a b answer "{{}}\\n" foil "2"
  case two
    with x = "a rather long text that does not fit on a line",
         y = "with another text that is as long"
    prompt "own"
    answer not "2"
  # at the end
}

spec s {
  prune { loss = 0.15  seeds = 0..2  penalty = (0.001, 1/100) }
  verdict {
    # a comment keeps a section open
    confidence = 95%
  }
  circuit {
    role a+ = neuron in layer 0..3 "fires"
    never a ~> b.out
  }
  claim x: auroc(a, at=open) given set(a = -1.5, at=open), drop(each node) where n = 3 for case y >= 50M
}
'''


def test_canonical_text_stays_as_it_is() -> None:
    assert format_file(parse(Source("canonical", CANONICAL))) == CANONICAL


def test_meaning_does_not_depend_on_layout() -> None:
    one = parse(
        Source("one", 'task t{"doc" rule a="x"|\'y\' prompt "p\\nq" case b answer "1" case c answer "2"}')
    )
    two = parse(
        Source(
            "two",
            'task t { # comment\n\n rule a = \'x\' |\n # more\n "y"\n prompt """\n   p\n   q""" '
            'case b answer "1"\n case c\n answer "2" }',
        )
    )
    assert bare_text(one.items[0]) == bare_text(two.items[0])  # type: ignore[arg-type]
    assert one.items[0].items == two.items[0].items  # type: ignore[union-attr]
