"""A task or a corpus previewed; the value of any stage of a file shown. Torch for `show graph` alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from circuitlang.checking.job import Options
from circuitlang.checking.static import tokens_of
from circuitlang.language.files import choose
from circuitlang.language.program.load import load, project_root
from circuitlang.model.locate import model_folder
from circuitlang.source.diagnostic import CommandError, ProgramError
from circuitlang.studies.prune_spec import prune

if TYPE_CHECKING:
    from circuitlang.language.program.task import Task

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from circuitlang.language.program.check_claim import makes_too_long
from circuitlang.language.program.load import read
from circuitlang.language.program.recipe import Corpus
from circuitlang.language.program.sizes import MAX_TEXT
from circuitlang.language.program.task import Task
from circuitlang.language.syntax.parse import parse
from circuitlang.model.locate import TOKENS, locate, read_config
from circuitlang.prompts.prompt import Datapoint, Split

if TYPE_CHECKING:
    from rich.text import Text

    from circuitlang.prompts.cues import Cues
    from circuitlang.prompts.predictable import Predictable


def preview(
    path: Path, name: str | None, split: Split, count: int, where: Mapping[str, tuple[int, int]], seed: int
) -> tuple[Task, list[Datapoint]]:
    """`preview`: a task and its first datapoints."""
    from circuitlang.prompts.generate import Generator
    from circuitlang.prompts.support import check_support, support

    task = pinned(path, name, where)
    if not support(task, where, enough=1):  # which the generator would look for
        raise ProgramError(check_support(task, where))
    return task, list(Generator(task, seed).datapoints(split, range(count), where))


def is_corpus(path: Path, name: str | None) -> bool:
    """Whether what `preview` is asked for is a corpus: of that name, or in a file that has corpora and no tasks."""
    found = load(path)
    return not found.tasks and bool(found.corpora) if name is None else name in found.corpora


def preview_corpus(
    path: Path, name: str | None, model: str | None, count: int, seed: int
) -> tuple[Corpus, list[str], dict[str, Predictable]]:
    """`preview` of a corpus: its first documents, and how much of its text can be predicted, in tokens of the model or
    in words."""
    from circuitlang.prompts.document import rule_documents
    from circuitlang.prompts.features import words
    from circuitlang.prompts.predictable import predictable_streams

    root = project_root(path)
    corpus = choose(load(path).corpora, name, "corpus", path)
    cut = tokens_of(locate(model, root)) if model else words
    documents = list(rule_documents(corpus, seed, 0, count))
    return corpus, documents, predictable_streams(corpus, root, seed, cut)


def find_cues(
    path: Path,
    name: str | None,
    model: str | None,
    split: Split,
    count: int | None,
    where: Mapping[str, tuple[int, int]],
    seed: int,
) -> tuple[Task, Cues]:
    """`preview --cues`: what tells a task's cases apart, in tokens of the model or in words."""
    from circuitlang.prompts.cues import DATAPOINTS, cues
    from circuitlang.prompts.features import words

    task = pinned(path, name, where)
    cut = tokens_of(locate(model, project_root(path))) if model else words
    return task, cues(task, cut, seed, count or DATAPOINTS, split, where)


def pinned(path: Path, name: str | None, where: Mapping[str, tuple[int, int]]) -> Task:
    """A task of a file that has these params."""
    task = choose(load(path).tasks, name, "task", path)
    unknown = sorted(set(where) - set(task.param_names))
    if unknown:
        known = ", ".join(task.param_names) or "none"
        raise CommandError(f"task {task.name} has no param `{unknown[0]}`; its params: {known}")
    if makes_too_long(task, {param: high for param, (_, high) in where.items()}):
        pins = ", ".join(f"{param}={high}" for param, (_, high) in where.items())
        raise CommandError(f"--where {pins}: a text could have more than {MAX_TEXT:,} characters")
    return task


@dataclass(frozen=True)
class Shown:
    """A stage's value: as lines to read, and as plain data."""

    lines: Callable[[], Iterable[str | Text]]
    data: Callable[[], Any]


def show_light(stage: str, path: Path, name: str | None, seed: int) -> Shown:
    """`show`: the value of a stage that needs no model's computation."""
    from circuitlang.report import listing
    from circuitlang.report.preview import preview_data, preview_lines

    if stage in ("tree", "program"):
        value = parse(read(path)) if stage == "tree" else load(path)
        return Shown(lambda: listing.value_lines(value), lambda: listing.value_data(value))
    if stage == "tasks":
        known = load(path).tasks
        tasks = list(known.values()) if name is None else [choose(known, name, "task", path)]
        return Shown(lambda: listing.task_lines(tasks), lambda: listing.task_data(tasks))
    if stage == "prompts":
        made = preview(path, name, "train", 3, {}, seed)
        return Shown(lambda: preview_lines(*made), lambda: preview_data(*made))
    spec = choose(load(path).specs, name, "spec", path)
    folder = model_folder(spec, project_root(path))
    if stage == "names":
        layers = read_config(folder)[0].layers
        return Shown(lambda: listing.name_lines(layers), lambda: listing.name_data(layers))
    from circuitlang.prompts.generate import Generator
    from circuitlang.prompts.tokenizer import load_tokenizer

    rows = listing.token_data(
        Generator(spec.task, seed).datapoint("train", 0), load_tokenizer(folder / TOKENS)
    )
    return Shown(lambda: listing.token_lines(rows), lambda: rows)


def show(stage: str, path: Path, name: str | None, seed: int) -> Shown:
    """`show`: the value of any stage of a file."""
    if stage != "graph":
        return show_light(stage, path, name, seed)
    from circuitlang.report.listing import graph_lines

    spec = choose(load(path).specs, name, "spec", path)
    graph = prune(spec, project_root(path), Options(seed=seed))[0].graph
    return Shown(lambda: graph_lines(graph), graph.to_data)
