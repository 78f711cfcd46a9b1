"""Write down what a circuit is claimed to do; find out whether it is true.

From Python (docs/api.md): `check(path)` gives a `Report`, `prune(path)` a list of `Circuit`, `load(path)` the checked
program, `train(path)` and `load_model(name)` a `Model` to look into. `Options` says how something runs. `ProgramError`
has every mistake of a program, `CommandError` one sentence. `strategies` is for property-based tests of tasks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from circuitlang import strategies
    from circuitlang.checking.job import Options
    from circuitlang.interfaces.api.model import Model
    from circuitlang.interfaces.api.verbs import check, load, load_model, prune, train
    from circuitlang.report.circuit import Circuit
    from circuitlang.report.report import Report
    from circuitlang.source.diagnostic import CommandError, ProgramError

__version__ = "0.1.0"
__all__ = [
    "Circuit",
    "CommandError",
    "Model",
    "Options",
    "ProgramError",
    "Report",
    "__version__",
    "check",
    "load",
    "load_model",
    "prune",
    "strategies",
    "train",
]

_HOMES = {
    "Circuit": "report.circuit:Circuit",
    "CommandError": "source.diagnostic:CommandError",
    "Model": "interfaces.api.model:Model",
    "Options": "checking.job:Options",
    "ProgramError": "source.diagnostic:ProgramError",
    "Report": "report.report:Report",
    "check": "interfaces.api.verbs:check",
    "load": "interfaces.api.verbs:load",
    "load_model": "interfaces.api.verbs:load_model",
    "prune": "interfaces.api.verbs:prune",
    "train": "interfaces.api.verbs:train",
}


_LOAD_TORCH = ("Model", "check", "load_model", "prune", "train")


def __getattr__(name: str) -> Any:
    """The public names, each loaded when it is first asked for, so that importing the package costs nothing."""
    if name in _HOMES:
        if name in _LOAD_TORCH:
            import_module("circuitlang.model.hardware").pin()
        module, _, own = _HOMES[name].partition(":")
        return getattr(import_module(f"circuitlang.{module}"), own)
    if name == "strategies":
        return import_module("circuitlang.strategies")
    raise AttributeError(f"module 'circuitlang' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
