"""A text that the reader refuses -> Lark's own exception for it, which knows what could have stood there."""

from __future__ import annotations

from typing import Any

from lark import Lark, Tree

from circuitlang.syntax.build import recognition
from circuitlang.syntax.lalr import Refused, reader
from circuitlang.syntax.tables import START, Tables


def explain(lark: Lark, text: str) -> None:
    """Raises what `lark.parse(text)` raises; of a well-formed text nothing comes. Lark parses but the token at
    fault."""
    try:
        reader().read(text, recognition(), None)
    except Refused as refused:
        resume(lark, text, refused)


def resume(lark: Lark, text: str, refused: Refused) -> None:
    """Let Lark go on where the reader could not. Raises UnexpectedInput."""
    parser = lark.parse_interactive(text)
    state = parser.parser_state
    state.state_stack[:] = refused.states
    state.value_stack[:] = [Tree("", []) for _ in refused.states[1:]]
    assert parser.lexer_thread.state is not None
    parser.lexer_thread.state.line_ctr.char_pos = refused.at
    parser.resume_parse()
    raise AssertionError(f"Lark takes what the reader refuses at {refused.at}: {text!r}")


def lark_of(tables: Tables) -> Lark:
    """Lark's parser, without its making the tables."""
    return Lark.load(_serialized(tables))


def _serialized(tables: Tables) -> dict[str, Any]:
    """The tables as Lark writes them."""
    symbols = sorted({symbol for state in tables.states for symbol in state})
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    names = {terminal.name for terminal in tables.terminals}
    memo: dict[int, Any] = {}
    for terminal in tables.terminals:
        pattern = {
            "__type__": "PatternRE" if terminal.regular else "PatternStr",
            "value": terminal.pattern,
            "flags": list(terminal.flags),
            "raw": None,
            "_width": list(terminal.width),
        }
        memo[len(memo)] = {
            "__type__": "TerminalDef",
            "name": terminal.name,
            "pattern": pattern,
            "priority": terminal.priority,
        }
    for rule in tables.rules:
        expansion = [
            {"__type__": "Terminal", "name": symbol, "filter_out": symbol.startswith("_")}
            if symbol in names
            else {"__type__": "NonTerminal", "name": symbol}
            for symbol in rule.symbols
        ]
        options = {
            "__type__": "RuleOptions",
            "keep_all_tokens": rule.keeps_tokens,
            "expand1": rule.inlined,
            "priority": None,
            "template_source": None,
            "empty_indices": rule.empty,
        }
        memo[len(memo)] = {
            "__type__": "Rule",
            "origin": {"__type__": "NonTerminal", "name": rule.origin},
            "expansion": expansion,
            "order": rule.order,
            "alias": rule.alias,
            "options": options,
        }
    terminals = [{"@": number} for number in range(len(tables.terminals))]
    rules = [{"@": number} for number in range(len(tables.terminals), len(memo))]
    states = {
        number: {
            numbers[symbol]: (0, action) if action >= 0 else (1, rules[-1 - action])
            for symbol, action in state.items()
        }
        for number, state in enumerate(tables.states)
    }
    parser = {
        "tokens": dict(enumerate(symbols)),
        "states": states,
        "start_states": {START: 0},
        "end_states": {START: tables.end},
    }
    lexer = {
        "__type__": "LexerConf",
        "terminals": terminals,
        "ignore": list(tables.ignored),
        "g_regex_flags": 0,
        "use_bytes": False,
        "lexer_type": "contextual",
    }
    data = {
        "parser": {
            "lexer_conf": lexer,
            "parser_conf": {
                "__type__": "ParserConf",
                "rules": rules,
                "start": [START],
                "parser_type": "lalr",
            },
            "parser": parser,
        },
        "rules": rules,
        "options": {"parser": "lalr", "lexer": "contextual", "start": [START], "maybe_placeholders": True},
    }
    return {"data": data, "memo": memo}
