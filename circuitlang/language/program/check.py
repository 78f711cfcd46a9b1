"""Syntax trees of all files -> the checked program; finds every mistake."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from circuitlang.language.program import errors
from circuitlang.language.program.bridge import Bridge
from circuitlang.language.program.check_bridge import check_bridge
from circuitlang.language.program.check_model import check_corpus, check_model
from circuitlang.language.program.check_spec import check_spec
from circuitlang.language.program.check_task import check_task
from circuitlang.language.program.program import Program
from circuitlang.language.program.recipe import Corpus, Recipe
from circuitlang.language.program.spec import Spec
from circuitlang.language.program.task import Task
from circuitlang.language.syntax import tree
from circuitlang.source.diagnostic import Diagnostic, ProgramError, Source, Span


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


_T = TypeVar("_T")


@dataclass(frozen=True)
class Unit:
    """One file. `uses`: the files whose names it sees, by their place in the list of all files."""

    source: Source
    file: tree.File
    uses: frozenset[int]


def check(units: Sequence[Unit], memo: Memo | None = None) -> Program:
    """The program of all files, the named one last. Raises ProgramError with every mistake of every file. `once`:
    the blocks that the same run checked before."""
    memo = memo or Memo()
    found: list[Diagnostic] = []
    for unit in units:
        version = unit.file.version
        if version is not None and version.number.value != 1:
            found.append(errors.unknown_version(version.number.span))
        if not unit.file.items:
            found.append(errors.no_blocks(_first_line(unit.source)))
    blocks = _Blocks.of(units, found)
    tasks: dict[str, Task] = {}
    corpora: dict[str, Corpus] = {}
    recipes: dict[str, Recipe] = {}
    specs: dict[str, Spec] = {}
    bridges: dict[str, Bridge] = {}
    for _, task in blocks.of_type(tree.Task):
        tasks[task.name.text], problems = memo(check_task, task)
        found += problems
    for _, corpus in blocks.of_type(tree.Corpus):
        corpora[corpus.name.text], problems = memo(check_corpus, corpus)
        found += problems
    for place, model in blocks.of_type(tree.Model):
        others = blocks.visible(place, tree.Model, dict.fromkeys(blocks.names(tree.Model)))
        recipe, problems = check_model(model, blocks.visible(place, tree.Corpus, corpora), others)
        recipes |= {model.name.text: recipe} if recipe else {}
        found += problems
    for place, spec in blocks.of_type(tree.Spec):
        models = blocks.visible(
            place, tree.Model, {name: recipes.get(name) for name in blocks.names(tree.Model)}
        )
        checked, problems = check_spec(spec, blocks.visible(place, tree.Task, tasks), models)
        specs |= {spec.name.text: checked} if checked else {}
        found += problems
    for place, bridge in blocks.of_type(tree.Bridge):
        models = blocks.visible(
            place, tree.Model, {name: recipes.get(name) for name in blocks.names(tree.Model)}
        )
        others = {name: specs.get(name) for name in blocks.names(tree.Spec)}
        texts = blocks.visible(place, tree.Corpus, corpora)
        checked, problems = check_bridge(bridge, texts, models, blocks.visible(place, tree.Spec, others))
        bridges |= {bridge.name.text: checked} if checked else {}
        found += problems
    mistakes = [problem for problem in found if problem.severity == "error"]
    if mistakes:
        raise ProgramError(mistakes)
    warnings = sorted(found, key=lambda d: (d.span.source.name, d.span.start, d.code))
    return Program(
        tasks, corpora, recipes, specs, tuple(unit.source for unit in units), tuple(warnings), bridges
    )


def _first_line(source: Source) -> Span:
    """The first line with anything on it."""
    match = re.search(r"\S[^\n]*", source.text)
    return Span(source, *match.span()) if match else Span(source, 0, 0)


@dataclass(frozen=True)
class _Blocks:
    """Every named block of every file, memo, with the place of its file. Each kind of block has names of its
    own."""

    units: Sequence[Unit]
    found: Mapping[tuple[type, str], tuple[int, tree.TopLevel]]

    @classmethod
    def of(cls, units: Sequence[Unit], problems: list[Diagnostic]) -> _Blocks:
        blocks: dict[tuple[type, str], tuple[int, tree.TopLevel]] = {}
        for place, unit in enumerate(units):
            for item in unit.file.items:
                if isinstance(item, tree.Use):
                    continue
                key = type(item), item.name.text
                if key in blocks:
                    first = blocks[key][1]
                    assert not isinstance(first, tree.Use)
                    kind = type(item).__name__.lower()
                    problems.append(errors.declared_twice(kind, item.name.span, first.name.span))
                else:
                    blocks[key] = place, item
        return cls(units, blocks)

    def of_type(self, kind: type[_T]) -> list[tuple[int, _T]]:
        return [(place, block) for place, block in self.found.values() if isinstance(block, kind)]

    def names(self, kind: type) -> list[str]:
        return [name for other, name in self.found if other is kind]

    def visible(self, place: int, kind: type, values: Mapping[str, _T]) -> dict[str, _T]:
        """Of the values, those declared in a file or in one that it uses."""
        seen = self.units[place].uses | {place}
        return {
            name: values[name]
            for name in self.names(kind)
            if name in values and self.found[kind, name][0] in seen
        }
