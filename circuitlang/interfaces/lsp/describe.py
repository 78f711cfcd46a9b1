"""A place in a file, a word of the vocabulary or a declaration -> what an editor shows about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from circuitlang.interfaces.lsp import describe
from circuitlang.interfaces.lsp.context import around, scan
from circuitlang.interfaces.lsp.keywords import KEYWORDS
from circuitlang.interfaces.lsp.names import ITEMS, NAMES, Key
from circuitlang.interfaces.lsp.project import Project, Unit, use_target
from circuitlang.interfaces.lsp.references import declarations
from circuitlang.interfaces.lsp.signatures import options, signatures
from circuitlang.language.program.load import load, project_root
from circuitlang.language.program.signature import Section, Setting
from circuitlang.language.program.task import Task
from circuitlang.language.program.vocabulary import (
    INTERVENTIONS,
    METRICS,
    MODEL_SECTIONS,
    PORTS,
    ROLE_KINDS,
    SPEC_SECTIONS,
    SPEC_SETTINGS,
)
from circuitlang.language.program.vocabulary_bridge import BRIDGE_SECTIONS, BRIDGE_SETTINGS
from circuitlang.language.syntax import tree
from circuitlang.language.syntax.format import WIDTH, format_block, format_item
from circuitlang.language.syntax.spell import binding
from circuitlang.language.syntax.tree import Task as WrittenTask
from circuitlang.report.language_reference import written_default
from circuitlang.source.diagnostic import CommandError, ProgramError, Span

SECTIONS: Mapping[str, Mapping[str, Section]] = {
    "model": MODEL_SECTIONS,
    "spec": SPEC_SECTIONS,
    "bridge": BRIDGE_SECTIONS,
}
SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    "spec": SPEC_SETTINGS,
    "bridge": BRIDGE_SETTINGS,
    **{
        f"{block} {section.name}": {setting.name: setting for setting in section.settings}
        for block, sections in SECTIONS.items()
        for section in sections.values()
    },
}
"""Where settings stand, as `spec` or `spec prune` -> the settings."""
NOT_BUILT = "*Not built yet.*"


def code(text: str) -> str:
    return f"```circuitlang\n{text}\n```"


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def setting(where: str, name: str) -> str | None:
    """A setting's meaning, value, range, unit and default."""
    row = SETTINGS.get(where, {}).get(name)
    if row is None:
        return None
    facts = [
        row.values,
        *([row.bounds] if row.bounds else []),
        *([f"in {row.unit}"] if row.unit else []),
    ]
    block, _, inner = where.partition(" ")
    defaults = SECTIONS[block][inner].defaults if inner else {}
    default = f"default {written_default(defaults[name])}" if name in defaults else "required"
    return f"**{name}**, a setting of `{inner or block}`\n\n{sentence(row.meaning)}\n\n{', '.join(facts)}; {default}."


def section(block: str, name: str) -> str | None:
    row = SECTIONS.get(block, {}).get(name)
    if row is None:
        return None
    lines = [f"- `{s.name}`: {s.meaning}" for s in row.settings]
    return "\n".join([f"**{name}**, a section of settings\n", *lines])


def metric(name: str) -> str | None:
    row = METRICS.get(name)
    if row is None:
        return None
    unit = {
        "share": "a share, 0 to 1",
        "count": "a whole number",
        "nats": "in nats",
        "ratio": "a ratio, from 0",
    }
    facts = f"{sentence(row.meaning)} {unit.get(row.unit, row.unit).capitalize()}."
    built = [] if row.built else [NOT_BUILT]
    return "\n\n".join([code("\n".join(signatures(name))), facts, *_arguments(name), *built])


def intervention(name: str) -> str | None:
    row = INTERVENTIONS.get(name)
    if row is None:
        return None
    kinds = [f"Of roles of the kinds {', '.join(f'`{kind}`' for kind in row.kinds)}."] if row.kinds else []
    value = [f"NUMBER is {row.value[0]:g} to {row.value[1]:g}."] if row.value else []
    shown = code("\n".join(signatures(name)))
    return "\n\n".join([shown, sentence(row.meaning), *kinds, *value, *_arguments(name)])


def _arguments(name: str) -> list[str]:
    rows = [f"- `{each.written}`: {each.meaning}" for each in options(name).values()]
    return ["\n".join(rows)] if rows else []


def role_kind(name: str) -> str | None:
    row = ROLE_KINDS.get(name)
    return f"**{name}**, a kind of role\n\n{sentence(row.meaning)}" if row else None


def port(name: str) -> str | None:
    row = PORTS.get(name)
    if row is None:
        return None
    arrows = "Arrows end there." if row.enters else "Arrows begin there."
    return f"**{name}**, a port of a head\n\n{sentence(row.meaning)} {arrows}"


def option(of: str, name: str) -> str | None:
    row = options(of).get(name)
    return f"`{row.written}`, an argument of `{of}`\n\n{sentence(row.meaning)}" if row else None


def keyword(word: str) -> str | None:
    row = KEYWORDS.get(word)
    return f"**{word}**, a keyword\n\n{row.meaning}\n\n{code(row.example)}" if row else None


TARGETS = {
    "circuit": "The pruned circuit: the smallest one that still does the task.",
    "random": "Random circuits with as many nodes at the same sites.",
    "answer": "The unembedding's difference between the answer and its foils.",
    "node": "Every node of the circuit, one at a time.",
    "edge": "Every edge of the circuit, one at a time.",
}
MARKS = {
    "start": "The first token of the prompt.",
    "end": "The last token of the prompt, where the answer is predicted.",
}


def word(key: Key) -> str | None:
    """What a word of the language means; None where the tables do not know it."""
    match key.kind:
        case "setting":
            return setting(key.owner, key.name)
        case "section":
            return section(key.owner, key.name)
        case "metric":
            return metric(key.name)
        case "intervention":
            return intervention(key.name)
        case "kind":
            return role_kind(key.name)
        case "port":
            return port(key.name)
        case "option":
            return option(key.owner, key.name)
        case "target":
            return f"**{key.name}**\n\n{TARGETS[key.name]}"
        case "mark":
            return f"**{key.name}**, a mark of every prompt\n\n{MARKS[key.name]}"
        case "value":
            return setting(*key.owner.split(".", 1))
    return None


def declaration(key: Key, item: tree.Node, owner: str) -> str:
    """What a declared name is: how it is written, its sentence, and the mark it makes."""
    if isinstance(item, tree.Block):
        doc = getattr(item, "doc", None)
        text = format_block(item)
        head = text.split("\n")
        shown = text if len(head) <= 24 else "\n".join([*head[:24], "  …"])
        return "\n\n".join([code(shown), *([doc.text] if doc else [])])
    text = binding(item) if isinstance(item, tree.Binding) else format_item(cast(tree.Item, item))
    shown = text if len(text) <= 8 * WIDTH else text[: 8 * WIDTH] + " …"
    notes = [f"{_noun(item)} of {owner.replace(' ', ' `', 1)}`"]
    if isinstance(item, tree.Role) and item.doc:
        notes.append(item.doc.text)
    if key.kind == "name" and owner.startswith("task "):
        notes.append(f"Text that it makes is marked `{key.name}`: `at={key.name}`.")
    return "\n\n".join([code(shown), *notes])


def _noun(item: tree.Node) -> str:
    return ITEMS.get(type(item), type(item).__name__.lower()).capitalize()


_LONGEST = 20_000  # characters of a task whose prompts are counted


def hover(project: Project, unit: Unit, offset: int) -> tuple[str, Span] | None:
    """Markdown and the span that it speaks of."""
    found = unit.at(offset)
    if found is not None and found.key.kind == "file":
        target = use_target(unit.path, found.key.name)
        used = project.unit(target) if target else None
        if used is None:
            return None
        blocks = [
            f"- `{o.key.kind} {o.key.name}`" for o in used.names if o.item is not None and not o.key.owner
        ]
        return "\n".join([f"**{used.source.path}**\n", *blocks]), found.span
    if found is not None and found.key.kind in NAMES:
        places = declarations(project, unit.path, found.key)
        shown = [
            describe.declaration(found.key, place.occurrence.item, found.key.owner)
            for place in places
            if place.occurrence.item is not None
        ]
        if not shown:
            return None
        item = places[0].occurrence.item
        if isinstance(item, WrittenTask):
            shown += _size(project, places[0].unit, item)
        return "\n\n---\n\n".join(dict.fromkeys(shown)), found.span
    if found is not None:
        text = describe.word(found.key)
        return (text, found.span) if text else None
    token = around(scan(unit.source.text), offset)
    text = describe.keyword(token.text) if token is not None and token.kind == "word" else None
    return (text, Span(unit.source, token.start, token.end)) if text and token else None


def _size(project: Project, unit: Unit, item: WrittenTask) -> list[str]:
    """How many datapoints a task has, where it is right and counting is quick."""
    from circuitlang.prompts.support import CAP, support

    if item.span.end - item.span.start > _LONGEST:
        return []
    try:
        program = load(unit.path, project_root(unit.path), project.reader)
    except (ProgramError, CommandError):
        return []
    task: Task | None = program.tasks.get(item.name.text)
    if task is None:
        return []
    count = support(task)
    return [f"{'At least ' * (count >= CAP)}{count:,} different datapoints, {len(task.cases)} cases each."]
