"""Memo: what was read, parsed and checked in one run, so that nothing is done twice for the files that use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from circuitlang.source.diagnostic import ProgramError

_T = TypeVar("_T")


class Memo:
    """Results of functions, by their arguments: the very same objects, or equal texts and paths."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[tuple[object, ...], Any, ProgramError | None]] = {}

    def __call__(self, function: Callable[..., _T], *arguments: object) -> _T:
        """What the function gave the first time; a ProgramError is raised again."""
        key = (function, *(each if isinstance(each, (str, Path)) else id(each) for each in arguments))
        if key not in self._known:
            result, error = None, None
            try:
                result = function(*arguments)
            except ProgramError as problem:
                error = problem
            self._known[key] = arguments, result, error  # with the arguments, so that no other gets their id
        _, result, error = self._known[key]
        if error is not None:
            raise error
        return result
