"""grammar.lark -> the parser's tables, kept in tables.json, since Lark takes half a second to make them.

After a change of the grammar, `python -m circuitlang.syntax.tables` writes them again. Until then they are
made at every start: what is parsed is always the grammar as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circuitlang.record import record

if TYPE_CHECKING:
    from lark import Lark

GRAMMAR = Path(__file__).with_name("grammar.lark")
TABLES = Path(__file__).with_name("tables.json")
START = "file"
END = "$END"  # the terminal behind the last one


@record
class Terminal:
    """`pattern`: a regular expression with its own flags in it; a text where not `regular`."""

    name: str
    pattern: str
    regular: bool
    flags: str
    priority: int
    width: tuple[int, int]  # characters


@record
class Rule:
    """One production. `empty`: per place between and around the symbols, parts that were left out there, as
    Lark writes them."""

    origin: str
    symbols: tuple[str, ...]
    order: int
    alias: str | None
    keeps_tokens: bool
    inlined: bool  # where it has one part
    empty: tuple[bool, ...]


@record
class Tables:
    """`terminals` in the order in which the lexer tries them. `states[s]`: symbol -> the state to go to, or
    -1-r to reduce by rule r; parsing starts in state 0 and ends in state `end`."""

    terminals: tuple[Terminal, ...]
    ignored: tuple[str, ...]
    rules: tuple[Rule, ...]
    states: tuple[Mapping[str, int], ...]
    end: int


@cache
def tables() -> Tables:
    """The tables of the grammar as it stands."""
    grammar = GRAMMAR.read_text(encoding="utf-8")
    kept = json.loads(TABLES.read_text(encoding="utf-8"))
    if kept["grammar"] != grammar:
        return tables_of(build(grammar))
    return Tables(
        tuple(Terminal(*row) for row in kept["terminals"]),
        tuple(kept["ignored"]),
        tuple(Rule(*row) for row in kept["rules"]),
        tuple(kept["states"]),
        kept["end"],
    )


def build(grammar: str) -> Lark:
    """Lark's parser of a grammar, from its text."""
    from lark import Lark

    return Lark(grammar, parser="lalr", start=START, propagate_positions=True, maybe_placeholders=True)


def tables_of(lark: Lark) -> Tables:
    """The tables of a parser, its states numbered in the order in which they are first reached."""
    from lark.parsers.lalr_analysis import Shift

    frontend: Any = lark.parser
    table = frontend.parser._parse_table
    numbers = {rule: number for number, rule in enumerate(lark.rules)}
    found = [table.start_states[START]]
    places = {found[0]: 0}
    states: list[dict[str, int]] = []
    for state in found:  # it grows meanwhile
        actions: dict[str, int] = {}
        for symbol, (action, argument) in sorted(table.states[state].items()):
            if action is not Shift:
                actions[symbol] = -1 - numbers[argument]
                continue
            if argument not in places:
                places[argument] = len(found)
                found.append(argument)
            actions[symbol] = places[argument]
        states.append(actions)
    terminals = [
        Terminal(
            terminal.name,
            terminal.pattern.value,
            terminal.pattern.type == "re",
            "".join(sorted(terminal.pattern.flags)),
            terminal.priority,
            (terminal.pattern.min_width, terminal.pattern.max_width),
        )
        for terminal in frontend.lexer.root_lexer.terminals
    ]
    rules = [
        Rule(
            rule.origin.name,
            tuple(symbol.name for symbol in rule.expansion),
            rule.order,
            rule.alias,
            rule.options.keep_all_tokens,
            rule.options.expand1,
            tuple(map(bool, rule.options.empty_indices)),
        )
        for rule in lark.rules
    ]
    end = places[table.end_states[START]]
    return Tables(tuple(terminals), tuple(lark.ignore_tokens), tuple(rules), tuple(states), end)


def to_json(made: Tables, grammar: str) -> str:
    """The file's text: one state, rule or terminal a line."""

    def rows(values: Sequence[object]) -> str:
        return "[\n" + ",\n".join(json.dumps(value) for value in values) + "\n]"

    parts = {
        "grammar": json.dumps(grammar),
        "terminals": rows([tuple(vars(terminal).values()) for terminal in made.terminals]),
        "ignored": json.dumps(made.ignored),
        "rules": rows([tuple(vars(rule).values()) for rule in made.rules]),
        "states": rows(made.states),
        "end": json.dumps(made.end),
    }
    return "{\n" + ",\n".join(f'"{name}": {text}' for name, text in parts.items()) + "\n}\n"


if __name__ == "__main__":
    text = GRAMMAR.read_text(encoding="utf-8")
    TABLES.write_text(to_json(tables_of(build(text)), text), encoding="utf-8")
