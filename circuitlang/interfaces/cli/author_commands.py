"""The commands of whoever writes tasks and specs; none of them needs torch, but for `show graph`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from circuitlang.interfaces.cli.app import (
    Format,
    MistakeFormat,
    MistakesOption,
    Name,
    SeedOption,
    app,
    mistakes_as,
)
from circuitlang.interfaces.cli.console import WRONG, errors, in_colour, output, say, say_json, tell
from circuitlang.report.escape import harmless_to_ci
from circuitlang.source.diagnostic import CommandError, ProgramError
from circuitlang.source.visible import visible

if TYPE_CHECKING:
    from circuitlang.language.files import Formatted
    from circuitlang.prompts.prompt import Split

DIFFERS = 1  # the exit status where a file is not in canonical form


class Stage(StrEnum):
    TREE = "tree"
    PROGRAM = "program"
    PROMPTS = "prompts"
    TASKS = "tasks"
    TOKENS = "tokens"
    GRAPH = "graph"
    NAMES = "names"


class SplitName(StrEnum):
    TRAIN = "train"
    SELECT = "select"
    TEST = "test"


SPLITS: dict[SplitName, Split] = {
    SplitName.TRAIN: "train",
    SplitName.SELECT: "select",
    SplitName.TEST: "test",
}


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="What the task, the spec and their files are called.")],
    folder: Annotated[
        Path | None,
        typer.Option(help="Where tasks/ and specs/ are; default the project's folder, else the current one."),
    ] = None,
    task_only: Annotated[bool, typer.Option("--task-only", help="Write no spec.")] = False,
    example: Annotated[
        bool, typer.Option("--example", help="NAME is a task or a spec that ships: copy it and what it uses.")
    ] = False,
) -> None:
    """Write a task and a spec to start from; nothing is ever overwritten.

    Example: `circuitlang new close_the_quote`, `circuitlang new --example bracket_depth`
    """
    from circuitlang.language import examples, starter

    if example and task_only:
        raise CommandError(
            "--example copies what there is; name a task, as bracket_counting, to copy no spec"
        )
    written = examples.copy_example(name, folder) if example else starter.new(name, folder, task_only)
    say([f"wrote {path}" for path in written] or ["everything is there already, as it ships"])


@app.command()
def preview(
    task: Annotated[Path, typer.Argument(help="A file with tasks, or with corpora.")],
    name: Name = None,
    number: Annotated[
        int | None, typer.Option("-n", min=1, max=100_000, help="How many datapoints; 5, for --cues 512.")
    ] = None,
    split: Annotated[SplitName, typer.Option(help="Which split.")] = SplitName.TRAIN,
    where: Annotated[list[str] | None, typer.Option(help="Pin a param: length=64 or length=8..64.")] = None,
    cues: Annotated[
        bool, typer.Option("--cues", help="Which surface features tell the cases apart, and how well.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="With --cues or of a corpus: count this model's tokens, not words.")
    ] = None,
    seed: SeedOption = 0,
    format: Annotated[
        MistakeFormat, typer.Option(help="How mistakes are printed; json: the prompts, too.")
    ] = MistakeFormat.TEXT,
) -> None:
    """Show a task's prompts, answers, foils and marks; or what tells its cases apart. Of a corpus: documents, and how
    much of its text can be predicted only by copying.

    Example: `circuitlang preview tasks/python.task bracket_counting -n 3`
    """
    from circuitlang.studies import show as stages

    pins = dict(map(_pin, where or []))
    with mistakes_as(format):
        tokens = f"those of {model}" if model else "words and runs of punctuation"
        if stages.is_corpus(task, name):
            from circuitlang.report.preview import corpus_data, corpus_lines

            if cues or pins:
                raise CommandError("--cues and --where are for tasks, and this is a corpus")
            shown = stages.preview_corpus(task, name, model, 2 if number is None else number, seed)
            if format is MistakeFormat.JSON:
                say_json(corpus_data(*shown, tokens))
            else:
                say(corpus_lines(*shown, tokens))
            return
        if model and not cues:
            raise CommandError("--model is for --cues and for a corpus: whose tokens are counted")
        if cues:
            from circuitlang.report.preview import cue_data, cue_lines

            found, seen = stages.find_cues(task, name, model, SPLITS[split], number, pins, seed)
            if format is MistakeFormat.JSON:
                say_json(cue_data(found, seen, SPLITS[split], tokens))
            else:
                say(cue_lines(found, seen, SPLITS[split], tokens))
            return
        from circuitlang.report.preview import preview_data, preview_lines

        found, datapoints = stages.preview(task, name, SPLITS[split], number or 5, pins, seed)
    if format is MistakeFormat.JSON:
        say_json(preview_data(found, datapoints))
    else:
        say(preview_lines(found, datapoints, in_colour()))


def _pin(text: str) -> tuple[str, tuple[int, int]]:
    name, equals, value = text.partition("=")
    low, _, high = value.partition("..")
    try:
        pair = int(low), int(high or low)
    except ValueError:
        pair = (1, 0)
    if not (name and equals) or pair[0] > pair[1]:
        raise CommandError(
            f"--where {text}: write a param and a number or range, as length=64 or length=8..64"
        )
    return name, pair


@app.command()
def fmt(
    files: Annotated[
        list[Path], typer.Argument(help="Files, or folders to search; `-` is standard input to output.")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; status 1 if a file would change.")
    ] = False,
    diff: Annotated[
        bool,
        typer.Option("--diff", help="Write nothing; show what would change, status 1 if anything would."),
    ] = False,
    stdin_filename: Annotated[str, typer.Option(help="What messages call standard input.")] = "<stdin>",
    format: MistakesOption = MistakeFormat.TEXT,
) -> None:
    """Put files into canonical form, comments kept. A file with mistakes is left alone, and the others are not.

    Example: `circuitlang fmt tasks specs`
    """
    with mistakes_as(format):
        if Path("-") in files:
            _format_input(files, check, diff, stdin_filename)
        else:
            _format_files(files, check, diff, format)


def _format_files(files: Sequence[Path], check: bool, diff: bool, format: MistakeFormat) -> None:
    told = output() if format is MistakeFormat.TEXT else errors()  # a format for machines stands alone
    from circuitlang.language.files import format_files

    texts, problems = format_files(files)
    changed = [text for text in texts if text.changed]
    for text in changed:
        if diff:
            _show_diff(text)
            continue
        try:
            if not check:
                text.write()
        except CommandError as error:
            problems.append(error)
            continue
        told.print(
            f"{'would change' if check else 'changed'}: {visible(text.name)}", markup=False, soft_wrap=True
        )
    verb = "would change" if check or diff else "changed"
    summary = f"{_files(len(texts))}: {len(changed)} {verb}, {len(texts) - len(changed)} in canonical form"
    (errors() if diff else told).print(summary, markup=False)
    _raise_all(problems)
    if format is not MistakeFormat.TEXT:
        tell([], format)
    raise typer.Exit(DIFFERS if changed and (check or diff) else 0)


def _files(count: int) -> str:
    return f"{count} file{'s' if count != 1 else ''}"


def _format_input(files: Sequence[Path], check: bool, diff: bool, name: str) -> None:
    """Text in, text out, so that an editor can use it: nothing is printed when it is wrong."""
    if len(files) > 1:
        raise CommandError("`-` is standard input; it stands alone")
    from circuitlang.language.files import format_text

    text = format_text(sys.stdin.buffer.read(), name)
    if diff and text.changed:
        _show_diff(text)
    elif not (check or diff):
        sys.stdout.buffer.write(text.data)
    raise typer.Exit(DIFFERS if text.changed and (check or diff) else 0)


def _show_diff(text: Formatted) -> None:
    from circuitlang.interfaces.cli.author_commands import coloured, text_diff

    made = text_diff(text.name, text.old, text.new)
    if in_colour():
        say(coloured(made))
    else:
        sys.stdout.write(made)


def _raise_all(problems: Sequence[ProgramError | CommandError]) -> None:
    """What was wrong with any file: all of it, at the end."""
    for problem in problems:
        if isinstance(problem, CommandError):
            errors().print(f"error: {visible(str(problem))}", markup=False)
    found = [d for problem in problems if isinstance(problem, ProgramError) for d in problem.diagnostics]
    if found:
        raise ProgramError(found)
    if problems:
        raise typer.Exit(WRONG)


@app.command()
def show(
    stage: Annotated[Stage, typer.Argument(help="Which stage's value.")],
    file: Annotated[Path, typer.Argument(help="A program's file; for tokens, graph and names a spec's.")],
    name: Name = None,
    seed: SeedOption = 0,
    format: Annotated[
        MistakeFormat, typer.Option(help="How mistakes are printed; json: the value, too.")
    ] = MistakeFormat.TEXT,
) -> None:
    """Show what any stage makes of a file.

    Example: `circuitlang show tree tasks/python.task`
    """
    from circuitlang.studies import show as stages

    with mistakes_as(format):
        shown = stages.show(stage.value, file, name, seed)
    if format is MistakeFormat.JSON:
        say_json(shown.data())
    else:
        say(shown.lines())


@app.command()
def explain(
    code: Annotated[
        str | None, typer.Argument(help="A diagnostic's code, as CIR-030; without it, all.")
    ] = None,
    format: Annotated[Format, typer.Option(help="What is printed.")] = Format.TEXT,
) -> None:
    """Say what a diagnostic means, with a program that has the mistake and one that is right. Offline.

    Example: `circuitlang explain CIR-030`
    """
    from circuitlang.report import explanation

    found = explanation.explain(code)
    if format is Format.JSON:
        sys.stdout.write(explanation.explanations_json(found))
    else:
        say(explanation.explanation_lines(found[0]) if code else explanation.list_lines(found))


@app.command()
def lsp() -> None:
    """Start the language server: an editor talks to it over standard input and output.

    Example: `circuitlang lsp` (see docs/editors.md)
    """
    try:
        from circuitlang.interfaces.lsp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        text = "the language server needs pygls; install it with: pip install 'circuitlang[lsp]'"
        raise CommandError(text) from None
    serve()


_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def text_diff(name: str, old: str, new: str) -> str:
    """The diff as plain text. Only what a CI runner would take for a command is spelled differently."""
    before, after = (list(StringIO(text, newline="\n")) for text in (old, new))
    made = [
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in unified_diff(before, after, visible(name), visible(name))
    ]
    return harmless_to_ci("".join(made))


def coloured(diff: str) -> Iterator[Text]:
    """For a terminal: characters that would command it are spelled out."""
    for number, line in enumerate(diff.removesuffix("\n").split("\n")):
        style = "bold" if number < 2 else _STYLES.get(line[:1], "")
        yield Text(visible(line), style)
