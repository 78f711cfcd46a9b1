"""The verbs of whoever writes tasks and specs: check without running, format, preview, show, explain. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from circuitlang.cache import Cache, code_digest, default_folder, key_of
from circuitlang.model.locate import TOKENS, locate, read_config
from circuitlang.program.fit import fit_layers
from circuitlang.program.load import load, project_root, read
from circuitlang.program.once import Once
from circuitlang.program.program import Program
from circuitlang.program.spec import Spec
from circuitlang.program.task import Task
from circuitlang.program.unbuilt import unbuilt, unbuilt_bridge
from circuitlang.prompts.prompt import Datapoint, Split
from circuitlang.source import CommandError, Diagnostic, ProgramError, Span
from circuitlang.syntax.format import format_file
from circuitlang.syntax.parse import parse

EXTENSIONS = (".cir", ".task")
Block = TypeVar("Block")


def programs(paths: Sequence[Path]) -> Iterator[Path]:
    """The program files that the paths name, folders searched, each once. CommandError for a folder without any."""
    seen: set[Path] = set()
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.suffix in EXTENSIONS and p.is_file())
        if path.is_dir() and not inside:
            raise CommandError(f"{path}: there is no .cir or .task file in this folder")
        for file in inside if path.is_dir() else [path]:
            if file not in seen:
                seen.add(file)
                yield file


def check_text(paths: Sequence[Path], measure: bool = False) -> tuple[list[Program], list[Diagnostic]]:
    """`check --no-run`: all that can be found without computing, in all files at once: the programs, the warnings.

    Raises ProgramError with every mistake of every file; `measure` also for what is right and nothing can measure yet.
    """
    severity = "error" if measure else "warning"
    checked: list[Program] = []
    found: list[Diagnostic] = []
    files = list(programs(paths))
    once, names = Once(), {path.resolve(): str(path) for path in files}
    admissions: set[Span] = set()
    for path in files:
        try:
            program = load(path, once=once, names=names)
            checked.append(program)
            found += program.warnings
            found += [d for task in program.tasks.values() for d in once(supported, task)]
            specs = [spec for spec in program.specs.values() if spec.span not in admissions]
            found += [d for spec in specs for d in admitted(spec, project_root(path))]
            admissions.update(spec.span for spec in specs)
            found += [d for spec in specs for d in unbuilt(spec, severity)]
            found += [d for bridge in program.bridges.values() for d in unbuilt_bridge(bridge, severity)]
        except ProgramError as error:
            found += error.diagnostics
    found = list(dict.fromkeys(found))
    if any(diagnostic.severity == "error" for diagnostic in found):
        raise ProgramError(found)
    return checked, found


def supported(task: Task) -> list[Diagnostic]:
    """Whether a task has enough prompts for its three splits."""
    from circuitlang.prompts.support import check_support

    return check_support(task)


def admitted(spec: Spec, root: Path) -> list[Diagnostic]:
    """Whether the spec's model can be asked its task and has the circuit's layers: answers of one token, prompts within
    the context."""
    try:
        folder = locate(spec.model, root, spec.recipe is not None)
        config, _ = read_config(folder)
        return [*fit_layers(spec, config.layers), *_asked(spec, folder / TOKENS, config.context)]
    except CommandError as error:
        return [Diagnostic("CIR-212", str(error), spec.span)]


def _asked(spec: Spec, tokens: Path, context: int) -> list[Diagnostic]:
    """What is wrong between a task and a tokenizer. That nothing is, the user's cache remembers."""
    try:
        text = tokens.read_text(encoding="utf-8")
    except (OSError, ValueError):
        text = ""  # which `load_tokenizer` explains
    cache, key = Cache(default_folder()), key_of("admit", spec.task.text, text, context, code_digest())
    if cache.get(key) is not None:
        return []
    from circuitlang.prompts.admit import admit
    from circuitlang.prompts.tokenizer import load_tokenizer

    found = admit(spec.task, load_tokenizer(tokens), context, spec.model)
    if not found:
        cache.put(key, b"admitted")
    return found


def format_text(path: Path) -> tuple[str, str]:
    """`fmt`: the file as it is and in canonical form."""
    source = read(path)
    return source.text, format_file(parse(source))


def preview(
    path: Path, name: str | None, split: Split, count: int, where: Mapping[str, tuple[int, int]], seed: int
) -> tuple[Task, list[Datapoint]]:
    """`preview`: a task and its first datapoints."""
    from circuitlang.prompts.generate import Generator

    task = choose(load(path).tasks, name, "task", path)
    unknown = sorted(set(where) - set(task.param_names))
    if unknown:
        known = ", ".join(task.param_names) or "none"
        raise CommandError(f"task {task.name} has no param `{unknown[0]}`; its params: {known}")
    return task, list(Generator(task, seed).datapoints(split, range(count), where))


def explain(code: str) -> list[str]:
    """`explain`: what a diagnostic's code means."""
    from circuitlang.program.codes import codes
    from circuitlang.prompts.admit import CODES

    known = {**{name: code.meaning for name, code in codes().items()}, **CODES}
    if code.upper() not in known:
        raise CommandError(f"there is no diagnostic {code}; the codes are {min(known)} to {max(known)}")
    return [f"{code.upper()}: {known[code.upper()]}"]


def show_text(stage: str, path: Path, name: str | None, seed: int) -> list[str]:
    """`show`: the value of a stage that needs no model's computation, as lines."""
    from circuitlang.report.listing import name_lines, prompt_lines, value_lines

    if stage == "tree":
        return list(value_lines(parse(read(path))))
    if stage == "program":
        return list(value_lines(load(path)))
    if stage == "prompts":
        return list(prompt_lines(*preview(path, name, "train", 3, {}, seed)))
    spec = choose(load(path).specs, name, "spec", path)
    config, _ = read_config(locate(spec.model, project_root(path), spec.recipe is not None))
    return list(name_lines(config.layers))


def choose(named: Mapping[str, Block], name: str | None, kind: str, path: Path) -> Block:
    """The block of that name, or the only one. CommandError that lists what there is."""
    if name is None and len(named) == 1:
        return next(iter(named.values()))
    if name is not None and name in named:
        return named[name]
    known = ", ".join(sorted(named)) or "none"
    asked = f"there is no {kind} `{name}`" if name else f"there are {len(named)} {kind}s; say which"
    raise CommandError(f"{path}: {asked} (known: {known})")
