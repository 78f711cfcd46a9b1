"""Laws of the formatter, on random trees: parse(format(t)) == t, formatting twice changes nothing, no comment is
lost, and the text without comments depends on meaning alone."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from benchmarks.fuzz_trees import check, comments_of
from circuitlang.language.syntax import tree
from circuitlang.language.syntax.format import bare_text, format_file
from circuitlang.language.syntax.parse import parse
from circuitlang.source.diagnostic import ProgramError, Source
from tests.language.generators.trees import BLOCKS, files

LANGUAGE = Path(__file__).parent.parent.parent / "language"
EXAMPLES = 40  # of each kind of block


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
    @given(files(kind))
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
