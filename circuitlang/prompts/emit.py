"""Checked expressions -> Python source that makes their text: plain, without marks.

The source of a rule is a function `rule_3_row(word, d_name, n_length)`: it takes the stream and what it needs
of the draws and params, and returns the text. Literals are folded into f-strings, small rules are put where
they are used. It draws the same words in the same order as the closures of `expand`, which also make marks.

Nothing of a task's file reaches the source but names, behind a prefix, and texts as Python literals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, NamedTuple

from circuitlang.program.expression import Choice, Expression, Number, Ref, Repeat, Sequence, Text
from circuitlang.prompts.expand import TABLE, even
from circuitlang.prompts.stream import WORDS, few_words, words
from circuitlang.prompts.unroll import Grammar, label

_INLINE = 6  # parts up to which a rule is written out where it is used instead of called
_DEEPEST = 12  # levels of indentation until the rest becomes a function; Python stops at 20 loops


class Local(NamedTuple):
    """A part of a text that stands in a variable, as a text or (a param, `n_length`) as an integer; other
    parts are literals."""

    name: str


Parts = list[str | Local]
Refer = Callable[["Function", Ref], Parts]


def expression_of(parts: Parts) -> str:
    """Python for the parts side by side."""
    if len(parts) == 1 and isinstance(parts[0], Local) and not parts[0].name.startswith("n_"):
        return parts[0].name
    if all(isinstance(part, str) for part in parts):
        return repr("".join(map(str, parts)))
    return "f'" + "".join("{" + p.name + "}" if isinstance(p, Local) else _escaped(p) for p in parts) + "'"


def _escaped(text: str) -> str:
    """The text inside single quotes of an f-string."""
    return repr('"' + text)[2:-1].replace("{", "{{").replace("}", "}}")


class Module:
    """Functions and tables of one grammar. `source` is all that was written so far."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._written: list[str] = []
        self._names = 0
        self._literals: set[str] = set()
        self._tables: dict[tuple[str, ...], str] = {}
        self._rules: dict[str, tuple[str, tuple[str, ...]]] = {}  # copy -> its function and parameters
        self._constants: dict[str, str | None] = {}
        self._most: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self.short: set[int] = set()  # numbers of words that streams are opened for
        self.given: dict[str, Any] = {"words": words}  # what the source uses and does not define

    @property
    def source(self) -> str:
        return "\n\n".join(self._written) + "\n"

    def run(self, name: str, short: bool = False) -> dict[str, Any]:
        """The finished functions. `name` stands in tracebacks. `short`: streams give only as many words as
        they will need but for the rarest chance; then they raise StopIteration."""
        namespace = self.given | {f"words_{n}": few_words(n) if short else words for n in self.short}
        exec(compile(self.source, name, "exec"), namespace)
        return namespace

    def name(self, stem: str) -> str:
        """A new name on the level of the module."""
        self._names += 1
        return f"{stem}_{self._names}"

    def add(self, lines: str) -> None:
        self._written.append(lines)

    def literal(self, name: str, value: object) -> str:
        """A constant of this name; one is written once."""
        if name not in self._literals:
            self._literals.add(name)
            self.add(f"{name} = {value!r}")
        return name

    def source_of_words(self, most: int, longest: int = 8) -> str:
        """The function that opens a stream of which at most so many words are needed."""
        if most > longest:
            return "words"
        self.short.add(most)
        return f"words_{most}"

    def table(self, texts: tuple[str, ...]) -> str:
        """The name of a tuple of texts."""
        return self.literal(self._tables.setdefault(texts, f"TEXTS_{len(self._tables)}"), texts)

    def outside(self, expression: Expression) -> Expression:
        """An expression that stands outside all rules, ready to be written. The rules it needs are written
        first, inner ones before those that use them: one inside the other they would exhaust the stack."""
        unrolled = self._grammar.unroll(expression)
        for symbol in self._grammar.copies():
            self._measure(symbol)
        return unrolled

    def function(self, name: str, expression: Expression) -> tuple[str, ...]:
        """Write a function that returns the text of an expression; returns its parameters, `word` first."""
        function = Function(self, call)
        function.need("word")
        self.add(function.returning(name, expression))
        return tuple(function.free)

    def rule(self, symbol: str) -> tuple[str, tuple[str, ...]]:
        """The function of one copy of a rule, and its parameters."""
        if symbol not in self._rules:
            name = self.name(f"rule_{label(symbol)}")
            self._rules[symbol] = name, self.function(name, self._grammar.body(symbol))
        return self._rules[symbol]

    def body(self, symbol: str) -> Expression | None:
        """What a copy expands to, where that is short enough to be written out; None where it is called."""
        return self._grammar.body(symbol) if self._sizes[symbol] <= _INLINE else None

    def _measure(self, symbol: str) -> None:
        if symbol not in self._sizes:
            body = self._grammar.body(symbol)
            self._constants[symbol] = self.constant(body)
            self._most[symbol] = self.most(body)
            self._sizes[symbol] = 0 if self._constants[symbol] is not None else self._size(body)
            if self._sizes[symbol] > _INLINE:
                self.rule(symbol)

    def most(self, expression: Expression) -> int:
        """How many words an expression can draw, but for words that are passed over. Of params, the most in
        their own ranges."""
        if self.constant(expression) is not None:
            return 0
        match expression:
            case Number():
                return 1
            case Ref(symbol, "rule"):
                return self._most[symbol]
            case Sequence(items):
                return sum(map(self.most, items))
            case Choice(options):
                return 1 + max(map(self.most, options))
            case Repeat(body, low, high):
                return (low != high) + high * self.most(body)
            case _:
                return 0

    def _size(self, expression: Expression) -> int:
        """About how many lines an expression takes."""
        match expression:
            case Text():
                return 0
            case Number():
                return 2
            case Ref(symbol, kind):
                size = self._sizes[symbol] if kind == "rule" else 0
                return size if size <= _INLINE else 2
            case Sequence(items):
                return sum(map(self._size, items))
            case Choice(options):
                constant = all(self.constant(option) is not None for option in options)
                return 2 if constant else _INLINE + 1
            case Repeat():
                return _INLINE + 1

    def constant(self, expression: Expression) -> str | None:
        """The text of an expression that draws nothing; None if it draws or depends on a draw or param."""
        match expression:
            case Text(text):
                return text
            case Number(low, high):
                return str(low) if low == high else None
            case Ref(symbol, "rule"):
                return self._constants[symbol]
            case Ref():
                return None
            case Sequence(items):
                texts = [self.constant(item) for item in items]
                return None if None in texts else "".join(map(str, texts))
            case Choice(options, weights):
                table = even(weights)
                return self.constant(options[table[0]]) if table is not None and len(table) == 1 else None
            case Repeat(body, low, high, count, joiner):
                if count is not None or low != high:
                    return None
                text = "" if high == 0 else self.constant(body)
                return None if text is None else joiner.join([text] * low)


class Function:
    """A function while it is being written. `free`: the parameters it turned out to need."""

    def __init__(self, module: Module, refer: Refer, stream: str = "word") -> None:
        self.module = module
        self.free: dict[str, None] = {}
        self.stream = stream  # the variable with the source of words
        self.refer = refer  # what becomes of a name
        self._drew = False  # whether the stream was needed
        self._lines: list[str] = []
        self._level = 1
        self._names = 0

    def returning(self, name: str, expression: Expression) -> str:
        """The source of a function that returns the text of an expression."""
        self.line(f"return {self.value(self.text(expression))}")
        return self.written(name, self.free)

    def written(self, name: str, parameters: Iterable[str]) -> str:
        return "\n".join([f"def {name}({', '.join(parameters)}):", *self._lines])

    def line(self, text: str) -> None:
        self._lines.append("    " * self._level + text)

    @contextmanager
    def inside(self, header: str) -> Iterator[None]:
        """Lines under a header that ends in a colon."""
        self.line(header)
        self._level += 1
        yield
        self._level -= 1

    @contextmanager
    def drawing(self, stream: str, key: str, most: int) -> Iterator[None]:
        """Lines whose words come from another stream, which is opened if they need it. `most`: how many words
        they can need."""
        before = self.stream, self._drew
        self.stream, self._drew = stream, False
        place = len(self._lines)
        yield
        if self._drew:
            opening = f"{stream} = {self.module.source_of_words(most)}({key})"
            self._lines.insert(place, "    " * self._level + opening)
        self.stream, self._drew = before

    def fresh(self, stem: str) -> str:
        """A new variable."""
        self._names += 1
        return f"{stem}_{self._names}"

    def need(self, name: str) -> str:
        """A variable that is used and not set here; its name again."""
        self.free[name] = None
        self._drew = self._drew or name == self.stream
        return name

    def text(self, expression: Expression) -> Parts:
        """Write the lines that make an expression's text; returns its parts."""
        constant = self.module.constant(expression)
        if constant is not None:
            return [constant] if constant else []
        if self._level > _DEEPEST and isinstance(expression, Choice | Repeat):
            return self._apart(expression)
        match expression:
            case Number(low, high):
                index = self.below(high - low + 1)
                if high - low < TABLE:
                    texts = tuple(str(value) for value in range(low, high + 1))
                    return [self.result("t", f"{self.module.table(texts)}[{index}]")]
                return [self.result("t", f"str({index})" if low == 0 else f"str({low} + {index})")]
            case Ref():
                return self.refer(self, expression)
            case Sequence(items):
                return [part for item in items for part in self.text(item)]
            case Choice(options, weights):
                return self._choice(options, weights)
            case Repeat():
                return self._repeat(expression)
            case _:
                raise AssertionError(f"{expression} is constant")

    def below(self, count: int) -> str:
        """Write the lines that draw a uniform integer of [0, count); returns it as an expression that holds
        until the next draw. Words of the incomplete last cycle are passed over."""
        self.line(f"value = {self.need(self.stream)}()")
        if WORDS % count:
            with self.inside(f"while value >= {WORDS - WORDS % count}:"):
                self.line(f"value = {self.stream}()")
        return f"value % {count}"

    def result(self, stem: str, value: str) -> Local:
        name = self.fresh(stem)
        self.line(f"{name} = {value}")
        return Local(name)

    def value(self, parts: Parts) -> str:
        """Python for the parts, for their only use in the next line: a variable `t_1` that the last line sets
        for it is not needed."""
        value = expression_of(parts)
        if value.startswith("t_") and self._lines[-1].startswith("    " * self._level + f"{value} = "):
            return self._lines.pop().partition(" = ")[2]
        return value

    def _apart(self, expression: Expression) -> Parts:
        """A deeply nested expression, in a function of its own."""
        name = self.module.name("part")
        inner = Function(self.module, self.refer, self.stream)
        self.module.add(inner.returning(name, expression))
        return [self.result("t", f"{name}({', '.join(map(self.need, inner.free))})")]

    def _choice(self, options: tuple[Expression, ...], weights: tuple[float, ...]) -> Parts:
        table = even(weights)
        if table is None:
            cumulative = list(accumulate(weights))
            self.line(f"place = ({self.need(self.stream)}() >> 11) * {2.0**-53!r} * {cumulative[-1]!r}")
            return self._branch("place", list(zip(options, cumulative, strict=True)))
        if len(table) == 1:
            return self.text(options[table[0]])
        texts = [self.module.constant(options[index]) for index in table]
        if None not in texts:
            index = self.below(len(table))
            return [self.result("t", f"{self.module.table(tuple(map(str, texts)))}[{index}]")]
        self.line(f"value = {self.below(len(table))}")
        ends = {index: place + 1 for place, index in enumerate(table)}
        return self._branch("value", [(options[index], end) for index, end in ends.items()])

    def _branch(self, place: str, options: list[tuple[Expression, Any]]) -> Parts:
        """The option whose end is the first above the place, found by halving."""
        made = Local(self.fresh("t"))
        self._halve(made, place, options)
        return [made]

    def _halve(self, made: Local, place: str, options: list[tuple[Expression, Any]]) -> None:
        if len(options) == 1:
            self.line(f"{made.name} = {self.value(self.text(options[0][0]))}")
            return
        half = len(options) // 2
        with self.inside(f"if {place} < {options[half - 1][1]!r}:"):
            self._halve(made, place, options[:half])
        with self.inside("else:"):
            self._halve(made, place, options[half:])

    def _repeat(self, repeat: Repeat) -> Parts:
        low, high = repeat.low, repeat.high
        if repeat.count is not None:
            times = self.need(f"n_{repeat.count}")
        elif high == 0:
            return []
        elif low == high:
            if low == 1:
                return self.text(repeat.body)
            times = str(low)
        else:
            times = f"{low} + " * (low != 0) + self.below(high - low + 1)
        several = self.fresh("several")
        self.line(f"{several} = []")
        place = len(self._lines)
        with self.inside(f"for _ in range({times}):"):
            before = len(self._lines)
            parts = self.text(repeat.body)
            fixed = len(self._lines) == before
            body = self.value(parts)
            self.line(f"{several}.append({body})")
        if fixed:  # it is the same every time
            del self._lines[place - 1 :]
            several = f"[{body}] * ({times})"
        return [self.result("t", f"{repeat.joiner!r}.join({several})")]


def call(function: Function, ref: Ref) -> Parts:
    """A name inside rules: a draw's or param's text, the call of a rule, or what a short rule consists of."""
    if ref.kind != "rule":
        return [Local(function.need(variable(ref)))]
    body = function.module.body(ref.name)
    if body is not None:
        return function.text(body)
    return [function.result("t", called(function, ref.name))]


def variable(ref: Ref) -> str:
    """Where the text of a draw or the integer of a param stands."""
    return ("n_" if ref.kind == "param" else "d_") + ref.name


def called(function: Function, symbol: str) -> str:
    """Python for the call of a rule."""
    name, (_, *others) = function.module.rule(symbol)
    return f"{name}({', '.join(map(function.need, (function.stream, *others)))})"
