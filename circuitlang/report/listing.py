"""Cards and stages of a program -> lines of text for a terminal, or plain data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from circuitlang.language.program.expression import Template, Text
from circuitlang.language.program.task import Task
from circuitlang.model.hook_names import names
from circuitlang.prompts.prompt import Datapoint
from circuitlang.report.escape import harmless_to_ci, visible
from circuitlang.site import Site
from circuitlang.source.diagnostic import Source, Span
from circuitlang.source.visible import columns

if TYPE_CHECKING:
    from circuitlang.circuit.graph import CircuitGraph
    from circuitlang.prompts.tokenizer import Tokenizer

_HIDDEN = frozenset({"span", "notes", "end", "sources"})


def card_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """A model's card, as its reader needs it: what it can do first."""
    parameters, machine = card.get("parameters", {}), card.get("machine", {})
    yield f"model {visible(str(card.get('name', '?')))}: {visible(str(card.get('doc') or ''))}"
    if parameters:
        share = parameters["nonzero"] / parameters["all"]
        yield f"  {parameters['nonzero']:,} of {parameters['all']:,} parameters are not zero ({share:.1%})"
    if machine:
        yield (
            f"  {card['tokens']:,} tokens in {card['hours']:.2f} hours on {visible(str(machine['device']))}, "
            f"{machine['threads']} thread(s), {visible(machine['precision'])}"
        )
    if card.get("start"):
        yield f"  started from {_start(card['start'])}"
    imported = card.get("imported") or {}
    for name, digest in imported.get("files", {}).items():
        yield f"  {visible(name)}: SHA-256 {visible(digest)}"
    if more := imported.get("rows_without_token"):
        yield f"  {more:,} of its tokens stand for no text"
    if card.get("text"):
        yield f"  means are taken over {visible(str(card['text']))}"
    for name, loss in card.get("validation_loss", {}).items():
        yield f"  validation loss on {visible(name)}: {loss:.3f} nats per token"
    rows = card.get("competence", {})
    if rows:
        yield f"  {'task':<28} {'accuracy':>8} {'loss':>8} {'mass':>8}"
    for task, row in rows.items():
        yield f"  {visible(task):<28} {row['accuracy']:>8.2%} {row['loss']:>8.4f} {row['mass']:>8.4f}"
    for (name, nonzero, total), layers in _over_layers(card.get("nonzeros", {})).items():
        each = f" in each of {len(layers)} layers" if len(layers) > 1 else ""
        shown = name if len(layers) > 1 or not layers else name.replace("*", str(layers[0]), 1)
        yield f"    {visible(shown):<28} {nonzero:>9,} of {total:>9,}{each}"


def _start(start: Mapping[str, Any]) -> str:
    """A model that a training started from, and what that one had seen; then its own start, if it had one."""
    seen = f", trained on {start['tokens']:,} tokens" if start.get("tokens") else ""
    before = f", started from {_start(start['start'])}" if start.get("start") else ""
    return f"{visible(str(start['model']))} (SHA-256 {visible(str(start['digest'])[:12])}…){seen}{before}"


def _over_layers(nonzeros: Mapping[str, Sequence[int]]) -> dict[tuple[str, int, int], list[int]]:
    """(name with * for the layer, nonzeros, entries) -> the layers whose tensor has as many."""
    found: dict[tuple[str, int, int], list[int]] = {}
    for name, (nonzero, total) in nonzeros.items():
        layer = next((part for part in name.split(".") if part.isdecimal()), None)
        general = name if layer is None else name.replace(f".{layer}.", ".*.", 1)
        layers = found.setdefault((general, nonzero, total), [])
        layers += [] if layer is None else [int(layer)]
    return found


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


def task_data(tasks: Iterable[Task]) -> list[dict[str, str]]:
    """The same as plain data."""
    heads = ("answers", "datapoints", "held_out")
    return [
        {"task": task.name, "doc": task.doc or "", **dict(zip(heads, task_facts(task), strict=True))}
        for task in tasks
    ]


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
    """The sites in each spelling: ours, that of Gao et al.'s code, and TransformerLens'."""
    yield f"{'site':<12} {'authors':<20} {'TransformerLens':<32} role kind"
    for row in name_data(layers):
        authors, lens = row["authors"] or "–", row["transformer_lens"]
        yield f"{row['site']:<12} {authors:<20} {lens:<32} {row['kind'] or '(never pruned)'}"


def name_data(layers: int) -> list[dict[str, str | None]]:
    """The same as plain data. `kind`: None where nothing is ever pruned."""
    return [
        {
            "site": str(row.spot),
            "authors": row.authors,
            "transformer_lens": row.transformer_lens,
            "kind": str(row.spot.place) if isinstance(row.spot, Site) and row.spot.layer < layers else None,
        }
        for row in names(layers)
    ]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line per row, its cells under those of the others. All rows have as many cells, fit to be shown."""
    wide = [max(map(columns, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join(cell + " " * (most - columns(cell)) for cell, most in zip(row, wide, strict=True)).rstrip()
        for row in rows
    ]


def size_of(nodes: int, total: int, reached: bool | None) -> str:
    """How many nodes a circuit has. None of them means one of two things, which `reached` tells apart: whether its loss
    is within the target."""
    if nodes or reached is None:
        return f"{nodes:,} of {total:,} nodes"
    if reached:
        return f"none of {total:,} nodes is needed: the target is met with everything ablated"
    return f"no circuit was found among {total:,} nodes"


def graph_lines(graph: CircuitGraph) -> Iterator[str]:
    """A circuit's nodes with what each costs, and its connections."""
    yield f"{graph.node_count:,} of {graph.total_nodes:,} nodes, {graph.edge_count:,} edges between them"
    yield f"  {'node':<20} {'cost (nats)':>12} {'mean':>12}"
    for node in graph.nodes:
        head = f"   head {node.head}, channel {node.channel}" if node.head is not None else ""
        yield f"  {node.node!s:<20} {node.cost:>12.4g} {node.mean:>12.4g}{head}"
    yield f"  {'connection':<44} {'weight':>12}   kind"
    for edge in graph.edges:
        ends = f"{visible(str(edge.source))} -> {visible(str(edge.target))}"
        yield harmless_to_ci(f"  {ends:<44} {edge.weight:>12.4g}   {edge.kind}")


def token_data(datapoint: Datapoint, tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """The prompts of a datapoint as a model sees them. `position`: 0 is the token in front of every text; a token
    stands at a mark when it shares a character with it."""
    rows = []
    for prompt in datapoint.prompts:
        encoded = tokenizer.encode(prompt.text)
        tokens = [
            {
                "position": place + 1,
                "id": token,
                "text": prompt.text[start:end],
                "marks": list(dict.fromkeys(m.name for m in prompt.marks if start < m.end and m.start < end)),
            }
            for place, (token, (start, end)) in enumerate(zip(encoded.ids, encoded.offsets, strict=True))
        ]
        rows.append(
            {"case": prompt.case, "tokens": tokens, "answer": prompt.answer, "foils": list(prompt.foils)}
        )
    return rows


def token_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The same, a token on a line."""
    for row in rows:
        yield f"case {row['case']}: {len(row['tokens'])} tokens"
        for token in row["tokens"]:
            text = visible(repr(token["text"]))
            yield f"  {token['position']:>4} {token['id']:>6} {text:<16} {' '.join(token['marks'])}".rstrip()


def prediction_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What `predict` found: of one text, or of the cases of a task."""
    if "cases" not in found:
        for row in found["tokens"]:
            yield f"  {row['probability']:7.2%}  {visible(repr(row['token']))}"
        return
    yield f"model {found['model']}, task {found['task']}, on `{found['split']}`"
    yield f"  {'case':<20} {'accuracy':>8} {'answer':>8} {'mass':>8}  most likely instead"
    for row in found["cases"]:
        instead = ", ".join(f"{visible(repr(each['token']))} {each['share']:.0%}" for each in row["instead"])
        yield (
            f"  {visible(row['case']):<20} {row['accuracy']:>8.1%} {row['probability']:>8.2%} {row['mass']:>8.2%}  "
            f"{instead or 'nothing'}"
        )
    for row in found["cases"]:
        if row["example"] is not None:
            yield f"  not the answer of {visible(row['case'])} is most likely after {visible(repr(row['example']))}"
    yield (
        "accuracy: answer against foils; answer, mass: probability of the answer, and with the foils; instead: the "
        "most likely of all tokens, where that is not the answer, and on what share of prompts"
    )


def value_lines(value: object, indent: str = "", label: str = "") -> Iterator[str]:
    """Any value of a stage as an indented tree of its fields; spans and comments left out."""
    head = f"{indent}{label}: " if label else indent
    if isinstance(value, Source | Span):
        return
    if is_dataclass(value) and not isinstance(value, type):
        yield head + type(value).__name__
        for part in _shown(value):
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


def value_data(value: object) -> Any:
    """The same as plain data: a class's name is its `type`, a fraction a text as `1/64`."""
    if is_dataclass(value) and not isinstance(value, type):
        parts = {part.name: value_data(getattr(value, part.name)) for part in _shown(value)}
        return {"type": type(value).__name__, **parts}
    if isinstance(value, Mapping):
        return {str(key): value_data(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [value_data(entry) for entry in value]
    return str(value) if isinstance(value, Fraction) else value


def _shown(value: object) -> list[Field[Any]]:
    """The fields that say what was meant, not where it was written."""
    return [
        part
        for part in fields(value)  # type: ignore[arg-type]
        if part.name not in _HIDDEN and not isinstance(getattr(value, part.name), Source | Span)
    ]
