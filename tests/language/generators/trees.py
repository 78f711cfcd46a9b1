"""Syntax trees of the whole grammar, comments included: whatever the parser can give, the checker's opinion aside."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

from hypothesis import strategies as st

from circuitlang.language.syntax import tree
from circuitlang.language.syntax.parse import keywords

NO_SETTINGS = frozenset({"circuit", "claim", "given", "where", "for"})  # keywords that cannot name a setting


def nodes(kind: type, *parts: st.SearchStrategy) -> st.SearchStrategy:
    names = [field.name for field in dataclasses.fields(kind) if not field.kw_only]
    return st.builds(kind, **dict(zip(names, parts, strict=False)))


def several(part: st.SearchStrategy, least: int = 0, most: int = 3) -> st.SearchStrategy:
    return st.lists(part, min_size=least, max_size=most).map(tuple)


REORDERING = (
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # refused where they stand as themselves
)
comment = st.text(st.characters(codec="utf-8", exclude_characters="\n\r" + REORDERING), max_size=8).map(
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


words = st.sampled_from(
    ("a", "b", "x1", "row", "start", "node", "as", "task_", "Circuit", "_", "K", "e5", "yes")
) | (st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True))
name = nodes(tree.Name, words.filter(lambda text: text not in keywords()))
plain_key = name.map(lambda name: tree.Key(name.text))
key = plain_key | st.deferred(lambda: st.sampled_from(sorted(keywords() - NO_SETTINGS)).map(tree.Key))
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
    numbers | percents | string | name | ranges | nodes(tree.Called, name, key),
    lambda inner: nodes(tree.Several, several(inner, least=1)),
    max_leaves=3,
)
setting = items(tree.Setting, key, value)
section = blocks(tree.Section, key, several(setting))
port = nodes(tree.Port, plain_key, st.none() | key)
hops = several(nodes(tree.Hop, st.sampled_from(["->", "~>"]), port), least=1)
wire = items(tree.Wire, port, hops)
quiet_wire = items(tree.Wire, port, hops, noted=quiet)
role = items(
    tree.Role, name, st.booleans(), plain_key, st.none() | integers | ranges,
    st.none() | string,
)  # fmt: skip
circuit = blocks(tree.Circuit, several(role | wire | items(tree.Never, quiet_wire)))
named = nodes(tree.Named, plain_key, value)
intervention = nodes(
    tree.Intervention, plain_key, st.booleans(), port | quiet_wire,
    st.none() | numbers, several(named, most=2),
)  # fmt: skip
quantity = nodes(
    tree.Quantity, plain_key, several(port | named, most=2),
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


def files(*kinds: str) -> st.SearchStrategy[tree.File]:
    """Files with one or two blocks, of these kinds (`task`, `spec`, …) or of all, between other things."""
    version = st.none() | items(tree.Version, integers)
    block = st.one_of([BLOCKS[kind] for kind in kinds or BLOCKS])
    return st.builds(
        lambda version, uses, blocks, end: tree.File(version, (*uses, *blocks), end=end),
        version,
        several(use, most=1),
        several(block, least=1, most=2),
        several(comment, most=2),
    )
