"""A file before and after -> a unified diff that `patch` takes, or its lines in colour."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from io import StringIO

from rich.text import Text

from circuitlang.report.escape import harmless_to_ci, visible

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def text_diff(name: str, old: str, new: str) -> str:
    """The diff as plain text. Only what a CI runner would take for a command is spelled differently."""
    before, after = (list(StringIO(text, newline="\n")) for text in (old, new))
    made = [
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in unified_diff(before, after, visible(name), visible(name))
    ]
    return harmless_to_ci("".join(made))


def coloured(diff: str) -> Iterator[Text]:
    """For a terminal: characters that would command it are spelled out."""
    for number, line in enumerate(diff.removesuffix("\n").split("\n")):
        style = "bold" if number < 2 else _STYLES.get(line[:1], "")
        yield Text(visible(line), style)
