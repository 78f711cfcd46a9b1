"""CHECKED PROGRAM -> HYPOTHESIS STRATEGIES."""

from __future__ import annotations

try:
    import hypothesis as _hypothesis  # noqa: F401
except ModuleNotFoundError:
    message = "circuitlang.strategies needs Hypothesis: pip install 'circuitlang[testing]'"
    raise ModuleNotFoundError(message, name="hypothesis") from None

from circuitlang.strategies.datapoints import datapoints, prompts
from circuitlang.strategies.programs import programs, tasks
from circuitlang.strategies.trees import files

__all__ = ["datapoints", "files", "programs", "prompts", "tasks"]
