"""A `spec` block of the tree -> a checked Spec, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

from circuitlang.program import errors
from circuitlang.program.recipe import Recipe
from circuitlang.program.spec import Spec
from circuitlang.program.task import Task
from circuitlang.source import Diagnostic
from circuitlang.syntax import tree


def check_spec(
    spec: tree.Spec, tasks: Mapping[str, Task], models: Mapping[str, Recipe | None]
) -> tuple[Spec | None, list[Diagnostic]]:
    """The spec, or None where something in it is missing or wrong."""
    return None, [errors.not_built(spec.name.span, f"spec {spec.name.text}")]
