"""The two consoles, and what is said of checked files. Plain lines do without rich, which takes long to load."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from circuitlang.program.program import Program
from circuitlang.source import Diagnostic

if TYPE_CHECKING:
    from rich.console import Console


class _Console:
    def __init__(self, **options: Any) -> None:
        self._options = options

    @cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return Console(**self._options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._console, name)


errors = cast("Console", _Console(stderr=True, highlight=False, soft_wrap=True))
output = cast("Console", _Console(highlight=False))


def say(lines: Iterable[str]) -> None:
    """Lines of a result, as they are: no markup, no wrapping."""
    for line in lines:
        sys.stdout.write(line + "\n")


def warn(warnings: Sequence[Diagnostic]) -> None:
    """What is no mistake but has no effect."""
    for warning in warnings:
        sys.stderr.write(warning.render() + "\n\n")


def say_checked(programs: Sequence[Program]) -> None:
    """That no mistake was found, and in how much."""
    count = sum(len(program.source.text.splitlines()) for program in programs)
    say([f"{len(programs)} files, {count} lines: no mistakes found."])
