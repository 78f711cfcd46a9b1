"""A diagnostic's code -> what it means: the docstring of the function that writes the message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import FunctionType, ModuleType

from circuitlang.program import errors
from circuitlang.syntax import mistakes

CODE = re.compile(r"CIR-\d{3}")


def codes(*modules: ModuleType) -> Mapping[str, str]:
    """Every code that the functions of the modules can give, with its meaning. Codes are constants of a function, so
    they are read from its compiled code: there is no second list to keep in step."""
    found: dict[str, str] = {}
    for module in modules or (mistakes, errors):
        for function in vars(module).values():
            if not isinstance(function, FunctionType) or function.__module__ != module.__name__:
                continue
            for constant in function.__code__.co_consts:
                if isinstance(constant, str) and CODE.fullmatch(constant):
                    found[constant] = " ".join((function.__doc__ or "").split())
    return dict(sorted(found.items()))
