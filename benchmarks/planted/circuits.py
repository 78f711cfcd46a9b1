"""Four small transformers whose circuits are known, because they were written into the weights by hand.

Each comes with the task that it does, the nodes that do it, and a spec that is true of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from benchmarks.planted.hand import BALLAST, Hand
from circuitlang.language.program.load import load_text
from circuitlang.language.program.program import Program
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.prompts.generate import Generator
from circuitlang.site import Node

TEXTS = 64  # datapoints of the reference text, over which means are taken


@dataclass(frozen=True)
class Size:
    """Of a planted model. `decoys`: how many more than the circuit comes with; `scatter`: whether channels, heads and
    units lie anywhere, as the seed says."""

    width: int = 32
    heads: int = 4
    hidden: int = 32
    decoys: int = 0
    scatter: bool = False

    def hand(self, layers: int, seed: int) -> Hand:
        return Hand(layers, self.width, self.heads, self.hidden, seed if self.scatter else None)


SMALL = Size()


@dataclass(frozen=True)
class Planted:
    """A model, the program with its task, and the nodes of circuit and decoys. `edges`: the weights that were written,
    those of decoys too; `parts`: which nodes play which role of the spec in benchmarks/planted/specs.py."""

    name: str
    checkpoint: Checkpoint
    program: Program
    nodes: frozenset[Node]
    decoys: frozenset[Node]
    edges: frozenset[tuple[Node, Node]]
    parts: Mapping[str, tuple[Node, ...]]


class Make(Protocol):
    """Writes a circuit into a model. `noise`: size of the small weights everywhere else."""

    __name__: str

    def __call__(self, noise: float = 0.0, seed: int = 0, size: Size = SMALL) -> Planted: ...


QUOTES = """
task planted {
  rule letter = "a" | "b" | "c" | "d" | "e" | "f"
  draw first, second, third = "g" | "h" | "i" | "j" | "k" | "l" | "m" | "n"
  hold out first 25%
  prompt "{first}{second}={open}{letter}{letter}{third}"
  case double with open = '"' answer '"'
  case single with open = "'" answer "'"
}
"""


def quotes(noise: float = 0.0, seed: int = 0, size: Size = SMALL) -> Planted:
    """Which quote opened the string: a detector and a kind neuron, and a head that copies the kind to the end."""
    hand = size.hand(2, seed)
    hand.token("\"'", "quote", 1.0)
    hand.token('"', "kind", 1.0)
    hand.token("'", "kind", -1.0)
    hand.plays("detector", hand.neuron(0, {"quote": 4.0}, -1.0, {"found": 1.0}))
    hand.plays("kind", hand.neuron(0, {"kind": 4.0}, 0.0, {"sort": 1.0}))
    hand.match(1, 0, 1.0, {"found": 1.0}, scale=3.0)
    hand.plays("copier", hand.moves(1, 0, {"sort": 1.0}, {"copied": 1.0}))
    hand.says('"', {"copied": 2.0})
    hand.says("'", {"ballast": 4.0 / BALLAST})
    hand.neuron(0, {"kind": -4.0}, 0.0, {"unread": 1.0}, decoy=True)
    hand.neuron(0, {"quote": 4.0}, -2.0, {"unread": -1.0}, decoy=True)
    hand.match(1, 1, 1.0, {"quote": 1.0}, scale=3.0, decoy=True)
    hand.moves(1, 1, {"quote": 1.0}, {"unread": 1.0}, decoy=True)
    hand.clutter(size.decoys, seed)
    return _planted("quotes", hand, QUOTES, noise, seed)


BRACKETS = """
task planted {
  param length = 2..4
  rule digit = 0..9
  rule row = digit{length by ","}
  draw first, second = "g" | "h" | "i" | "j" | "k" | "l" | "m" | "n"
  hold out first 25%
  prompt "{first}{second}={open}{row}"
  case flat with open = "[" answer "\\n"
  case nested with open = "[[[[" answer "]"
}
"""


def brackets(noise: float = 0.0, seed: int = 0, size: Size = SMALL) -> Planted:
    """How deep a list is: a head that takes the mean of opening brackets, and a neuron with a threshold."""
    hand = size.hand(1, seed)
    hand.token("[", "open", 1.0)
    hand.plays("averager", hand.moves(0, 0, {"open": 1.0}, {"share": 1.0}))
    hand.plays("threshold", hand.neuron(0, {"share": 40.0}, -7.5, {"deep": 1.0}))
    hand.says("]", {"deep": 3.0})
    hand.says("\n", {"ballast": 4.0 / BALLAST})
    hand.moves(0, 1, {"open": -1.0}, {"unread": 1.0}, decoy=True)
    hand.neuron(0, {"share": -40.0}, 7.5, {"unread": 1.0}, decoy=True)
    hand.clutter(size.decoys, seed)
    return _planted("brackets", hand, BRACKETS, noise, seed)


LOOKUP = """
task planted {
  rule filler = "g" | "h" | "i" | "j" | "k" | "l"
  draw first, second = "m" | "n" | "o" | "u" | "v" | "w" | "x" | "y"
  hold out first 25%
  prompt "{key}{first}{filler}{table}{second}{filler}?"
  case first_left with key = "a", table = "PS" answer "p" foil "q"
  case second_left with key = "b", table = "PS" answer "q" foil "p"
  case first_right with key = "a", table = "QR" answer "q" foil "p"
  case second_right with key = "b", table = "QR" answer "p" foil "q"
}
"""


def lookup(noise: float = 0.0, seed: int = 0, size: Size = SMALL) -> Planted:
    """Two hops: which key was asked for, then what the table says of it (`P`, `Q` speak of `a`; `R`, `S` of `b`)."""
    hand = size.hand(2, seed)
    hand.token("ab", "key", 1.0)
    hand.token("a", "which", 1.0)
    hand.token("b", "which", -1.0)
    hand.token("PQ", "about", 1.0)
    hand.token("RS", "about", -1.0)
    hand.token("PR", "value", 1.0)
    hand.token("QS", "value", -1.0)
    hand.match(0, 0, 1.0, {"key": 1.0}, scale=8.0)
    hand.plays("asked", hand.moves(0, 0, {"which": 1.0}, {"asked": 1.0}))
    hand.match(1, 0, {"asked": 1.0}, {"about": 1.0}, scale=8.0)
    hand.plays("table", hand.moves(1, 0, {"value": 1.0}, {"told": 1.0}))
    hand.says("p", {"told": 3.0})
    hand.says("q", {"told": -3.0})
    hand.match(1, 1, {"asked": -1.0}, {"about": 1.0}, scale=8.0, decoy=True)
    hand.moves(1, 1, {"value": -1.0}, {"unread": 1.0}, decoy=True)
    hand.clutter(size.decoys, seed)
    return _planted("lookup", hand, LOOKUP, noise, seed)


INDUCTION = """
task planted {
  draw left, key, right = "a" | "b" | "c" | "d" | "e" | "f" | "g" | "h"
  hold out key 25%
  draw one, two = "1" | "2"
  rule digit = "1" | "2"
  prompt "{left}{digit}{key}{after}{right}{digit}{key}"
  case one with after = "1" answer "1"
  case two with after = "2" answer "2"
}
"""


def induction(noise: float = 0.0, seed: int = 0, size: Size = SMALL) -> Planted:
    """What followed the last letter when it came before. Layer 0 tells positions apart, in layer 1 every digit learns
    the letter in front of it, in layer 2 the last letter finds the digit that has learnt it."""
    hand = size.hand(3, seed)
    letters = "abcdefgh"
    hand.front("front", 1.0)
    hand.token(letters, "letter", 1.0)
    hand.token("12", "digit", 1.0)
    hand.token("1", "value", 1.0)
    hand.token("2", "value", -1.0)
    bits = range(3)
    for number, letter in enumerate(letters):
        for bit in bits:
            hand.token(letter, f"bit{bit}", 1.0 if number >> bit & 1 else -1.0)
    hand.plays(
        "place", hand.moves(0, 0, {"front": 1.0}, {"place": 1.0})
    )  # 1/(position + 1): an even mean over what came before
    hand.match(1, 0, 1.0, {"letter": 20.0, "place": -100.0})
    for bit in bits:
        hand.plays("previous", hand.moves(1, 0, {f"bit{bit}": 1.0}, {f"before{bit}": 1.0}))
        hand.match(2, 0, {f"bit{bit}": 1.0}, {f"before{bit}": 1.0}, scale=4.0)
    hand.match(2, 0, 1.0, {"digit": 1.0}, scale=6.0)
    hand.plays("finder", hand.moves(2, 0, {"value": 1.0}, {"said": 1.0}))
    hand.says("1", {"said": 3.0})
    hand.says("2", {"said": -3.0})
    hand.clutter(size.decoys, seed)
    return _planted("induction", hand, INDUCTION, noise, seed)


CIRCUITS: tuple[Make, ...] = (quotes, brackets, lookup, induction)


def _planted(name: str, hand: Hand, task: str, noise: float, seed: int) -> Planted:
    hand.noise(seed, noise, 1 / 8)
    program = load_text(task, f"{name}.task")
    generator = Generator(program.tasks["planted"], 0)
    texts = [p.text for d in generator.datapoints("train", range(TEXTS)) for p in d.prompts]
    checkpoint = hand.checkpoint(name, texts)
    return Planted(
        name,
        checkpoint,
        program,
        frozenset(hand.nodes),
        frozenset(hand.decoys),
        frozenset(hand.edges),
        hand.parts,
    )
