"""The public name of what property tests of a model on a task draw from (docs/testing.md); it lies in prompts/."""

from circuitlang.prompts.hypothesis_strategies import datapoints, prompts

__all__ = ["datapoints", "prompts"]
