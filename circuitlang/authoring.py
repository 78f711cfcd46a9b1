"""The verbs of whoever writes tasks and specs: start, check, format, preview, show, explain. No torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from circuitlang import __version__
from circuitlang.claims.reach import check_reach
from circuitlang.model.locate import TOKENS, locate, model_folder, read_config, with_model
from circuitlang.program.check_where import makes_too_long
from circuitlang.program.corpus import Corpus
from circuitlang.program.fit import fit_layers
from circuitlang.program.load import Reader, bytes_of, find_project, load, project_root, read, read_text
from circuitlang.program.once import Once
from circuitlang.program.program import Program
from circuitlang.program.sizes import MAX_TEXT
from circuitlang.program.spec import Spec
from circuitlang.program.task import Task
from circuitlang.program.unbuilt import unbuilt, unbuilt_bridge
from circuitlang.prompts.plenty import plenty
from circuitlang.prompts.prompt import Datapoint, Split
from circuitlang.source import CommandError, Diagnostic, ProgramError, Source, Span
from circuitlang.storage import write_whole
from circuitlang.syntax.format import format_file
from circuitlang.syntax.parse import parse

if TYPE_CHECKING:
    from rich.text import Text

    from circuitlang.claims.forecast import Costs, Forecast
    from circuitlang.prompts.cues import Cues
    from circuitlang.prompts.features import Cut
    from circuitlang.prompts.predictable import Predictable
    from circuitlang.report.explanation import Explanation
    from circuitlang.report.report import Report

EXTENSIONS = (".cir", ".task")
Block = TypeVar("Block")


def programs(paths: Sequence[Path]) -> Iterator[Path]:
    """The program files that the paths name, folders searched, each once. CommandError for a folder without any."""
    seen: set[Path] = set()
    for path in paths:
        inside = sorted(_inside(path))
        if path.is_dir() and not inside:
            raise CommandError(f"{path}: there is no .cir or .task file in this folder")
        for file in inside if path.is_dir() else [path]:
            if file not in seen:
                seen.add(file)
                yield file


def _inside(folder: Path) -> Iterator[Path]:
    """The program files in a folder, but for hidden folders and Python's environments: those are not the user's."""
    for top, folders, files in os.walk(folder):
        folders[:] = [
            f for f in folders if not f.startswith(".") and not (Path(top, f) / "pyvenv.cfg").is_file()
        ]
        yield from (
            path for file in files if (path := Path(top, file)).suffix in EXTENSIONS and path.is_file()
        )


def check_text(
    paths: Sequence[Path],
    measure: bool = False,
    cues: bool = False,
    reader: Reader = bytes_of,
    model: str | None = None,
) -> tuple[list[Program], list[Diagnostic]]:
    """`check --no-run`: all that can be found without computing, in all files at once: the programs, the warnings.
    `cues`: where there is no mistake also the shortcuts of tasks, which takes a fifth of a second for each.

    Raises ProgramError with every mistake of every file; `measure` also for what is right and nothing can measure yet.
    `reader`: where the bytes of program files come from. `model`: what the specs ask in place of their own.
    """
    severity = "error" if measure else "warning"
    checked: list[Program] = []
    found: list[Diagnostic] = []
    files = list(programs(paths))
    once, names = Once(), {path.resolve(): str(path) for path in files}
    admissions: set[Span] = set()
    for path in files:
        try:
            program = load(path, reader=reader, once=once, names=names)
            program = program if model is None else with_model(program, model)
            checked.append(program)
            found += program.warnings
            found += [d for task in program.tasks.values() for d in once(supported, task)]
            specs = [spec for spec in program.specs.values() if spec.span not in admissions]
            found += [d for spec in specs for d in admitted(spec, project_root(path))]
            admissions.update(spec.span for spec in specs)
            found += [d for spec in specs for d in unbuilt(spec, severity)]
            found += [d for spec in specs for d in check_reach(spec)]
            found += [d for bridge in program.bridges.values() for d in unbuilt_bridge(bridge, severity)]
        except ProgramError as error:
            found += error.diagnostics
    found = list(dict.fromkeys(found))
    if any(diagnostic.severity == "error" for diagnostic in found):
        raise ProgramError(found)
    return checked, [*found, *(shortcuts(checked) if cues else ())]


def supported(task: Task) -> list[Diagnostic]:
    """Whether a task has enough prompts for its three splits."""
    if plenty(task):
        return []
    from circuitlang.prompts.support import check_support

    return check_support(task)


def admitted(spec: Spec, root: Path) -> list[Diagnostic]:
    """Whether the spec's model can be asked its task and has the circuit's layers: answers of one token, prompts within
    the context."""
    try:
        folder = model_folder(spec, root)
        config, _ = read_config(folder)
        return [*fit_layers(spec, config.layers), *_asked(spec, folder / TOKENS, config.context)]
    except CommandError as error:
        return [Diagnostic("CIR-212", str(error), spec.model_at or spec.span.head)]


def _asked(spec: Spec, tokens: Path, context: int) -> list[Diagnostic]:
    """What is wrong between a task and a tokenizer."""
    from circuitlang.prompts.admit import admit, admit_pinned
    from circuitlang.prompts.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(tokens)
    return admit(spec.task, tokenizer, context, spec.model) or admit_pinned(spec, tokenizer, context)


def shortcuts(checked: Sequence[Program]) -> Iterator[Diagnostic]:
    """The lint of tasks, each once: in the tokens of every model that a spec asks; in words where no spec asks, and
    then of the named files only, not of all that they use."""
    from circuitlang.prompts.cues import check_cues

    asked: set[tuple[str, str]] = set()
    for program in checked:
        for spec in program.specs.values():
            if (spec.task.text, spec.model) not in asked:
                asked.add((spec.task.text, spec.model))
                cut = tokens_of(model_folder(spec, project_root(Path(program.source.name))))
                yield from check_cues(spec.task, cut, f" --model {spec.model}")
    done = {text for text, _ in asked}
    for program in checked:
        for task in program.tasks.values():
            if task.span.source == program.source and task.text not in done:
                done.add(task.text)
                yield from check_cues(task)


def tokens_of(folder: Path) -> Cut:
    """What cuts texts into the tokens of the model in a folder."""
    from circuitlang.prompts.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(folder / TOKENS)
    return lambda texts: [encoded.offsets for encoded in tokenizer.encode_many(texts)]


@dataclass(frozen=True)
class Formatted:
    """A file's text as it is and in canonical form. `path`: None for standard input."""

    name: str
    path: Path | None
    old: str
    new: str
    line_end: str

    @property
    def changed(self) -> bool:
        return self.old != self.new

    @property
    def data(self) -> bytes:
        """What to write: line ends stay those of the file."""
        return self.new.replace("\n", self.line_end).encode()

    def write(self) -> None:
        """Where a link leads to, the link stays."""
        if self.path is not None:
            write_whole(self.path.resolve(), self.data)


def format_files(paths: Sequence[Path]) -> tuple[list[Formatted], list[ProgramError | CommandError]]:
    """`fmt`: every file that is a program, and what is wrong with the others."""
    done: list[Formatted] = []
    problems: list[ProgramError | CommandError] = []
    for path in programs(paths):
        try:
            source = read(path)
            new = format_file(parse(source))
            done.append(Formatted(str(path), path, source.text, new, _line_end(path.read_bytes())))
        except (ProgramError, CommandError) as error:
            problems.append(error)
    return done, problems


def format_text(data: bytes, name: str) -> Formatted:
    """`fmt -`: the same for what an editor sends."""
    source = read_text(data, name)
    return Formatted(name, None, source.text, format_file(parse(source)), _line_end(data))


def _line_end(data: bytes) -> str:
    """As the first line has it."""
    return "\r\n" if data.partition(b"\n")[0].endswith(b"\r") else "\n"


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


def new(name: str, folder: Path | None, task_only: bool) -> list[Path]:
    """`new`: a task and a spec to start from. Their paths.

    In a project they go to its folders tasks and specs (or those of `folder`), elsewhere side by side.
    """
    from circuitlang.starter import start

    project = find_project(folder or Path())
    if project is None:
        return start(name, folder or Path(), folder or Path(), task_only)
    folder = folder or Path(os.path.relpath(project))
    return start(name, folder / "tasks", folder / "specs", task_only)


def explain(code: str | None) -> list[Explanation]:
    """`explain`: what a code means, or all codes. CommandError with the nearest codes for an unknown one."""
    from circuitlang.report.explanation import explanations, nearest, normal_code

    known = explanations()
    if code is None:
        return list(known.values())
    name = normal_code(code)
    if name not in known:
        raise CommandError(
            f"there is no diagnostic {code}; the nearest are {', '.join(nearest(name, known))}"
        )
    return [known[name]]


def plan(path: Path, name: str | None, controls: bool, costs: Costs | None = None) -> list[Forecast]:
    """`plan`: what checking a file's specs will cost, of one or of all. `costs`: what a quick pass showed."""
    from circuitlang.claims.forecast import forecast

    specs = check_text([path])[0][0].specs
    chosen = [choose(specs, name, "spec", path)] if name is not None or not specs else list(specs.values())
    return [forecast(spec, controls, costs) for spec in chosen]


def sarif_text(found: Sequence[Diagnostic], judged: Sequence[tuple[Report, Source]] = ()) -> str:
    """Diagnostics, and the claims of reports that do not hold, as SARIF."""
    from circuitlang.report.explanation import explanations
    from circuitlang.report.sarif import sarif

    return sarif(found, explanations() if found else {}, __version__, judged)


def junit_text(found: Sequence[Diagnostic]) -> str:
    """Diagnostics as junit.xml."""
    from circuitlang.report.junit import junit_of_diagnostics

    return junit_of_diagnostics(found)


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


def choose(named: Mapping[str, Block], name: str | None, kind: str, path: Path) -> Block:
    """The block of that name, or the only one. CommandError that lists what there is."""
    if name is None and len(named) == 1:
        return next(iter(named.values()))
    if name is not None and name in named:
        return named[name]
    known = ", ".join(sorted(named)) or "none"
    asked = f"there is no {kind} `{name}`" if name else f"there are {len(named)} {kind}s; say which"
    raise CommandError(f"{path}: {asked} (known: {known})")
