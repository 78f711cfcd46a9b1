"""Program: everything that a file and the files it uses declare, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from circuitlang.language.program.bridge import Bridge
from circuitlang.language.program.recipe import Corpus, Recipe
from circuitlang.language.program.spec import Spec
from circuitlang.language.program.task import Task
from circuitlang.source.diagnostic import Diagnostic, Source


@dataclass(frozen=True)
class Program:
    """`sources`: every file that went in, the named one last. `warnings`: what is no mistake but has no
    effect."""

    tasks: Mapping[str, Task]
    corpora: Mapping[str, Corpus]
    recipes: Mapping[str, Recipe]
    specs: Mapping[str, Spec]
    sources: tuple[Source, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    bridges: Mapping[str, Bridge] = field(default_factory=dict)

    @property
    def source(self) -> Source:
        """The file that was named; the others are used by it."""
        return self.sources[-1]
