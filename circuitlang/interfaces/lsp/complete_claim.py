"""A place in a circuit or a claim -> the names and words that may stand there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from circuitlang.interfaces.lsp import describe, signatures
from circuitlang.interfaces.lsp.context import Context, context
from circuitlang.interfaces.lsp.names import MARKS, Key, Occurrence, named_by
from circuitlang.interfaces.lsp.project import Project, Unit
from circuitlang.language.program.vocabulary import METRICS, PORTS, ROLE_KINDS
from circuitlang.language.syntax import tree


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`kind`: a key's kind, or `keyword`, `path`, `zoo`. `detail`: a few words. `doc`: Markdown. It replaces the text
    from `start` to the place that was asked for."""

    label: str
    kind: str
    start: int
    detail: str = ""
    doc: str = ""


def declared(each: Occurrence, start: int, detail: str) -> Suggestion:
    """What a declaration offers."""
    assert each.item is not None
    doc = describe.declaration(each.key, each.item, each.key.owner)
    return Suggestion(each.key.name, each.key.kind, start, detail, doc)


def declared_in(unit: Unit, kind: str, owner: str) -> Iterator[Occurrence]:
    """What a block of a file declares, of one kind."""
    return (o for o in unit.names if o.item is not None and (o.key.kind, o.key.owner) == (kind, owner))


_RELATIONS = frozenset({"<", "<=", ">", ">=", "=="})


def in_circuit(unit: Unit, where: Context) -> Iterator[Suggestion]:
    """Kinds behind `role x =`, ports behind a dot, otherwise the roles and `answer`."""
    words = where.words
    if words[:1] == ("role",):
        if words[-1:] == ("=",):
            for row in ROLE_KINDS.values():
                yield Suggestion(
                    row.name, "kind", where.start, row.meaning, describe.role_kind(row.name) or ""
                )
            return
        if len(words) < 4 or words[-1] not in ("->", "~>", "."):
            return
    yield from _port(unit, where)


def _port(unit: Unit, where: Context) -> Iterator[Suggestion]:
    """A role, or behind its dot one of its ports."""
    if where.words[-1:] == (".",):
        for row in PORTS.values():
            yield Suggestion(row.name, "port", where.start, row.meaning, describe.port(row.name) or "")
        return
    for each in declared_in(unit, "role", f"spec {_spec_name(unit, where)}"):
        assert isinstance(each.item, tree.Role)
        yield declared(each, where.start, each.item.kind.text)


def in_claim(project: Project, unit: Unit, where: Context) -> Iterator[Suggestion]:
    """By what stands before: a metric, an intervention, their arguments, a param or a case."""
    words = where.words
    last = words[-1]
    call = open_call(words)
    if call is not None:
        yield from _argument(project, unit, where, *call)
    elif last == ":" or last in _RELATIONS:
        for row in signatures.metrics(_kind(where)):
            yield Suggestion(row.name, "metric", where.start, row.meaning, describe.metric(row.name) or "")
    elif last == "given" or (last == "," and _clause(words) == "given"):
        for row in signatures.interventions(_kind(where)):
            doc = describe.intervention(row.name) or ""
            yield Suggestion(row.name, "intervention", where.start, row.meaning, doc)
    elif last == "where" or (last == "," and _clause(words) == "where"):
        yield from _of_task(project, unit, where, "name", (tree.Param,), "param")
    elif words[-2:] == ("for", "case"):
        yield from _of_task(project, unit, where, "case", (tree.Case,), "case")


def _clause(words: tuple[str, ...]) -> str:
    return next((word for word in reversed(words) if word in ("given", "where", "for", *_RELATIONS)), "")


def open_call(words: tuple[str, ...]) -> tuple[str, tuple[str, ...], bool] | None:
    """The metric or intervention whose parentheses are open, the words inside, and whether more are open inside."""
    opened: list[int] = []
    for place, word in enumerate(words):
        if word == "(":
            opened.append(place)
        elif word == ")" and opened:
            opened.pop()
    if not opened or not opened[0]:
        return None
    return words[opened[0] - 1], words[opened[0] + 1 :], len(opened) > 1


def _argument(
    project: Project, unit: Unit, where: Context, of: str, inside: tuple[str, ...], several: bool
) -> Iterator[Suggestion]:
    options = signatures.options(of)
    last = inside[-1] if inside else "("
    equals = max((place for place, word in enumerate(inside) if word == "="), default=0)
    option = inside[equals - 1] if equals else ""
    if (last == "=" or several) and option in options:
        if signatures.choices(of, option):
            for word in signatures.choices(of, option):
                yield Suggestion(word, "value", where.start, "value", describe.option(of, option) or "")
        elif signatures.names(of, option) == "case":
            yield from _of_task(project, unit, where, "case", (tree.Case,), "case")
        else:
            yield from _of_task(project, unit, where, "name", (), "mark")
            for mark in sorted(MARKS):
                yield Suggestion(mark, "mark", where.start, "mark", describe.word(Key("mark", mark)) or "")
    elif last == ",":
        for row in options.values():
            yield Suggestion(
                row.name, "option", where.start, row.written, describe.option(of, row.name) or ""
            )
        if of in METRICS:
            yield from _port(unit, where)
    elif last in ("(", "each", "->", "~>", "."):
        words = () if last != "(" and last != "each" else signatures.members(of) if last == "each" else ()
        words = signatures.targets(of) if last == "(" else words
        for name in words:
            yield Suggestion(name, "target", where.start, "", describe.word(Key("target", name)) or "")
        if signatures.takes_role(of):
            yield from _port(unit, where)


def _of_task(
    project: Project, unit: Unit, where: Context, kind: str, types: tuple[type, ...], detail: str
) -> Iterator[Suggestion]:
    """What the spec's task declares."""
    name = _spec_name(unit, where)
    for path in project.uses(unit.path):
        used = project.unit(path)
        items = used.file.items if used else ()
        spec = next((item for item in items if isinstance(item, tree.Spec) and item.name.text == name), None)
        task = named_by(spec, "task") if spec is not None else None
        if task is not None:
            yield from _declared(project, path, where, Key(kind, "", f"task {task}"), types, detail)


def _declared(
    project: Project, path: Path, where: Context, key: Key, types: tuple[type, ...], detail: str
) -> Iterator[Suggestion]:
    for file in project.uses(path):
        used = project.unit(file)
        for each in declared_in(used, key.kind, key.owner) if used else ():
            if isinstance(each.item, types or object):
                yield declared(each, where.start, detail)


def _kind(where: Context) -> str:
    """The kind of the block around; that of a spec behind a brace too many."""
    return where.blocks[0][0] if where.blocks else "spec"


def _spec_name(unit: Unit, where: Context) -> str | None:
    """The spec that is spoken of: the one around, or that of the bridge around."""
    kind, name = where.blocks[0] if where.blocks else ("spec", None)
    bridges = (item for item in unit.file.items if isinstance(item, tree.Bridge) and item.name.text == name)
    return name if kind == "spec" else next((named_by(bridge, "spec") for bridge in bridges), None)


@dataclass(frozen=True)
class Help:
    """`labels`: one line per form. `active`: the argument, from 0."""

    labels: tuple[str, ...]
    doc: str
    active: int


def signature_help(text: str, offset: int) -> Help | None:
    """None outside of a claim's parentheses."""
    where = context(text, offset)
    call = open_call(where.words) if where.words[:1] == ("claim",) else None
    labels = signatures.signatures(call[0]) if call else ()
    if call is None or not labels:
        return None
    name, inside, _ = call
    doc = describe.metric(name) if name in METRICS else describe.intervention(name)
    depth = active = 0
    for word in inside:
        depth += {"(": 1, ")": -1}.get(word, 0)
        active += word == "," and depth == 0
    return Help(labels, doc or "", active)
