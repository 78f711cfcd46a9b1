"""Texts of tasks, corpora and whole programs that the checker accepts, by construction; and checked tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import strategies as st

from circuitlang.language.program.load import load_text
from circuitlang.language.program.task import Task
from circuitlang.language.syntax.strings import quoted
from tests.language.generators.settings import Written, model_text, spec_text

_WORDS = (
    "a",
    "b",
    "ab",
    "x",
    "",
    " ",
    "\n",
    ", ",
    "[",
    "]",
    "{",
    "}",
    "'",
    '"',
    "\\",
    "red",
    "blue",
    "é",
    "\t",
)


@dataclass
class _Names:
    """What an expression may refer to: all that is declared above it. `several`: the highest repetition."""

    several: int
    large: bool
    params: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    draws: list[str] = field(default_factory=list)

    @property
    def weights(self) -> st.SearchStrategy[str]:
        """Of alternatives; what is to be listed has none that only a share of 53 bits can express."""
        return st.sampled_from(_WEIGHTS if self.large else _WEIGHTS[:-1])

    @property
    def all(self) -> list[str]:
        return [*self.params, *self.rules, *self.draws]


words = st.sampled_from(_WORDS)
_WEIGHTS = ("", "", "", " weight 2", " weight 0.25", " weight 1/3")


def _range(draw: st.DrawFn, most: int) -> str:
    low = draw(st.integers(0, most))
    return f"{low}..{draw(st.integers(low, low + most))}"


def _atom(draw: st.DrawFn, names: _Names, level: int) -> str:
    known = names.all
    kind = draw(st.sampled_from("tnng" if level else "tnn"))
    if kind == "n" and known:
        return draw(st.sampled_from(known))
    if kind == "g":
        return f"({_choice(draw, names, level - 1)})"
    if draw(st.booleans()):
        return quoted(draw(words))
    return _range(draw, 99 if names.large else 2)


def _part(draw: st.DrawFn, names: _Names, level: int) -> str:
    atom = _atom(draw, names, level)
    if draw(st.integers(0, 3)) < 3:
        return atom
    if names.params and draw(st.booleans()):
        count = draw(st.sampled_from(names.params))
    else:
        low = draw(st.integers(0, names.several))
        high = draw(st.integers(low, names.several))
        count = str(low) if low == high else f"{low}..{high}"
    joiner = draw(st.sampled_from(("", "", ' by ", "', ' by "-"')))
    return f"{atom}{{{count}{joiner}}}"


def _sequence(draw: st.DrawFn, names: _Names, level: int) -> str:
    return " ".join(_part(draw, names, level) for _ in range(draw(st.integers(1, 3 if names.large else 2))))


def _choice(draw: st.DrawFn, names: _Names, level: int) -> str:
    options = [_sequence(draw, names, level) for _ in range(draw(st.integers(1, 3)))]
    if len(options) == 1:
        return options[0]
    return " | ".join(option + draw(names.weights) for option in options)


def _rule(draw: st.DrawFn, names: _Names, recursive: bool) -> str:
    """A rule; where it recurses, its first alternative ends."""
    name = f"r{len(names.rules)}"
    body = _choice(draw, names, 1)
    if recursive:
        first = quoted(draw(words.filter(bool)))
        around = quoted(draw(words)), quoted(draw(words))
        body = f"{first} | {around[0]} {name} {around[1]} | ({body})"
    depth = f" depth {draw(st.integers(1, 3))}" if recursive else ""
    names.rules.append(name)
    return f"rule {name}{depth} = {body}"


def _listed(draw: st.DrawFn, names: _Names, least: int, most: int) -> str:
    """At least so many choices, all different."""
    numbers = draw(st.lists(st.integers(0, 99), min_size=least, max_size=max(least, most), unique=True))
    return " | ".join(quoted(f"w{number}") + draw(names.weights) for number in numbers)


def _draw(draw: st.DrawFn, names: _Names, held: list[str], listed_only: bool) -> str:
    """A draw with enough choices, what `except` takes away and what is held out left aside."""
    count = draw(st.integers(1, 3))
    own = [f"d{len(names.draws) + i}" for i in range(count)]
    without = draw(st.lists(st.sampled_from(names.draws), max_size=2, unique=True)) if names.draws else []
    needed = count + len(without)
    kind = draw(st.sampled_from("lln" if listed_only or count > 1 or without else "llne"))
    if kind == "e":
        body = _choice(draw, names, 1)
    elif kind == "l":
        body = _listed(draw, names, 2 * needed, 2 * needed + (8 if names.large else 1))
        if draw(st.booleans()) and not listed_only:
            held.append(draw(st.sampled_from(own)))
    else:
        low = draw(st.integers(0, 9))
        body = f"{low}..{low + needed - 1 + draw(st.integers(0, 90 if names.large else 1))}"
    names.draws += own
    tail = f" except {', '.join(without)}" if without else ""
    return f"draw {', '.join(own)} = {body}{tail}"


def _template(draw: st.DrawFn, holes: list[str], most: int) -> str:
    """Text and at least one hole."""
    parts = [f"{{{draw(st.sampled_from(holes))}}}"]
    for _ in range(draw(st.integers(0, most))):
        hole = draw(st.booleans())
        parts.append(
            f"{{{draw(st.sampled_from(holes))}}}"
            if hole
            else quoted(draw(words), template=True, quote='"')[1:-1]
        )
    return f'"{"".join(parts)}"'


def _cases(draw: st.DrawFn, names: _Names) -> list[str]:
    """A prompt of all cases, and the cases: two-sided with answers that differ, or one-sided about one text."""
    bound = [f"b{i}" for i in range(draw(st.integers(0, 2)))]
    count = draw(st.integers(1, 4 if names.large else 3))
    one_sided = draw(st.booleans()) and draw(st.booleans())
    shared = draw(st.booleans())
    lines = [f"prompt {_template(draw, [*names.all, *bound], 4)}"] if shared else []
    for i in range(count):
        bindings = ", ".join(f"{name} = {_choice(draw, names, 1)}" for name in bound)
        line = f"case c{i}" + (f" with {bindings}" if bindings else "")
        if not shared or (i and draw(st.integers(0, 3)) == 3):
            line += f" prompt {_template(draw, [*names.all, *bound], 4)}"
        if one_sided:
            lines.append(f'{line} answer {"not " * draw(st.booleans())}"yes"')
            continue
        hole = draw(st.sampled_from(["", *(f"{{{name}}}" for name in names.draws)]))
        foil = f' foil "no{i}"' if count == 1 or draw(st.integers(0, 3)) == 3 else ""
        lines.append(f'{line} answer "{hole}{i}"{foil}')
    if one_sided and not any(" answer not " in line for line in lines):
        lines[-1] = lines[-1].replace(" answer ", " answer not ")
    return lines


def _declarations(draw: st.DrawFn, names: _Names, held: list[str], corpus: bool) -> list[str]:
    """Params, rules and draws in any order, each of which may use those above it."""
    lines: list[str] = []
    recursive = draw(st.booleans())
    for _ in range(draw(st.integers(1, 6 if names.large else 3))):
        kind = draw(st.sampled_from("rd" if corpus else "rdp"))
        if kind == "p":
            name = f"p{len(names.params)}"
            lines.append(f"param {name} = {draw(st.sampled_from(('2', '0..2', '1..3')))}")
            names.params.append(name)
        elif kind == "r":
            lines.append(_rule(draw, names, recursive))
            recursive = False
        else:
            lines.append(_draw(draw, names, held, corpus))
    return lines


def _block(kind: str, name: str, lines: list[str]) -> str:
    return "\n".join([f"{kind} {name} {{", *(f"  {line}" for line in lines), "}\n"])


@st.composite
def written_tasks(draw: st.DrawFn, name: str, small: bool = False) -> Written:
    """A task that the checker accepts. `small`: with few datapoints, so that all can be listed; otherwise it
    has enough for three splits."""
    names, held = _Names(2, not small), []
    lines = _declarations(draw, names, held, corpus=False)
    if not small:
        lines.append(f"draw d{len(names.draws)} = 100..{draw(st.integers(300, 9999))}")
        names.draws.append(f"d{len(names.draws)}")
    cases = _cases(draw, names)
    if not small:  # every prompt shows the draw with many choices, so that no split is empty
        last = names.draws[-1]
        cases = [line.replace('prompt "', f'prompt "{{{last}}}', 1) for line in cases]
    share = Fraction(1, draw(st.sampled_from((4, 5, 10))))
    lines += [f"hold out {name} {100 * share}%" for name in dict.fromkeys(held)]
    count = sum(line.startswith("case ") for line in cases)
    text = _block("task", name, [*lines, *cases])
    contrast = count > 1 and not any(" foil " in line or " answer not " in line for line in cases)
    return Written(name, text, tuple(names.params), tuple(f"c{i}" for i in range(count)), contrast)


@st.composite
def corpus_texts(draw: st.DrawFn, name: str = "c") -> str:
    """The text of a corpus that the checker accepts."""
    names = _Names(3, True)
    lines = [_rule(draw, names, False), *_declarations(draw, names, [], corpus=True)]
    used = draw(st.lists(st.sampled_from(names.rules), min_size=1, max_size=2, unique=True))
    lines += [f"document {rule}{draw(names.weights)}" for rule in used]
    if draw(st.booleans()):
        pattern = draw(st.sampled_from(("stdlib:json/*.py", "**/*.task", "tasks/*")))
        lines.append(f"files {quoted(pattern)}{draw(names.weights)}")
    return _block("corpus", name, lines)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """The text of a program that the checker accepts: tasks, and corpora, models and specs about them."""
    tasks = [draw(written_tasks(f"t{i}")) for i in range(draw(st.integers(1, 2)))]
    blocks = [task.text for task in tasks]
    models: list[str] = []
    if draw(st.integers(0, 2)):
        blocks.append(draw(corpus_texts("c0")))
        if draw(st.integers(0, 2)):
            blocks.append(draw(model_text("m0", "c0")))
            models.append("m0")
    blocks += [
        draw(spec_text(f"s{i}", draw(st.sampled_from(tasks)), models)) for i in range(draw(st.integers(0, 2)))
    ]
    version = "circuitlang 1\n" if draw(st.booleans()) else ""
    return version + "".join(draw(st.permutations(blocks)))


def tasks(small: bool = False) -> st.SearchStrategy[Task]:
    """Checked tasks. `small`: with few datapoints."""
    return written_tasks("t", small).map(lambda task: load_text(task.text).tasks["t"])
