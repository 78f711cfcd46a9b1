"""Syntax tree -> every name and word of the language in it: where it stands, what it means, and whether it is declared.

A name means the same thing wherever its key is the same: `{list}` in a prompt, `at=list` in a claim of another file and
the binding `list` of every case have one key. Which file declares a task of that name is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from circuitlang.interfaces.lsp.signatures import choices, names
from circuitlang.language.syntax import tree
from circuitlang.source.diagnostic import Span

BLOCKS: dict[type, str] = {
    tree.Task: "task",
    tree.Corpus: "corpus",
    tree.Model: "model",
    tree.Spec: "spec",
    tree.Bridge: "bridge",
}
ITEMS: dict[type, str] = {tree.Param: "param", tree.Rule: "rule", tree.Draw: "draw", tree.Binding: "binding"}
NAMES = frozenset({*BLOCKS.values(), "name", "case", "role", "claim"})
"""The kinds of keys that stand for what a file declares; the others are words of the language."""
MARKS = frozenset({"start", "end"})
REFERS = {
    "task": "task",
    "model": "model",
    "start": "model",
    "corpus": "corpus",
    "dense": "model",
    "sparse": "model",
    "spec": "spec",
}
"""The settings that name a block -> its kind."""
TARGETS = frozenset({"circuit", "random", "answer", "node", "edge"})


@dataclass(frozen=True, slots=True)
class Key:
    """What a name stands for. `kind`: one of NAMES, `file`, or the table of the vocabulary that holds the word.
    `owner`: the block that declares it, as `task quotes`; of a setting where it stands, as `spec prune`."""

    kind: str
    name: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """`item`: what declares the name, where this does."""

    span: Span
    key: Key
    item: tree.Node | None = field(default=None, repr=False)


def occurrences(file: tree.File) -> tuple[Occurrence, ...]:
    """All of a file, in order."""
    found: list[Occurrence] = []
    specs = {item.name.text: item for item in file.items if isinstance(item, tree.Spec)}
    for item in file.items:
        match item:
            case tree.Use():
                found.append(Occurrence(item.path.span, Key("file", item.path.text)))
            case tree.Task() | tree.Corpus():
                found += _block(item, _texts(item))
            case tree.Model():
                found += _block(item, (o for section in item.items for o in _section(section, "model")))
            case tree.Spec() | tree.Bridge():
                found += _block(item, _spec(item, specs))
    return tuple(sorted(found, key=lambda occurrence: occurrence.span.start))


def _block(
    item: tree.Task | tree.Corpus | tree.Model | tree.Spec | tree.Bridge, inner: Iterable[Occurrence]
) -> Iterator[Occurrence]:
    yield Occurrence(item.name.span, Key(BLOCKS[type(item)], item.name.text), item)
    yield from inner


# --- tasks and corpora ----------------------------------------------------------------------------


def _texts(block: tree.Task | tree.Corpus) -> Iterator[Occurrence]:
    owner = f"{BLOCKS[type(block)]} {block.name.text}"

    def name(written: tree.Name, item: tree.Node | None = None) -> Occurrence:
        return Occurrence(written.span, Key("name", written.text, owner), item)

    def expression(body: tree.Choice) -> Iterator[Occurrence]:
        return (name(written) for written in mentioned(body))

    def template(written: tree.Template) -> Iterator[Occurrence]:
        for part in written.parts:
            if isinstance(part, tree.Hole):
                yield Occurrence(part.span, Key("name", part.name, owner))

    for item in block.items:
        match item:
            case tree.Param():
                yield name(item.name, item)
            case tree.Rule():
                yield name(item.name, item)
                yield from expression(item.body)
            case tree.Draw():
                yield from (name(each, item) for each in item.names)
                yield from expression(item.body)
                yield from map(name, item.without)
            case tree.HoldOut() | tree.Document():
                yield name(item.name)
            case tree.Prompt():
                yield from template(item.template)
            case tree.Case():
                yield Occurrence(item.name.span, Key("case", item.name.text, owner), item)
                for binding in item.bindings:
                    yield name(binding.name, binding)
                    yield from expression(binding.body)
                for written in templates(item):
                    yield from template(written)


def templates(case: tree.Case) -> list[tree.Template]:
    """The prompt of a case, where it has its own, its answer and its foil."""
    found = [case.prompt.template] if case.prompt else []
    return [*found, case.answer.template, *([case.foil.template] if case.foil else [])]


def mentioned(choice: tree.Choice) -> Iterator[tree.Name]:
    """Every name of an expression, also those that count repetitions."""
    waiting: list[tree.Node] = [part for option in choice.options for part in option.items]
    while waiting:
        match waiting.pop():
            case tree.Name() as written:
                yield written
            case tree.Repeat() as repeat:
                waiting += [repeat.body, repeat.count]
            case tree.Group() as group:
                waiting += [part for option in group.body.options for part in option.items]


# --- models and specs -----------------------------------------------------------------------------


def _setting(setting: tree.Setting, section: str) -> Iterator[Occurrence]:
    name = setting.name.text
    yield Occurrence(setting.name.span, Key("setting", name, section))
    if isinstance(setting.value, tree.Name):
        kind = REFERS.get(name, "value")
        owner = "" if name in REFERS else f"{section}.{name}"
        yield Occurrence(setting.value.span, Key(kind, setting.value.text, owner))


def _section(section: tree.Section, block: str) -> Iterator[Occurrence]:
    yield Occurrence(section.name.span, Key("section", section.name.text, block))
    for setting in section.items:
        yield from _setting(setting, f"{block} {section.name.text}")


def named_by(block: tree.Spec | tree.Bridge, setting: str) -> str | None:
    """The name that a setting of a block has as its value."""
    settings = (item for item in block.items if isinstance(item, tree.Setting) and item.name.text == setting)
    return next((item.value.text for item in settings if isinstance(item.value, tree.Name)), None)


def _spec(block: tree.Spec | tree.Bridge, specs: Mapping[str, tree.Spec]) -> Iterator[Occurrence]:
    """A bridge speaks of the roles and the task of its spec."""
    kind = BLOCKS[type(block)]
    name = named_by(block, "spec") if isinstance(block, tree.Bridge) else block.name.text
    spec = specs.get(name or "") if isinstance(block, tree.Bridge) else block
    task = named_by(spec, "task") if spec is not None else None
    circuits = [item for item in (spec or block).items if isinstance(item, tree.Circuit)]
    roles = [item for circuit in circuits for item in circuit.items if isinstance(item, tree.Role)]
    known = frozenset(role.name.text for role in roles)
    claims = _Claims(f"spec {name}" if name else "", f"task {task}" if task else "", known)
    for item in block.items:
        match item:
            case tree.Setting():
                yield from _setting(item, kind)
            case tree.Section():
                yield from _section(item, kind)
            case tree.Circuit():
                for part in item.items:
                    yield from claims.part(part)
            case tree.Claim():
                yield Occurrence(
                    item.name.span, Key("claim", item.name.text, f"{kind} {block.name.text}"), item
                )
                yield from claims.quantity(item.left)
                if isinstance(item.right, tree.Quantity):
                    yield from claims.quantity(item.right)


@dataclass(frozen=True)
class _Claims:
    """What names mean in the circuit and the claims of one spec."""

    owner: str
    task: str
    roles: frozenset[str]

    def part(self, item: tree.Role | tree.Wire | tree.Never) -> Iterator[Occurrence]:
        if isinstance(item, tree.Role):
            yield Occurrence(item.name.span, Key("role", item.name.text, self.owner), item)
            yield Occurrence(item.kind.span, Key("kind", item.kind.text))
        else:
            yield from self.wire(item.wire if isinstance(item, tree.Never) else item)

    def wire(self, wire: tree.Wire) -> Iterator[Occurrence]:
        for port in [wire.first, *(hop.port for hop in wire.hops)]:
            yield from self.port(port)

    def port(self, port: tree.Port) -> Iterator[Occurrence]:
        name = port.name.text
        kind = "target" if name in TARGETS and name not in self.roles else "role"
        yield Occurrence(port.name.span, Key(kind, name, self.owner if kind == "role" else ""))
        if port.part is not None:
            yield Occurrence(port.part.span, Key("port", port.part.text))

    def quantity(self, quantity: tree.Quantity) -> Iterator[Occurrence]:
        yield Occurrence(quantity.metric.span, Key("metric", quantity.metric.text))
        for argument in quantity.arguments:
            if isinstance(argument, tree.Port):
                yield from self.port(argument)
            else:
                yield from self.named(argument, quantity.metric.text)
        for each in quantity.given:
            yield Occurrence(each.kind.span, Key("intervention", each.kind.text))
            yield from (
                self.wire(each.target) if isinstance(each.target, tree.Wire) else self.port(each.target)
            )
            for option in each.options:
                yield from self.named(option, each.kind.text)
        for condition in quantity.where:
            yield Occurrence(condition.name.span, Key("name", condition.name.text, self.task))
        if quantity.case is not None:
            yield Occurrence(quantity.case.span, Key("case", quantity.case.text, self.task))

    def named(self, argument: tree.Named, of: str) -> Iterator[Occurrence]:
        yield Occurrence(argument.name.span, Key("option", argument.name.text, of))
        values = argument.value.values if isinstance(argument.value, tree.Several) else (argument.value,)
        kind = "case" if names(of, argument.name.text) == "case" else "name"
        for value in values:
            if isinstance(value, tree.Name) and not choices(of, argument.name.text):
                mark = kind == "name" and value.text in MARKS
                key = Key("mark", value.text) if mark else Key(kind, value.text, self.task)
                yield Occurrence(value.span, key)
