"""CHECKED PROGRAM -> HYPOTHESIS STRATEGIES."""

from __future__ import annotations

from circuitlang.strategies.datapoints import datapoints, prompts
from circuitlang.strategies.programs import programs, tasks
from circuitlang.strategies.trees import files

__all__ = ["datapoints", "files", "programs", "prompts", "tasks"]
