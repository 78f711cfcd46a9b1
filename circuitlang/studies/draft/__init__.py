"""A task and a model -> a first spec: a circuit, guesses of what its parts do, and claims from what was measured."""
