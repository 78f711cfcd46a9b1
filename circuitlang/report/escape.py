"""User text -> text that shows what it holds and commands nothing: no terminal, no page, no CI runner."""

from __future__ import annotations

import re
from collections.abc import Mapping

from circuitlang.source.visible import no_command, visible

__all__ = ["harmless_to_ci", "lone_surrogates_spelled", "no_command", "visible", "workflow_command"]

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def lone_surrogates_spelled(text: str) -> str:
    """Text that can be written as UTF-8. Bytes of a command line that are none become `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def harmless_to_ci(lines: str) -> str:
    """Lines that no CI runner takes for a command: `::name::` where a line begins, `##[name]`, `##vso[name]` and
    the like anywhere."""
    return "\n".join(_harmless(line) for line in lines.split("\n"))


def _harmless(line: str) -> str:
    line = no_command(line)
    if not _ANSI.sub("", line).lstrip().startswith("::"):
        return line
    return line.replace("::", r"\x3a:", 1)


def workflow_command(level: str, properties: Mapping[str, object], said: str) -> str:
    """A line that GitHub Actions shows as an annotation, as `::error file=a.cir,line=3,title=x::said`."""
    places = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{level} {places}::{_data(said)}"


def _data(text: str) -> str:
    """What stands after the second `::`; visible text has no line ends left to encode."""
    return visible(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
