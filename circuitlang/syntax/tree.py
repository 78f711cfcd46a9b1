"""The syntax tree: one frozen class per grammar rule. Two trees are equal if they say the same.

Spans, comments and the choice of quotes take no part in equality. Fields follow the order of the grammar's
parts.
"""

from __future__ import annotations

from dataclasses import field
from fractions import Fraction as Ratio

from circuitlang.record import record
from circuitlang.source import Source, Span

NOWHERE = Span(Source("nowhere", ""), 0, 0)


@record
class Notes:
    """What the formatter keeps beside an item. `before`: whole-line comments above it, each with its `#`; an
    empty string stands for a blank line. `after`: the comment behind it on its last line."""

    before: tuple[str, ...] = ()
    after: str | None = None

    @property
    def comments(self) -> tuple[str, ...]:
        """Every comment, without the blank lines."""
        return tuple(line for line in self.before if line) + ((self.after,) if self.after else ())


@record(kw_only=True)
class Node:
    """Anything that was written down."""

    span: Span = field(default=NOWHERE, compare=False, repr=False)


@record(kw_only=True)
class Item(Node):
    """What stands on lines of its own inside a file or block, and so can carry comments."""

    notes: Notes = field(default=Notes(), compare=False, repr=False)


@record(kw_only=True)
class Block(Item):
    """An item with braces. `head`: the comment behind the opening brace. `end`: comments above the closing one."""

    head: str | None = field(default=None, compare=False, repr=False)
    end: tuple[str, ...] = field(default=(), compare=False, repr=False)


# --- leaves ---------------------------------------------------------------------------------------


@record
class Name(Node):
    text: str


@record
class Key(Node):
    """The name of a setting, section, metric, intervention, port or role kind; may be spelled like a
    keyword."""

    text: str


@record
class Int(Node):
    value: int


@record
class Float(Node):
    value: float


@record
class Fraction(Node):
    value: Ratio


@record
class Percent(Node):
    """`95%`; `value` is the share, 19/20."""

    value: Ratio


@record
class Range(Node):
    """`low..high`, both included."""

    low: Int
    high: Int


@record
class String(Node):
    """A plain string, decoded. `triple`: written in triple quotes."""

    text: str
    triple: bool = field(default=False, compare=False, repr=False)


@record
class Hole(Node):
    """`{name}` in a template; the span is the name's, also inside dedented or escaped text."""

    name: str


@record
class Template(Node):
    """Text and holes in order; texts are decoded, never empty and never side by side."""

    parts: tuple[str | Hole, ...]
    triple: bool = field(default=False, compare=False, repr=False)


@record
class Several(Node):
    """`(a, b)`: several values of one setting or argument."""

    values: tuple[Value, ...]


@record
class Called(Node):
    """`mean(task)`: a word and what it is of."""

    name: Name
    of: Key

    @property
    def text(self) -> str:
        return f"{self.name.text}({self.of.text})"


Number = Int | Float | Fraction
Value = Int | Float | Fraction | Percent | String | Name | Called | Range | Several

# --- expressions ----------------------------------------------------------------------------------


@record
class Group(Node):
    body: Choice


@record
class Repeat(Node):
    """`body{2}`, `body{1..4 by ", "}` or `body{param}`."""

    body: Atom
    count: Int | Range | Name
    joiner: String | None


@record
class Sequence(Item):
    """Parts side by side: one alternative of a choice."""

    items: tuple[Part, ...]
    weight: Number | None


@record
class Choice(Node):
    options: tuple[Sequence, ...]


Atom = String | Name | Range | Group
Part = Atom | Repeat

# --- tasks and corpora ----------------------------------------------------------------------------


@record
class Doc(Item):
    """The sentence that a block may begin with."""

    text: str
    triple: bool = field(default=False, compare=False, repr=False)


@record
class Param(Item):
    name: Name
    value: Int | Range


@record
class Rule(Item):
    name: Name
    depth: Int | None
    body: Choice


@record
class Draw(Item):
    names: tuple[Name, ...]
    body: Choice
    without: tuple[Name, ...]


@record
class HoldOut(Item):
    name: Name
    share: Percent


@record
class Prompt(Item):
    template: Template


@record
class Binding(Node):
    name: Name
    body: Choice


@record
class Answer(Node):
    negated: bool
    template: Template


@record
class Foil(Node):
    template: Template


@record
class Case(Item):
    name: Name
    bindings: tuple[Binding, ...]
    prompt: Prompt | None
    answer: Answer
    foil: Foil | None


@record
class Files(Item):
    pattern: String
    weight: Number | None


@record
class Document(Item):
    name: Name
    weight: Number | None


# --- models and specs -----------------------------------------------------------------------------


@record
class Setting(Item):
    name: Key
    value: Value


@record
class Section(Block):
    name: Key
    items: tuple[Setting, ...]


@record
class Port(Node):
    """`copier` or `copier.key`."""

    name: Key
    part: Key | None


@record
class Hop(Node):
    arrow: str
    port: Port


@record
class Wire(Item):
    first: Port
    hops: tuple[Hop, ...]


@record
class Never(Item):
    wire: Wire


@record
class Role(Item):
    """`group`: written `role x+`, binds several nodes."""

    name: Name
    group: bool
    kind: Key
    layers: Int | Range | None
    doc: String | None


@record
class Circuit(Block):
    items: tuple[Role | Wire | Never, ...]


@record
class Named(Node):
    """`at=open`: an argument with a name."""

    name: Key
    value: Value


@record
class Intervention(Node):
    """`drop(each node)`, `set(kind = -1.5, at=open)`."""

    kind: Key
    each: bool
    target: Port | Wire
    value: Number | None
    options: tuple[Named, ...]


@record
class Condition(Node):
    name: Name
    value: Int | Range


@record
class Quantity(Node):
    metric: Key
    arguments: tuple[Port | Named, ...]
    given: tuple[Intervention, ...]
    where: tuple[Condition, ...]
    case: Name | None


@record
class Claim(Item):
    name: Name
    left: Quantity
    relation: str
    right: Number | Percent | Quantity


# --- blocks and the file --------------------------------------------------------------------------


@record
class Task(Block):
    name: Name
    doc: Doc | None
    items: tuple[Param | Rule | Draw | HoldOut | Prompt | Case, ...]


@record
class Corpus(Block):
    name: Name
    doc: Doc | None
    items: tuple[Rule | Draw | Files | Document, ...]


@record
class Model(Block):
    name: Name
    doc: Doc | None
    items: tuple[Section, ...]


@record
class Bridge(Block):
    name: Name
    doc: Doc | None
    items: tuple[Section | Setting | Claim, ...]


@record
class Spec(Block):
    name: Name
    doc: Doc | None
    items: tuple[Setting | Section | Circuit | Claim, ...]


@record
class Version(Item):
    number: Int


@record
class Use(Item):
    path: String


TopLevel = Use | Task | Corpus | Model | Spec | Bridge


@record
class File(Block):
    version: Version | None
    items: tuple[TopLevel, ...]
