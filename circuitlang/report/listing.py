"""Prompts, cards and stages of a program -> lines of text for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from circuitlang.program.expression import Template, Text
from circuitlang.program.task import Task
from circuitlang.prompts.prompt import Datapoint
from circuitlang.report.escape import visible
from circuitlang.site import PRUNED_PLACES, Place, Site
from circuitlang.source import Source, Span

_HIDDEN = frozenset({"span", "notes", "end", "sources"})


def prompt_lines(task: Task, datapoints: Sequence[Datapoint]) -> Iterator[str]:
    """Every prompt with its answer, its foils and which text carries which mark."""
    for datapoint in datapoints:
        held = ", held out" if datapoint.held_out else ""
        yield f"{task.name} {datapoint.split}[{datapoint.index}]{held}"
        for prompt in datapoint.prompts:
            yield f"  case {prompt.case}"
            yield from (f"    | {visible(line)}" for line in prompt.text.split("\n"))
            foils = " ".join(f"`{visible(foil)}`" for foil in prompt.foils)
            yield f"    answer {'not ' if prompt.negated else ''}`{visible(prompt.answer)}`   foils {foils}"
            marks = [f"{m.name}=`{visible(prompt.text[m.start : m.end])}`" for m in prompt.marks]
            yield f"    marks  {'  '.join(marks)}"


def prompts_data(datapoints: Sequence[Datapoint]) -> list[dict[str, Any]]:
    """The same as plain data, one entry per prompt."""
    return [
        {
            "split": datapoint.split,
            "index": datapoint.index,
            "held_out": datapoint.held_out,
            "case": prompt.case,
            "text": prompt.text,
            "answer": prompt.answer,
            "foils": list(prompt.foils),
            "negated": prompt.negated,
            "marks": [{"name": m.name, "start": m.start, "end": m.end} for m in prompt.marks],
        }
        for datapoint in datapoints
        for prompt in datapoint.prompts
    ]


def card_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """A model's card, as its reader needs it: what it can do first."""
    parameters, machine = card.get("parameters", {}), card.get("machine", {})
    yield f"model {card.get('name', '?')}: {visible(str(card.get('doc') or ''))}"
    if parameters:
        share = parameters["nonzero"] / parameters["all"]
        yield f"  {parameters['nonzero']:,} of {parameters['all']:,} parameters are not zero ({share:.1%})"
    if machine:
        yield (
            f"  {card['tokens']:,} tokens in {card['hours']:.2f} hours on {visible(str(machine['device']))}, "
            f"{machine['threads']} thread(s), {machine['precision']}"
        )
    for name, loss in card.get("validation_loss", {}).items():
        yield f"  validation loss on {name}: {loss:.3f} nats per token"
    rows = card.get("competence", {})
    if rows:
        yield f"  {'task':<28} {'accuracy':>8} {'loss':>8} {'mass':>8}"
    for task, row in rows.items():
        yield f"  {visible(task):<28} {row['accuracy']:>8.2%} {row['loss']:>8.4f} {row['mass']:>8.4f}"
    for name, (nonzero, total) in card.get("nonzeros", {}).items():
        yield f"    {name:<28} {nonzero:>9,} of {total:>9,}"


def competence_lines(name: str, datapoints: int, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What a model makes of tasks, a line per task."""
    width = max((len(visible(row["task"])) for row in rows), default=0)
    yield f"{visible(name)} on {datapoints:,} datapoints of `test` of each task"
    yield f"{'task':<{width}}  accuracy  loss  mass  competent"
    for row in rows:
        start = f"{visible(row['task']):<{width}}"
        if "cannot_be_asked" in row:
            yield f"{start}  cannot be asked: {visible(row['cannot_be_asked'])}"
        else:
            able = "yes" if row["competent"] else "no"
            yield f"{start}  {row['accuracy']:>8.0%}  {row['loss']:.2f}  {row['mass']:.2f}  {able}"


def task_lines(tasks: Iterable[Task]) -> Iterator[str]:
    """What is known of tasks without a model, two lines each."""
    for task in tasks:
        answers, prompts, held_out = task_facts(task)
        yield f"{task.name}: {visible(task.doc)}" if task.doc else task.name
        yield f"  answers {answers}; {prompts} datapoints; held out: {held_out}"


def task_facts(task: Task) -> tuple[str, str, str]:
    """The answers of a task's cases, how many datapoints it has, and what it holds out, as text."""
    from circuitlang.prompts.support import support

    answers = " ".join(
        f"{'not ' if case.negated else ''}`{visible(_written(case.answer))}`" for case in task.cases
    )
    held_out = ", ".join(f"{float(share):.0%} of `{name}`" for name, share in task.hold_out.items())
    return answers, _rounded(support(task)), held_out or "nothing"


def _written(template: Template) -> str:
    """A template as its author wrote it, but for doubled braces."""
    return "".join(part.text if isinstance(part, Text) else f"{{{part.name}}}" for part in template.parts)


def _rounded(count: int) -> str:
    """Exact below ten million; above that, digits would promise more than a count of draws can keep."""
    return f"{count:,}" if count < 10_000_000 else f"over 10^{len(str(count)) - 1}"


def name_lines(layers: int) -> Iterator[str]:
    """The sites in each spelling: ours, and that of Gao et al.'s code."""
    yield f"{'site':<14} {'authors':<24} role kind"
    for layer in range(layers):
        for place in PRUNED_PLACES:
            site = Site(layer, place)
            yield f"{site!s:<14} {site.authors_name:<24} {place}"
    final = Site(layers, Place.FINAL)
    yield f"{final!s:<14} {final.authors_name:<24} (never pruned)"


def value_lines(value: object, indent: str = "", label: str = "") -> Iterator[str]:
    """Any value of a stage as an indented tree of its fields; spans and comments left out."""
    head = f"{indent}{label}: " if label else indent
    if isinstance(value, Source | Span):
        return
    if is_dataclass(value) and not isinstance(value, type):
        yield head + type(value).__name__
        for part in fields(value):
            if part.name not in _HIDDEN:
                yield from value_lines(getattr(value, part.name), indent + "  ", part.name)
    elif isinstance(value, Mapping) and value:
        yield head.rstrip()
        for key, entry in value.items():
            yield from value_lines(entry, indent + "  ", str(key))
    elif isinstance(value, tuple | list) and value:
        yield head.rstrip()
        for entry in value:
            yield from value_lines(entry, indent + "  ", "-")
    else:
        yield head + (json.dumps(value) if isinstance(value, str) else str(value))
