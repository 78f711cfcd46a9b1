"""All that can be found out about programs without computing: `check --no-run`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from circuitlang.claims.reach import check_reach
from circuitlang.language.files import programs
from circuitlang.language.program.bridge import Bridge
from circuitlang.language.program.check import Memo
from circuitlang.language.program.errors_spec import not_built
from circuitlang.language.program.load import (
    Reader,
    bytes_of,
    load,
    project_root,
)
from circuitlang.language.program.order import fit_layers
from circuitlang.language.program.plugins import intervention_row, metric_row
from circuitlang.language.program.program import Program
from circuitlang.language.program.spec import Quantity, Spec
from circuitlang.language.program.task import Task
from circuitlang.language.program.vocabulary import FEATURES, METRICS
from circuitlang.model.locate import TOKENS, model_folder, read_config, with_model
from circuitlang.source.diagnostic import CommandError, Diagnostic, ProgramError, Span

if TYPE_CHECKING:
    from circuitlang.prompts.features import Cut


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
    memo, names = Memo(), {path.resolve(): str(path) for path in files}
    admissions: set[Span] = set()
    for path in files:
        try:
            program = load(path, reader=reader, memo=memo, names=names)
            program = program if model is None else with_model(program, model)
            checked.append(program)
            found += program.warnings
            found += [d for task in program.tasks.values() for d in memo(supported, task)]
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
                yield from _shortcuts(spec, project_root(Path(program.source.name)))
    done = {text for text, _ in asked}
    for program in checked:
        for task in program.tasks.values():
            if task.span.source == program.source and task.text not in done:
                done.add(task.text)
                yield from check_cues(task)


def shortcuts_of(spec: Spec, root: Path) -> tuple[str, ...]:
    """The same of one spec's task, as text for its report."""
    return tuple(f"{d.message}; {d.hint}" for d in _shortcuts(spec, root))


def _shortcuts(spec: Spec, root: Path) -> list[Diagnostic]:
    from circuitlang.prompts.cues import check_cues

    return check_cues(spec.task, tokens_of(model_folder(spec, root)), f" --model {spec.model}")


def tokens_of(folder: Path) -> Cut:
    """What cuts texts into the tokens of the model in a folder."""
    from circuitlang.prompts.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(folder / TOKENS)
    return lambda texts: [encoded.offsets for encoded in tokenizer.encode_many(texts)]


Severity = Literal["error", "warning"]
"""A warning where nothing is to be run, an error where it is."""


def unbuilt(spec: Spec, severity: Severity) -> list[Diagnostic]:
    """One diagnostic for each word of the spec that is right and that nothing measures."""
    missing = list(_circuit(spec))
    for claim in spec.claims:
        for side in claim.quantities:
            missing += _quantity(side)
    return [not_built(span or spec.span, what, severity) for span, what in missing]


def unbuilt_bridge(bridge: Bridge, severity: Severity) -> list[Diagnostic]:
    """Nothing, or that bridges are not trained yet."""
    feature = FEATURES["bridges"]
    return [] if feature.built else [not_built(bridge.span.part(0, len("bridge")), feature.meaning, severity)]


def _circuit(spec: Spec) -> Iterator[tuple[Span | None, str]]:
    if spec.circuit is None:
        return
    if spec.circuit.arrows and not FEATURES["arrows"].built:
        yield spec.circuit.span, FEATURES["arrows"].meaning


def _quantity(quantity: Quantity) -> Iterator[tuple[Span | None, str]]:
    metric = metric_row(quantity.metric)
    if not metric.built or (metric.name not in METRICS and not metric.measure):
        yield quantity.span, metric.name
    for act in quantity.interventions:
        kind = intervention_row(act.kind)
        if act.form not in kind.runs:
            form = kind.signatures[kind.forms.index(act.form)]
            yield act.span, form.partition(", [")[0].removesuffix(")") + ")"
        for option in ("at", "to"):
            if getattr(act, option) is not None and option not in kind.runs:
                yield act.span, f"{kind.name}(…, {option}=…)"
    if len(quantity.interventions) > 1 and not FEATURES["together"].built:
        yield quantity.interventions[1].span, FEATURES["together"].meaning
