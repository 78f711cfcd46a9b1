"""A place in a text -> the words that may stand there, each with what it means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from circuitlang.interfaces.lsp import describe
from circuitlang.interfaces.lsp.complete_claim import Suggestion, declared, declared_in, in_circuit, in_claim
from circuitlang.interfaces.lsp.context import Context, Token, context, hole_before, possible
from circuitlang.interfaces.lsp.names import ITEMS, REFERS
from circuitlang.interfaces.lsp.project import Project, Unit
from circuitlang.language.program.load import project_root
from circuitlang.language.syntax import tree
from circuitlang.model.locate import zoo


def complete(project: Project, unit: Unit, offset: int) -> list[Suggestion]:
    """Everything that fits, each word once."""
    text = unit.source.text
    where = context(text, offset)
    if where.comment:
        return []
    found: Iterable[Suggestion]
    if where.string is not None:
        found = _in_string(project, unit, where, where.string, offset)
    else:
        words = possible(text, where)
        found = [*_names(project, unit, where), *(_keyword(word, where.start) for word in sorted(words))]
    return list({suggestion.label: suggestion for suggestion in reversed(list(found))}.values())[::-1]


# --- inside quotes --------------------------------------------------------------------------------


def _in_string(
    project: Project, unit: Unit, where: Context, string: Token, offset: int
) -> Iterator[Suggestion]:
    words = where.words
    before = words[-1] if words else ""
    inside = string.text.lstrip("\"'")
    start = offset - len(inside)
    if before == "use":
        yield from _paths(project, unit, inside, start)
    elif before == "=" and REFERS.get(words[-2]) == "model":
        yield from (Suggestion(name, "zoo", start, "a model that ships") for name in zoo())
    elif before in ("prompt", "answer", "foil", "not"):
        hole = hole_before(string.text)
        if hole is not None:
            at = offset - len(hole["name"] or "")
            yield from _texts(unit, where, at, bindings=True)


def _paths(project: Project, unit: Unit, inside: str, start: int) -> Iterator[Suggestion]:
    root = project_root(unit.path)
    for path in project.files(root):
        if path != unit.path:
            yield Suggestion(relative(path, unit.path.parent), "path", start, str(path.relative_to(root)))


def relative(path: Path, folder: Path) -> str:
    """A path as `use` writes it."""
    up = next(
        number for number, parent in enumerate([folder, *folder.parents]) if path.is_relative_to(parent)
    )
    base = [folder, *folder.parents][up]
    return "../" * up + path.relative_to(base).as_posix()


# --- names and words ------------------------------------------------------------------------------


def _keyword(word: str, start: int) -> Suggestion:
    return Suggestion(word, "keyword", start, "keyword", describe.keyword(word) or "")


def _names(project: Project, unit: Unit, where: Context) -> Iterator[Suggestion]:
    words = where.words
    if where.block in ("task", "corpus"):
        yield from _in_task(unit, where)
    elif words[-1:] == ("=",) and words[:1] not in (("claim",), ("role",)):
        yield from _values(project, unit, where, words[-2])
    elif where.block == "circuit":
        yield from in_circuit(unit, where)
    elif words[:1] == ("claim",):
        yield from in_claim(project, unit, where)
    if where.blocks and (not words or words[:1] != ("claim",)) and words[-1:] not in (("=",), ("{",)):
        yield from _settings(where)


def _settings(where: Context) -> Iterator[Suggestion]:
    for name, row in describe.SETTINGS.get(where.place, {}).items():
        doc = describe.setting(where.place, name) or ""
        yield Suggestion(name, "setting", where.start, row.values, doc)
    for name in describe.SECTIONS.get(where.place, {}):
        yield Suggestion(name, "section", where.start, "section", describe.section(where.place, name) or "")


def _values(project: Project, unit: Unit, where: Context, name: str) -> Iterator[Suggestion]:
    row = describe.SETTINGS.get(where.place, {}).get(name)
    if row is None:
        return
    if name in REFERS:
        yield from _blocks(project, unit, REFERS[name], where.start)
    choices = ("yes", "no") if row.type == "yes or no" else row.choices
    for choice in choices:
        yield Suggestion(choice, "value", where.start, "value", describe.setting(where.place, name) or "")


def _blocks(project: Project, unit: Unit, kind: str, start: int) -> Iterator[Suggestion]:
    for path in project.uses(unit.path):
        used = project.unit(path)
        for each in used.names if used else ():
            if each.key.kind == kind and each.item is not None:
                detail = kind if path == unit.path else f"{kind} in {path.name}"
                yield declared(each, start, detail)


def _texts(
    unit: Unit, where: Context, start: int, bindings: bool, kinds: tuple[type, ...] = ()
) -> Iterator[Suggestion]:
    """The names of a task or corpus that stand for text."""
    for each in declared_in(unit, "name", " ".join(where.blocks[-1]) if where.blocks else ""):
        if isinstance(each.item, kinds or object) and (bindings or not isinstance(each.item, tree.Binding)):
            yield declared(each, start, ITEMS.get(type(each.item), "name"))


def _in_task(unit: Unit, where: Context) -> Iterator[Suggestion]:
    words = where.words
    if words[:2] == ("hold", "out") or "except" in words:
        yield from _texts(unit, where, where.start, False, (tree.Draw,))
    elif words[-1:] == ("{",):
        yield from _texts(unit, where, where.start, False, (tree.Param,))
    elif words[:1] == ("document",) and len(words) == 1:
        yield from _texts(unit, where, where.start, False, (tree.Rule,))
    elif words[:1] == ("case",) and words[-1:] in (("with",), (",",)):
        prompts = {
            o.key.name for o in unit.names if o.item is None and o.key.owner == " ".join(where.blocks[-1])
        }
        known = {
            o.key.name
            for o in declared_in(unit, "name", " ".join(where.blocks[-1]))
            if not isinstance(o.item, tree.Binding)
        }
        yield from (Suggestion(name, "name", where.start, "hole") for name in sorted(prompts - known))
    elif (
        "=" in words and words[:1] != ("param",) and words[-1:] != ("weight",) and not _new_line(unit, where)
    ):
        yield from _texts(unit, where, where.start, False)


def _new_line(unit: Unit, where: Context) -> bool:
    """Whether the item could end with the line above: then a keyword is what is most likely meant."""
    last = where.item[-1]
    return last.text not in ("|", "=", "(") and "\n" in unit.source.text[last.end : where.start]
