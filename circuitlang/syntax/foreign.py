"""A text that cannot be parsed -> which other language it is written in, where it plainly is one."""

from __future__ import annotations

import re

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
