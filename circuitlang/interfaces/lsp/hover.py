"""A place in a file -> what an editor shows about what stands there."""

from __future__ import annotations

from circuitlang.interfaces.lsp import describe
from circuitlang.interfaces.lsp.names import NAMES
from circuitlang.interfaces.lsp.project import Project, Unit, use_target
from circuitlang.interfaces.lsp.references import declarations
from circuitlang.interfaces.lsp.tokens import around, scan
from circuitlang.language.program.load import load, project_root
from circuitlang.language.program.task import Task
from circuitlang.language.syntax.tree import Task as WrittenTask
from circuitlang.source.diagnostic import CommandError, ProgramError, Span

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
