"""The syntax tree: one frozen class per grammar rule. Two trees are equal if they say the same.

Spans, comments and the choice of quotes take no part in equality. Fields follow the order of the grammar's
parts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction as Ratio

from circuitlang.source.diagnostic import Source, Span

NOWHERE = Span(Source("nowhere", ""), 0, 0)


@dataclass(frozen=True)
class Notes:
    """What the formatter keeps beside an item. `before`: whole-line comments above it, each with its `#`; an
    empty string stands for a blank line. `after`: the comment behind it on its last line."""

    before: tuple[str, ...] = ()
    after: str | None = None

    @property
    def comments(self) -> tuple[str, ...]:
        """Every comment, without the blank lines."""
        return tuple(line for line in self.before if line) + ((self.after,) if self.after else ())


@dataclass(frozen=True, kw_only=True)
class Node:
    """Anything that was written down."""

    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Item(Node):
    """What stands on lines of its own inside a file or block, and so can carry comments."""

    notes: Notes = field(default=Notes(), compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Block(Item):
    """An item with braces. `head`: the comment behind the opening brace. `end`: comments above the closing one."""

    head: str | None = field(default=None, compare=False, repr=False)
    end: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class Name(Node):
    text: str


@dataclass(frozen=True)
class Key(Node):
    """The name of a setting, section, metric, intervention, port or role kind; may be spelled like a keyword."""

    text: str


@dataclass(frozen=True)
class Int(Node):
    value: int


@dataclass(frozen=True)
class Float(Node):
    value: float


@dataclass(frozen=True)
class Fraction(Node):
    value: Ratio


@dataclass(frozen=True)
class Percent(Node):
    """`95%`; `value` is the share, 19/20."""

    value: Ratio


@dataclass(frozen=True)
class Range(Node):
    """`low..high`, both included."""

    low: Int
    high: Int


@dataclass(frozen=True)
class String(Node):
    """A plain string, decoded. `triple`: written in triple quotes."""

    text: str
    triple: bool = field(default=False, compare=False, repr=False)


@dataclass(frozen=True)
class Hole(Node):
    """`{name}` in a template; the span is the name's, also inside dedented or escaped text."""

    name: str


@dataclass(frozen=True)
class Template(Node):
    """Text and holes in order; texts are decoded, never empty and never side by side."""

    parts: tuple[str | Hole, ...]
    triple: bool = field(default=False, compare=False, repr=False)


@dataclass(frozen=True)
class Several(Node):
    """`(a, b)`: several values of one setting or argument."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Called(Node):
    """`mean(task)`: a word and what it is of."""

    name: Name
    of: Key

    @property
    def text(self) -> str:
        return f"{self.name.text}({self.of.text})"


Number = Int | Float | Fraction
Value = Int | Float | Fraction | Percent | String | Name | Called | Range | Several


@dataclass(frozen=True)
class Group(Node):
    body: Choice


@dataclass(frozen=True)
class Repeat(Node):
    """`body{2}`, `body{1..4 by ", "}` or `body{param}`."""

    body: Atom
    count: Int | Range | Name
    joiner: String | None


@dataclass(frozen=True)
class Sequence(Item):
    """Parts side by side: one alternative of a choice."""

    items: tuple[Part, ...]
    weight: Number | None


@dataclass(frozen=True)
class Choice(Node):
    options: tuple[Sequence, ...]


Atom = String | Name | Range | Group
Part = Atom | Repeat


@dataclass(frozen=True)
class Doc(Item):
    """The sentence that a block may begin with."""

    text: str
    triple: bool = field(default=False, compare=False, repr=False)


@dataclass(frozen=True)
class Param(Item):
    name: Name
    value: Int | Range


@dataclass(frozen=True)
class Rule(Item):
    name: Name
    depth: Int | None
    body: Choice


@dataclass(frozen=True)
class Draw(Item):
    names: tuple[Name, ...]
    body: Choice
    without: tuple[Name, ...]


@dataclass(frozen=True)
class HoldOut(Item):
    name: Name
    share: Percent


@dataclass(frozen=True)
class Prompt(Item):
    template: Template


@dataclass(frozen=True)
class Binding(Node):
    name: Name
    body: Choice


@dataclass(frozen=True)
class Answer(Node):
    negated: bool
    template: Template


@dataclass(frozen=True)
class Foil(Node):
    template: Template


@dataclass(frozen=True)
class Case(Item):
    name: Name
    bindings: tuple[Binding, ...]
    prompt: Prompt | None
    answer: Answer
    foil: Foil | None


@dataclass(frozen=True)
class Files(Item):
    pattern: String
    weight: Number | None


@dataclass(frozen=True)
class Document(Item):
    name: Name
    weight: Number | None


@dataclass(frozen=True)
class Setting(Item):
    name: Key
    value: Value


@dataclass(frozen=True)
class Section(Block):
    name: Key
    items: tuple[Setting, ...]


@dataclass(frozen=True)
class Port(Node):
    """`copier` or `copier.key`."""

    name: Key
    part: Key | None


@dataclass(frozen=True)
class Hop(Node):
    arrow: str
    port: Port


@dataclass(frozen=True)
class Wire(Item):
    first: Port
    hops: tuple[Hop, ...]


@dataclass(frozen=True)
class Never(Item):
    wire: Wire


@dataclass(frozen=True)
class Role(Item):
    """`group`: written `role x+`, binds several nodes."""

    name: Name
    group: bool
    kind: Key
    layers: Int | Range | None
    doc: String | None


@dataclass(frozen=True)
class Circuit(Block):
    items: tuple[Role | Wire | Never, ...]


@dataclass(frozen=True)
class Named(Node):
    """`at=open`: an argument with a name."""

    name: Key
    value: Value


@dataclass(frozen=True)
class Intervention(Node):
    """`drop(each node)`, `set(kind = -1.5, at=open)`."""

    kind: Key
    each: bool
    target: Port | Wire
    value: Number | None
    options: tuple[Named, ...]


@dataclass(frozen=True)
class Condition(Node):
    name: Name
    value: Int | Range


@dataclass(frozen=True)
class Quantity(Node):
    metric: Key
    arguments: tuple[Port | Named, ...]
    given: tuple[Intervention, ...]
    where: tuple[Condition, ...]
    case: Name | None


@dataclass(frozen=True)
class Claim(Item):
    name: Name
    left: Quantity
    relation: str
    right: Number | Percent | Quantity


@dataclass(frozen=True)
class Declared(Block):
    """A block of a file: its name, and the sentence that it may begin with."""

    name: Name
    doc: Doc | None


@dataclass(frozen=True)
class Task(Declared):
    items: tuple[Param | Rule | Draw | HoldOut | Prompt | Case, ...]


@dataclass(frozen=True)
class Corpus(Declared):
    items: tuple[Rule | Draw | Files | Document, ...]


@dataclass(frozen=True)
class Model(Declared):
    items: tuple[Section, ...]


@dataclass(frozen=True)
class Bridge(Declared):
    items: tuple[Section | Setting | Claim, ...]


@dataclass(frozen=True)
class Spec(Declared):
    items: tuple[Setting | Section | Circuit | Claim, ...]


@dataclass(frozen=True)
class Version(Item):
    number: Int


@dataclass(frozen=True)
class Use(Item):
    path: String


TopLevel = Use | Task | Corpus | Model | Spec | Bridge


@dataclass(frozen=True)
class File(Block):
    version: Version | None
    items: tuple[TopLevel, ...]
