"""A parser's failure -> a diagnostic, and the text from which parsing can go on to find further mistakes.

A text that is plainly in another language is only said to be that. Where parsing can go on: behind the broken item
(what stands between two lines that begin like an item), or else at the next block. What is skipped is blanked out, so
that offsets stay those of the file.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from lark import Lark, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from circuitlang.language.syntax import mistakes
from circuitlang.language.syntax.advice import advise, advise_line, advise_minus, advise_number, completes
from circuitlang.language.syntax.spell import lookalike, mended
from circuitlang.language.syntax.strings import QUOTED
from circuitlang.source.diagnostic import Diagnostic, Source, Span

MAX_FOUND = 20  # syntax mistakes reported of one file
_WORK = 1_000_000  # characters parsed again for further mistakes, at most

_SKIPPED = QUOTED + r"|\#[^\n]*"
_STARTS = re.compile(
    _SKIPPED
    + r"|^[ \t]*(?:(?P<block>(?:task|corpus|model|spec|bridge)[ \t]+[A-Za-z_]\w*\s*\{|use[ \t]+[\"'])"
    + r"|(?P<item>(?:param|rule|draw|hold|case|files|document|claim|role|never)\b|[A-Za-z_]\w*[ \t]*[={])"
    + r"|(?P<close>\}))",
    re.S | re.M,
)
_TOKEN = re.compile(_SKIPPED + r"|[A-Za-z0-9_.%/-]+|[^\sA-Za-z0-9_]", re.S)
_UNITS = frozenset(
    (
        "nat",
        "nats",
        "bits",
        "percent",
        "k",
        "m",
        "g",
        "kb",
        "mb",
        "gb",
        "thousand",
        "million",
        "billion",
        "and",
        "or",
    )
)  # what is written behind numbers elsewhere
_NUMBER = re.compile(r"[0-9][\w.]*", re.ASCII)
_BRACES = re.compile(_SKIPPED + r"|(?P<open>\{)|(?P<close>\})", re.S)


def all_mistakes(lark: Lark, source: Source, error: UnexpectedInput) -> list[Diagnostic]:
    """The diagnostic of a failure and those of the rest of the text, parsed again without what is broken."""
    text = source.text
    if other := foreign(text):
        language, at = other
        end = text.find("\n", at)
        line = Span(source, at, end if end >= 0 else len(text))
        return [mistakes.other_language(line, language)]
    found: list[Diagnostic] = []
    starts = _starts(text)
    resumed = -1  # where parsing went on: a failure right there says nothing new
    work = _WORK
    while True:
        at = position(error, text)
        plain = None
        if at != resumed:
            problem = _explain(lark, source, text, error, starts)
            found.append(problem)
            plain = mended(text, problem.span.start) if problem.code == "CIR-004" else None
        if plain is not None:
            text, resumed = plain, 0
        else:
            text, resumed = _without(text, at, starts, at + (at == resumed))
        work -= len(text) - max(resumed, 0)
        if resumed < 0 or len(found) >= MAX_FOUND or work < 0:
            return found
        try:
            lark.parse(text)
            return found
        except UnexpectedInput as following:
            error = following


def position(error: UnexpectedInput, text: str) -> int:
    """The offset of a failure; the end of the text where more was expected."""
    at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    at = error.pos_in_stream
    return at if isinstance(at, int) and at >= 0 and not at_end else len(text)


def _starts(text: str) -> list[tuple[int, str]]:
    """Where lines begin like a block, an item or a closing brace: (offset of the word, kind), in order."""
    return [
        (match.start(match.lastgroup), match.lastgroup)
        for match in _STARTS.finditer(text)
        if match.lastgroup is not None
    ]


def _without(text: str, at: int, starts: list[tuple[int, str]], least: int) -> tuple[str, int]:
    """The text without what is broken at an offset, and where it goes on, at `least` or later; -1 where
    nothing follows."""
    place = bisect_right(starts, (at, "~"))
    if place and starts[place - 1][0] == at and starts[place - 1][1] != "close":
        place -= 1  # the failure stands at the beginning of an item: what is broken is the one before
    following = next((start for start in starts[place:] if start[0] >= least), None)
    if following is None:
        return text, -1
    to, kind = following
    begin = _begin(text, at, starts[place - 1]) if place else None
    if kind == "block" or begin is None:
        to, begin = next((start[0] for start in starts[place:] if start[1] == "block"), -1), 0
    if to < 0:
        return text, -1
    return text[:begin] + re.sub(r"[^\n]", " ", text[begin:to]) + text[to:], to


def _begin(text: str, at: int, start: tuple[int, str]) -> int | None:
    """Where the broken item begins, by the start before it: there, or on the failure's own line behind a
    brace; None in the first words of a block."""
    offset, kind = start
    if kind == "item":
        return offset
    if kind == "block" and "{" not in text[offset:at]:
        return None
    return max(text.rfind("\n", offset, at), text.rfind("{" if kind == "block" else "}", offset, at)) + 1


def _explain(
    lark: Lark, source: Source, text: str, error: UnexpectedInput, starts: list[tuple[int, str]]
) -> Diagnostic:
    at = position(error, text)
    if at >= len(text.rstrip()):
        return _at_end(source, text)
    line = text.rfind("\n", 0, at) + 1
    block = next((start for start, kind in starts if kind == "block" and line <= start <= at), None)
    if block is not None and "{" not in text[block:at] and _depth(text[:block]):
        return mistakes.unclosed(_last_open(source, text[:block]))
    if isinstance(error, UnexpectedCharacters):
        return _character(lark, source, text, error, at)
    assert isinstance(error, UnexpectedToken)
    end = at + len(error.token)
    if error.token.isidentifier() and end < len(text) and lookalike(text[end]) and not text[end].isspace():
        return mistakes.bad_character(Span(source, end, end + 1), lookalike(text[end]))  # inside a word
    last = _last_token(source, text, at)
    if last is not None and error.token not in ("=", "{") and _is_unit(last):
        return mistakes.unexpected(last, _behind_number(last.text))
    advice = advise_line(text[line:at], last.text if last else "") or advise(lark, error, str(error.token))
    if last is not None and "\n" in text[last.end : at] and not completes(error):
        return mistakes.ends_early(last, advice)
    number = _NUMBER.match(text, at)  # read to its end, of which the token may be a part
    end = number.end() if number else at + max(1, len(error.token))
    return mistakes.unexpected(Span(source, at, end), advice)


def _is_unit(word: Span) -> bool:
    """Whether a word that begins nothing stands behind a number."""
    line = word.source.text[word.source.line_starts[word.line - 1] : word.start]
    return word.text.lower() in _UNITS and bool(re.search(r"(?<![\w.])[0-9][0-9.]*%?[ \t]+\Z", line))


def _behind_number(word: str) -> str:
    joins = word.lower() in ("and", "or")
    return "each condition is a claim of its own" if joins else "a number stands without a unit behind it"


def _last_token(source: Source, text: str, at: int) -> Span | None:
    """The token before an offset."""
    tokens = [match.span() for match in _TOKEN.finditer(text, 0, at) if match.group()[0] != "#"]
    return Span(source, *tokens[-1]) if tokens else None


def _character(lark: Lark, source: Source, text: str, error: UnexpectedCharacters, at: int) -> Diagnostic:
    if text[max(0, at - 2) : at + 1] == '"""':  # read as an empty string and the beginning of another
        return mistakes.unterminated(Span(source, at - 2, at + 1), True)
    if text[at] in "\"'":
        end = text.find("\n", at)
        return mistakes.unterminated(Span(source, at, end if end >= 0 else len(text)), False)
    number = _NUMBER.match(text, at)
    if number:
        return mistakes.unexpected(Span(source, *number.span()), advise_number(number.group()))
    if text[at] == "-":
        advice = advise_minus(text[at - 1 : at], text[at + 1 : at + 2])
        return mistakes.bad_character(Span(source, at, at + 1), advice)
    return mistakes.bad_character(Span(source, at, at + 1), advise(lark, error, text[at]))


def _at_end(source: Source, text: str) -> Diagnostic:
    if _depth(text):
        return mistakes.unclosed(_last_open(source, text))
    return mistakes.ends_early(_last_token(source, text, len(text)) or Span(source, 0, 0), None)


def _open(text: str) -> list[int]:
    """The offsets of the braces that are not closed."""
    stack: list[int] = []
    for match in _BRACES.finditer(text):
        if match["open"]:
            stack.append(match.start())
        elif match["close"] and stack:
            stack.pop()
    return stack


def _depth(text: str) -> int:
    return len(_open(text))


def _last_open(source: Source, text: str) -> Span:
    """The words before the innermost brace that is not closed."""
    brace = _open(text)[-1]
    words = re.search(r"[A-Za-z_]\w*(?:[ \t]+[A-Za-z_]\w*)?(?=\s*$)", text[:brace])
    return Span(source, *words.span()) if words else Span(source, brace, brace + 1)


_OURS = re.compile(
    r"""^\s*(?:(?:task|corpus|model|spec|bridge)\s+\w+\s*\{|use\s+["']|circuitlang\s+\d)""", re.M
)
_SPICE = re.compile(
    r"""^\s*(?:\*  # a comment, or the title
    | [RCLVIQMDX]\w*\s+\w+\s+\w+\s+[^\s"'{}=|]+\s*[^"'{}|]*$  # an element between two nodes
    | \.(?:tran|ac|dc|op|end|model|subckt|include|title|param|lib)\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_FIRST = re.compile(r"^[ \t]*([^#\s])", re.M)
_OTHERS = {  # tried in this order, on the text from its first line that is no comment
    "JSON": re.compile(r"""\s*(?:\{\s*["}]|\[\s*[\[{"\d\]-])"""),
    "XML or HTML": re.compile(r"\s*<[!?A-Za-z]"),
    "Python": re.compile(
        r".*^[ \t]*(?:import [\w.]+(?: as \w+)?$|from [\w.]+ import\b|(?:async )?def \w+\(|class \w+\b.*:$|@\w+)",
        re.M | re.S,
    ),
    "YAML": re.compile(r"(?:---$|- \S|[\w-]+:(?:$|[ \t]+[^{\s][^{]*$))", re.M),
    "TOML": re.compile(r"\[[\w.\"-]+\]$", re.M),
}


def foreign(text: str) -> tuple[str, int] | None:
    """The name of the other language, and the offset of its first line that is no comment."""
    first = _FIRST.search(text)
    if first is None:
        return None
    if is_spice(text):
        return "a SPICE netlist", first.start(1)
    fence = re.search(r"^```", text, re.M)
    if fence and not _OURS.search(text, 0, fence.start()):
        return "Markdown", first.start(1)
    if _OURS.search(text):
        return None
    rest = text[first.start(1) :][:10_000]
    name = next((name for name, pattern in _OTHERS.items() if pattern.match(rest)), None)
    return (name, first.start(1)) if name else None


def is_spice(text: str) -> bool:
    """Whether the first lines are those of a SPICE netlist: no line of circuitlang begins like that."""
    lines = [line for line in text.splitlines() if line.strip()][:8]
    if not lines or re.match(r"\s*(?:circuitlang|use|task|corpus|model|spec|bridge|#)", lines[0]):
        return False
    return sum(bool(_SPICE.match(line)) for line in lines) >= min(2, len(lines))
