"""Forty mistakes of somebody's first day, by kinds: the message stands at the right line and names the right fix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from circuitlang.checking.static import check_text
from circuitlang.report.diagnostics import sentence
from circuitlang.source.diagnostic import Diagnostic, ProgramError

TASK = """\
task colours {
  param length = 1..3
  rule number = 0..99
  rule row = number{length by ", "}
  draw fn = "f" | "g" | "h" | "load" | "save" | "read" | "scan"
  draw var, other = "x" | "y" | "z" | "rows" | "items" | "cells"
  hold out fn 25%
  prompt \"\"\"
    def {fn}({other}):
        {var} = {open}{row}\"\"\"
  case flat with open = "[" answer "]\\n"
  case nested with open = "[[" answer "]]\\n"
}
"""
SPEC = """\
use "colours.task"
spec one {
  task = colours
  model = "zoo:python-small"
  prune { loss = 0.15  seeds = 0..2 }
  verdict { confidence = 0.99  samples = 512..2048 }
  circuit {
    role detector = neuron in layer 0
    role copier = head in layer 1..3
    detector -> copier.value -> answer
  }
  claim sufficient: loss given keep(circuit) <= 0.15
  claim right: accuracy given keep(circuit) >= 90%
  claim detects: auroc(detector, at=open) >= 0.9
  claim deep: accuracy given keep(circuit) where length = 3 >= 60%
}
"""
MISTAKES = {
    # kind: [(what is written in place of what, at which the message stands, what it says)]
    "a word of another language": [
        ('use "colours.task"', 'import "colours.task"', r"did you mean `use`"),
        ("claim sufficient:", "assert sufficient:", r"did you mean `claim`"),
        ("hold out fn 25%", "holdout fn 25%", r"did you mean `hold out`"),
        ("rule number = 0..99", "let number = 0..99", r"did you mean `rule`"),
        ("rule number = 0..99", "rule number = 0..99  // two digits", r"a comment begins with `#`"),
        ("task = colours", "task = colours;", r"no separator is needed"),
        ("claim right: accuracy given keep(circuit)", "claim right: accuracy under keep(circuit)", r"`given`"),
    ],
    "a setting": [
        ("seeds = 0..2", "seed = 0", r"did you mean `seeds`"),
        ("task = colours", "task: colours", r"`name = value`"),
        ("loss = 0.15", "loss = 15%", r"nats.*0\.15|0\.15.*nats"),
        ("seeds = 0..2", "seeds = 3", r"0\.\.2"),
        ("samples = 512..2048", "samples = 2048", r"512\.\.2048|as 512"),
        ("confidence = 0.99", "confidence = 99", r"99%|below 1|0\.99"),
        ("  prune { loss = 0.15  seeds = 0..2 }", "  loss = 0.15", r"prune \{ loss"),
        ("samples = 512..2048", "samples = 512-2048", r"a range is written 0\.\.9"),
    ],
    "the model": [
        ('"zoo:python-small"', '"zoo:python-smal"', r"did you mean zoo:python-small"),
        ('"zoo:python-small"', '"python-small"', r"did you mean zoo:python-small"),
        ('"zoo:python-small"', "python_small", r"shipped model is written \"zoo:NAME\""),
        ('"zoo:python-small"', '"models/mine"', r"there is no model at .*models/mine"),
    ],
    "a claim": [
        ("given keep(circuit) <= 0.15", "given ablate(circuit) >= 0.15", r"`drop\(circuit\)`"),
        ("accuracy given keep(circuit) >= 90%", "accuracy(circuit) >= 90%", r"accuracy given keep\(circuit\)"),
        ("accuracy given keep(circuit) >= 90%", "accuracy given keep(circuit) >= 0.9%", r"90%|0\.9\b"),
        ("accuracy given keep(circuit) >= 90%", "accuracy given keep(circuit) >= 90", r"90%"),
        ("keep(circuit) <= 0.15", "keep(circuit) =< 0.15", r"`<=`"),
        ("keep(circuit) <= 0.15", "keep(circuit)", r"claim NAME: METRIC given … <= NUMBER"),
        ("claim sufficient: loss", "claim loss", r"claim NAME: METRIC"),
        ("where length = 3", "where lenth = 3", r"did you mean `length`"),
        ("auroc(detector, at=open)", "auroc(detector, at=opening)", r"did you mean `open`"),
        ("auroc(detector, at=open)", "auroc(detecter, at=open)", r"did you mean `detector`"),
        ("keep(circuit) <= 0.15", "keep(circuit) and drop(detector) <= 0.15", r"comma"),
    ],
    "draws and rules": [
        ('"f" | "g" | "h"', '["f", "g", "h"] | "i"', r"separated by `\|`"),
        ('"x" | "y" | "z"', '"x", "y", "z"', r"separated by `\|`"),
        ("number{length by", "number{lenght by", r"did you mean `length`"),
        ("0..99", "0-99", r"a range is written 0\.\.9"),
        ("hold out fn 25%", "hold out number 25%", r"`draw number = …`"),
        ("rule row = number", 'rule row = number | "(" row ")"', r"`rule row depth 3 = …`"),
        ("rule number = 0..99", "rule number = 99..0", r"smaller number comes first"),
    ],
    "a text": [
        ('answer "]\\n"', 'answer "")"', r"other quotes"),
        ("{var} = {open}", "{var} = {row{open}}", r"a rule of its own"),
        ("{var} = {open}", "{vra} = {open}", r"did you mean `var`"),
        ('answer "]\\n"', 'answer "] and more"', r"one token"),
        ('answer "]]\\n"', 'answer "]\\n"', r"say which with `foil`"),
        ('{open}{row}"""', '{open}{row}\n        """', r"blanks"),
    ],
    "a role or an arrow": [
        ("role detector = neuron in", "role detector = neurone in", r"did you mean `neuron`"),
        ("copier.value", "copier.values", r"did you mean `value`|copier\.value"),
        ("head in layer 1..3", "head layer 1..3", r"`in layer"),
        ("head in layer 1..3", "head in layer 4", r"its layers are 0 to 3"),
    ],
}  # fmt: skip
EACH = [(kind, *mistake) for kind, mistakes in MISTAKES.items() for mistake in mistakes]


def found(folder: Path, task: str, spec: str) -> list[Diagnostic]:
    (folder / "pyproject.toml").write_text("")
    (folder / "colours.task").write_text(task)
    (folder / "one.cir").write_text(spec)
    try:
        return check_text([folder])[1]
    except ProgramError as error:
        return list(error.diagnostics)


def test_without_a_mistake_nothing_is_said(tmp_path: Path) -> None:
    assert found(tmp_path, TASK, SPEC) == []


@pytest.mark.parametrize(("kind", "right", "wrong", "says"), EACH, ids=lambda text: str(text)[:30])
def test_the_message_names_the_right_fix_at_its_line(
    tmp_path: Path, kind: str, right: str, wrong: str, says: str
) -> None:
    texts = [TASK, SPEC]
    (at,) = [number for number, text in enumerate(texts) if right in text]
    changed = texts[at].replace(right, wrong, 1)
    line = changed[: texts[at].index(right) + len(wrong)].count("\n") + 1
    texts[at] = changed
    said = found(tmp_path, *texts)
    name = ("colours.task", "one.cir")[at]
    here = [sentence(d) for d in said if Path(d.span.source.name).name == name and d.span.line == line]
    shown = "\n".join(diagnostic.render() for diagnostic in said)
    assert any(re.search(says, words) for words in here), shown or "nothing was said"


def test_there_are_at_least_forty() -> None:
    assert len({wrong for _, _, wrong, _ in EACH}) >= 40
