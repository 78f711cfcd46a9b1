"""A parser's failure -> what was most likely meant, by example.

The tables map advice to texts with that mistake. A failure is recognised by the parser's state: in
`AT_TOKEN` the unexpected token has to be of the example's kind as well, in `AT_PLACE` any unexpected
token will do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache

from lark import Lark, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from circuitlang.language.syntax.spell import lookalike

SETTING = "a setting is written `name = value`"
AT_TOKEN: Mapping[str, tuple[str, ...]] = {
    "texts side by side are joined: leave out the `+`": (
        'task t { rule a = "x" + "y" }',
        "task t { rule a = b + c }",
    ),
    "alternatives are separated by `|`": (
        'task t { rule a = "x", "y" }',
        "task t { rule a = b, c }",
        'task t { draw a = "x", "y" }',
        "task t { draw a = b, c }",
    ),
    "what stands in a block has no commas in between": (
        'task t { case a answer "x", case b answer "y" }',
        'task t { case a answer "x" foil "y", case b answer "y" }',
        'task t { prompt "x", case b answer "y" }',
        "task t { param n = 1, rule a = b }",
        "task t { param n = 1..2, rule a = b }",
        "spec s { claim a: loss <= 1, claim b: loss <= 1 }",
    ),
    "a case has one foil": ('task t { case a answer "x" foil "y" foil "z" }',),
    "one text in quotes, right behind `{`, says what the block is": (
        'task t { "x" "y" }',
        'model m { "x" "y" }',
        'spec s { "x" "y" }',
        'corpus c { "x" "y" }',
    ),
    "roles and arrows stand inside `circuit { … }`": (
        "spec s { role a = head }",
        "spec s { a -> b }",
        "spec s { a.key -> b }",
    ),
    "write `in layer 0`": ("spec s { circuit { role a = head layer 0 } }",),
    "a parenthesis is not closed: `keep(circuit)`": ("spec s { claim a: loss given keep(b <= 1 }",),
    "a range is written 0..9; several values stand in parentheses, as (1, 2)": (
        "model m { a { b = 1-2 } }",
        "model m { a { b = 1 2 } }",
    ),
    "a range is written 0..9": (
        "task t { rule a = 0-9 }",
        "task t { param n = 1-4 }",
        "task t { draw a = 0 9 }",
    ),
    "there is one answer; other texts are foils of other cases": ('task t { case a answer "x" | "y" }',),
    "settings are separated by blanks only; several values stand in parentheses, as (0, 1)": (
        "model m { a { b = 1, c = 2 } }",
        "spec s { a = 1, b = 2 }",
    ),
    "in `circuit`, arrows are written -> or ~>": (
        "spec s { circuit { a - > b } }",
        "spec s { circuit { a = b } }",
    ),
    "to compare, write `==`, `<=` or `>=`": (
        "spec s { claim a: loss = 1 }",
        "spec s { claim a: loss given keep(b) = 1 }",
    ),
    "interventions stand behind the metric: `loss given keep(circuit)`": (
        "spec s { claim a: loss(keep(circuit)) <= 1 }",
    ),
    "a number begins with a digit, as 0.5": (
        "spec s { claim a: loss <= .5 }",
        "model m { a { b = .5 } }",
        'task t { rule a = "x" weight .5 }',
    ),
    "a number ends with a digit, as 1 or 1.0": (
        "spec s { claim a: loss <= 1. }",
        "model m { a { b = 1. } }",
    ),
    "a setting is written `name = value`; interventions, as `keep(circuit)`, stand in claims, behind `given`": (
        "model m { a { b(c) } }",
        "spec s { a(b) }",
    ),
    "the names of settings have no quotes": ('model m { a { "b" = 1 } }', 'model m { a { b = 1 "c" = 1 } }'),
    "a `given` joins several interventions with commas": (
        "spec s { claim a: loss given keep(b) given drop(c) <= 1 }",
    ),
}
AT_PLACE: Mapping[str, tuple[str, ...]] = {
    'a file is named in quotes: use "tasks/quotes.task"': ("use tasks",),
    "a block begins with its name: `task NAME {`": ("task {", "corpus {", "spec {", "model {", "bridge {"),
    "a block's name is followed by `{`": (
        "task t rule",
        "corpus t rule",
        "model t rule",
        "spec t rule",
        "bridge b rule",
    ),
    "write `param NAME = 1..4`": ("task t { param = 1 }", "task t { param n 1 }", 'task t { param n = "x" }'),
    "write `rule NAME = …`": (
        'task t { rule = "x" }',
        'task t { rule a "x" }',
        'task t { rule a depth = "x" }',
        'task t { rule a -> "x" }',
    ),
    "write `rule NAME depth 3 = …`": ('task t { rule a depth 3 "x" }',),
    "write `draw NAME = …`, or `draw NAME, OTHER = …`": (
        'task t { draw = "x" }',
        'task t { draw a b = "x" }',
    ),
    "write `hold out NAME 25%`": (
        "task t { hold x 25% }",
        "task t { hold out 25% }",
        "task t { hold out x 0.25 }",
    ),
    "an expression is missing": (
        "task t { rule a = }",
        'task t { rule a = "x" | }',
        "task t { rule a = () }",
    ),
    'numbers in texts are ranges, as 0..9, or texts, as "5"': ("task t { rule a = 5 }",),
    "a range is written 0..9": ("task t { rule a = 5.. }", "task t { param n = 5.. }"),
    "a parenthesis is not closed": ('task t { rule a = ("x" }',),
    'a repetition is written x{3}, x{1..3} or x{n}, with `by` as in x{1..3 by ", "}': (
        'task t { rule a = b{"x"} }',
        "task t { rule a = b{1,3} }",
        "task t { rule a = b{1..3 by c} }",
        'task t { rule a = b{n, "x"} }',
        'task t { rule a = b{1..3, "x"} }',
        'task t { rule a = b{1 by "," 2} }',
    ),
    "a weight is a number above 0": ('task t { rule a = "x" weight }', "corpus t { document a weight b }"),
    "`except` is followed by the names of earlier draws": ('task t { draw a = "x" except "y" }',),
    'write `prompt "…"`': ("task t { prompt = x }",),
    'a case is written `case NAME with x = … answer "…"`': (
        "task t { case { } }",
        "task t { case a }",
        "task t { case a with }",
        "task t { case a with b }",
        'task t { case a with b = "x" }',
        'task t { case a prompt "x" }',
        'task t { case a answer "x" foil }',
    ),
    'an answer is a text with holes, as the prompt is: a drawn name is answered as "{name}"': (
        "task t { case a answer x }",
        "task t { case a answer not x }",
    ),
    'write `files "texts/*.txt"`': ("corpus t { files a }",),
    "write `document RULE`": ('corpus t { document "a" }',),
    "a section is written `NAME { setting = value }`": ("model m { a = 1 }", "model m { 3 }"),
    SETTING: (
        "model m { a { b: 1 } }",
        "model m { a { b 1 } }",
        "spec s { a: 1 }",
    ),
    "a value is a number, a name, a text in quotes or a range": (
        "model m { a { b = } }",
        "spec s { a = { } }",
    ),
    'write `role NAME = KIND in layer 0 "…"`': (
        "spec s { circuit { role = head } }",
        "spec s { circuit { role a head } }",
        'spec s { circuit { role a = "x" } }',
        "spec s { circuit { role a = head in 1 } }",
        "spec s { circuit { role a = head in layer x } }",
    ),
    "a claim is written `claim NAME: METRIC given … <= NUMBER`": (
        "spec s { claim: loss <= 1 }",
        "spec s { claim loss <= 1 }",
        "spec s { claim a: 1 >= loss }",
        "spec s { claim a: loss }",
        "spec s { claim a: loss <= }",
        'spec s { claim a: loss <= "x" }',
    ),
    "an intervention is written `keep(circuit)`": (
        "spec s { claim a: loss given <= 1 }",
        "spec s { claim a: loss given keep <= 1 }",
        "spec s { claim a: loss given keep() <= 1 }",
        "spec s { claim a: loss given keep(b c) <= 1 }",
    ),
    "write `where PARAM = 4`": (
        "spec s { claim a: loss where <= 1 }",
        "spec s { claim a: loss where n <= 1 }",
        "spec s { claim a: loss where n = x <= 1 }",
    ),
    "write `for case NAME`": (
        "spec s { claim a: loss for b <= 1 }",
        "spec s { claim a: loss for case <= 1 }",
    ),
    "write `circuitlang 1`": ("circuitlang task",),
}
_SYNONYMS = {
    "import": "use", "include": "use", "from": "use", "let": "rule", "def": "rule",
    "var": "draw", "choose": "draw", "sample": "draw", "template": "prompt", "question": "prompt",
    "example": "case", "output": "answer", "target": "answer", "assert": "claim", "expect": "claim",
    "require": "claim", "dataset": "corpus", "data": "corpus", "test": "spec", "hypothesis": "spec",
    "circuit": "spec", "but": "except", "holdout": "hold out", "hold_out": "hold out", "held": "hold out",
    "if": "given", "under": "given", "do": "given", "when": "where", "without": "except", "separator": "by",
}  # fmt: skip
_CHARACTERS = {
    "/": "a comment begins with `#`; a fraction is written without blanks, as 1/64",
    "*": "a repetition is written x{0..4}",
    "?": 'something that may be missing is written x{0..1}, or as `x | ""`',
    "%": "a share is written without blanks, as 25%",
    ";": "no separator is needed",
    "[": "alternatives, groups and several values stand in parentheses; alternatives are separated by `|`",
    "&": "each condition is a claim of its own; interventions are joined with commas",
    "$": "a hole in a text is written {name}",
    "@": "no name begins with `@`",
    "`": 'write straight quotes: "…"',
    "!": "the comparisons are <, <=, >, >= and ==; `answer not`, `never` and `except` say what shall not be",
}
_TERMINALS = {
    "NAME": "a name", "STRING": "a text in quotes", "TRIPLE": "", "INT": "a whole number",
    "FLOAT": "a number", "FRACTION": "", "PERCENT": "a share such as 25%", "RELATION": "`<=`",
    "ARROW": "`->`", "_OPEN": "`{`", "_CLOSE": "`}`", "_LPAR": "`(`",
    "_RPAR": "`)`", "_EQUALS": "`=`", "_COMMA": "`,`", "_COLON": "`:`",
    "_BAR": "`|`", "_DOTS": "`..`", "_DOT": "`.`", "PLUS": "`+`",
    "$END": "the end of the file",
}  # fmt: skip


def advise(lark: Lark, error: UnexpectedInput, word: str) -> str | None:
    """What would be right, for the unexpected `word` (a token or a single character)."""
    expected = _expected(error)
    keywords = sorted(terminal.lstrip("_").lower() for terminal in expected if terminal not in _TERMINALS)
    if word.isidentifier():
        if word in _SYNONYMS and _SYNONYMS[word].split()[0] in keywords:
            return f"did you mean `{_SYNONYMS[word]}`?"
        near = get_close_matches(word.lower(), keywords, n=1, cutoff=0.7)
        if near:
            return f"did you mean `{near[0]}`?"
    if isinstance(error, UnexpectedCharacters) and (word in _CHARACTERS or lookalike(word)):
        return _CHARACTERS.get(word) or lookalike(word)
    places = _places(lark)
    state = _state(error)
    kind = error.token.type if isinstance(error, UnexpectedToken) else word
    return places.get((state, kind)) or places.get((state, None)) or _listing(expected)


def advise_line(before: str, last: str) -> str | None:
    """What would be right, where what stands on the line before the unexpected word says it. `last`: the last of it."""
    if last in ('""', "''"):
        other = "'" if last == '""' else '"'
        return f"a text with {last[0]} in it stands in the other quotes: {other}{last[0]}){other}"
    first = re.match(r"\s*(\w+)", before)
    meant = _SYNONYMS.get(first[1]) if first else None
    return f"did you mean `{meant}`?" if meant in ("claim", "hold out") else None


def advise_number(word: str) -> str:
    """What would be right, for a word that begins like a number."""
    if "_" in word:
        return "digits stand without separators, as 1000000, or with K, M or G, as 1M"
    if re.fullmatch(r"[\d.]+[kmg]", word):
        return f"write {word.upper()}: K, M and G are capitals"
    if re.fullmatch(r"[\d.]+[kKMmGg]?[A-Za-z]+", word) and not re.fullmatch(r"\d+(?:st|nd|rd|th)", word):
        return "a number stands without a unit; K, M and G are thousands, millions and billions, as 50M"
    return "a name begins with a letter"


def advise_minus(before: str, after: str) -> str:
    """What would be right, for a minus that begins no number."""
    if before.isalnum() and after.isalnum():
        return "names are made of letters, digits and `_`"
    return "there is no arithmetic; a loss minus the untouched model's is `rise`"


def completes(error: UnexpectedToken) -> bool:
    """Whether what stands before the unexpected token is complete."""
    return bool(_expected(error) & {"_CLOSE", "$END"})


def _listing(expected: Iterable[str]) -> str | None:
    """The few things that could stand here."""
    if set(expected) == {"_EQUALS", "_OPEN"}:
        return SETTING
    words = [_TERMINALS.get(name, f"`{name.lstrip('_').lower()}`") for name in sorted(expected)]
    words = [word for word in words if word]
    return f"expected {' or '.join(words)}" if 0 < len(words) <= 8 else None


def _expected(error: UnexpectedInput) -> set[str]:
    if isinstance(error, UnexpectedToken):
        return set(error.accepts or error.expected)
    return set(error.allowed or ()) if isinstance(error, UnexpectedCharacters) else set()


def _kind(error: UnexpectedInput, text: str) -> str:
    """The kind of the unexpected token, or the character that begins none."""
    return error.token.type if isinstance(error, UnexpectedToken) else text[error.pos_in_stream or 0]


def _state(error: UnexpectedInput) -> object:
    return getattr(error.state, "position", error.state)


@cache
def _places(lark: Lark) -> Mapping[tuple[object, str | None], str]:
    """(parser state, kind of token or None for any) -> advice, from the examples."""
    found: dict[tuple[object, str | None], str] = {}
    for table, any_token in ((AT_TOKEN, False), (AT_PLACE, True)):
        for advice, examples in table.items():
            for example in examples:
                try:
                    lark.parse(example)
                except UnexpectedInput as error:
                    kind = None if any_token else _kind(error, example)
                    found.setdefault((_state(error), kind), advice)
    return found
