"""The messages' functions -> a table of every diagnostic code and its meaning, for `explain` and the reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import FunctionType

from circuitlang.language.program import errors, errors_circuit, errors_claim, errors_spec
from circuitlang.language.syntax import mistakes


@dataclass(frozen=True)
class Code:
    """`meaning` is one sentence. A warning does not stop a program."""

    code: str
    meaning: str
    warning: bool


@cache
def codes() -> Mapping[str, Code]:
    """Every code in order. A code is read from the one function that gives it, so the two cannot differ."""
    found: dict[str, Code] = {}
    for module in (mistakes, errors, errors_spec, errors_circuit, errors_claim):
        for function in vars(module).values():
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                constants = [text for text in function.__code__.co_consts if isinstance(text, str)]
                for code in dict.fromkeys(text for text in constants if re.fullmatch(r"CIR-\d{3}", text)):
                    meaning = " ".join((function.__doc__ or "").split()).removesuffix(" (a warning).")
                    found[code] = Code(code, meaning.rstrip(".") + ".", "warning" in constants)
    return dict(sorted(found.items()))
