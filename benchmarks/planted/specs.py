"""For every planted circuit a spec that is true of it, because of how the weights were written.

One role, one arrow and one claim per line, so that benchmarks/judge can change one of them. Bounds are round numbers,
which leave room for what the weights say: a quantity that would be 1 is claimed to be 90 % or more, one that would be
0 at most 10 %, chance is ln 2 = 0.69 nats, and what is broken is claimed to cost half a nat or more. Where less is
claimed: without its places the induction's middle head averages over all letters, and so knows the right one among
the others; and a swap gives each bracket the value of another bracket, which is the same, while their number stays.
"""

from __future__ import annotations

import re

SHARED = """
  claim sufficient: loss given keep(circuit) <= 0.2
  claim necessary: loss given drop(circuit) >= 0.6
  claim able: accuracy >= 90%
  claim agrees: agreement given keep(circuit) >= 90%
  claim close: kl given keep(circuit) <= 0.2
  claim sure: probability given keep(circuit) >= 1%
  claim meant: mass given keep(circuit) >= 3%
  claim no_worse: rise given keep(circuit) <= 0.2
"""

QUOTES = """
  circuit {
    role detector = neuron in layer 0
    role kind = neuron in layer 0
    role copier = head in layer 1
    detector -> copier.key
    kind -> copier.value
    copier -> answer
    never kind ~> copier.key
    never kind -> answer
  }
  claim causal: flip given swap(kind) >= 90%
  claim not_the_detector: flip given swap(detector) <= 10%
  claim at_the_mark: flip given swap(kind, at=open) >= 90%
  claim steers: flip given set(kind = 4, at=open) for case single >= 90%
  claim silenced: flip given scale(kind = 0) for case double >= 90%
  claim wired: loss given drop(kind -> copier.value) >= 0.5
  claim not_wired: rise given drop(detector -> copier.value) <= 0.2
  claim detects: auroc(detector, at=open) >= 90%
  claim separates: auroc(kind, at=open, between=(double, single)) >= 90%
  claim copies: attention(copier, from=end, to=open) >= 80%
  claim fires: activation(kind, at=open) for case double >= 3
  claim together: accuracy given keep(circuit), swap(kind) <= 10%
  claim minimal: loss given drop(each node) >= 0.1
  claim no_luck: loss given keep(circuit) < loss given keep(random)
"""

BRACKETS = """
  circuit {
    role averager = head in layer 0
    role threshold = neuron in layer 0
    averager -> threshold
    threshold -> answer
    never averager -> answer
    never threshold ~> averager
  }
  claim causal: flip given swap(threshold) >= 90%
  claim not_one_by_one: flip given swap(averager) <= 10%
  claim silenced: flip given scale(threshold = 0) for case nested >= 90%
  claim steers: flip given set(threshold = 4) for case flat >= 90%
  claim wired: loss given drop(averager -> threshold) >= 0.5
  claim ends: loss given drop(threshold -> answer) >= 0.5
  claim separates: auroc(threshold, at=end, between=(nested, flat)) >= 90%
  claim quiet: activation(threshold, at=end) for case flat <= 0.5
  claim fires: activation(threshold, at=end) for case nested >= 1
  claim longer: accuracy where length = 4 >= 90%
  claim together: accuracy given keep(circuit), swap(threshold) <= 10%
  claim minimal: loss given drop(each node) >= 0.1
"""

LOOKUP = """
  circuit {
    role asked = head in layer 0
    role table = head in layer 1
    asked -> table.query
    table -> answer
    never asked ~> table.key
    never asked -> answer
  }
  claim turns: flip(to=second_left) given swap(asked, to=second_left) for case first_left >= 90%
  claim same_key: accuracy given swap(asked, to=first_right) for case first_left >= 90%
  claim same_answer: accuracy given swap(table, to=second_right) for case first_left >= 90%
  claim other_answer: accuracy given swap(table, to=second_left) for case first_left <= 10%
  claim silenced: loss given scale(table = 0) >= 0.5
  claim unasked: loss given scale(asked = 0) >= 0.5
  claim wired: loss given drop(asked -> table.query) >= 0.5
  claim not_wired: rise given drop(asked -> table.value) <= 0.2
  claim ends: loss given drop(table -> answer) >= 0.5
  claim asks: attention(asked, from=end, to=key) >= 80%
  claim looks: attention(table, from=end, to=table) >= 80%
"""

INDUCTION = """
  circuit {
    role place = head in layer 0
    role previous = head in layer 1
    role finder = head in layer 2
    place -> previous.key
    previous -> finder.key
    finder -> answer
    never previous ~> finder.query
    never place -> finder
    never place ~> previous.value
  }
  claim causal: flip given swap(finder) >= 90%
  claim same_letters: flip given swap(previous) <= 10%
  claim same_places: flip given swap(place) <= 10%
  claim wired: loss given drop(previous -> finder.key) >= 0.3
  claim not_wired: rise given drop(previous -> finder.value) <= 0.2
  claim by_way_of: loss given drop(place ~> finder.key) >= 0.05
  claim silenced: loss given scale(finder = 0) >= 0.5
  claim ends: loss given drop(finder -> answer) >= 0.5
  claim copies: attention(finder, from=end, to=after) >= 80%
  claim together: accuracy given keep(circuit), swap(finder) <= 10%
"""

SPECS = {
    "quotes": QUOTES,
    "brackets": BRACKETS,
    "lookup": LOOKUP,
    "induction": INDUCTION,
}


def text(
    name: str, samples: tuple[int, int], loss: float, ablate: str = "mean", gone: frozenset[str] = frozenset()
) -> str:
    """The whole spec of a planted circuit, without its task. `loss`: the target of the search, in nats. `gone`: names
    of roles and claims that are left out, and with a role every line that speaks of it.

    One step of learning taus: in circuits without redundancy that ends with a broken chain anyway, and then all nodes
    are gone through instead.
    """
    low, high = samples
    lines = [
        line for line in SPECS[name].strip("\n").splitlines() if gone.isdisjoint(re.findall(r"\w+", line))
    ]
    return (
        f'spec planted {{\n  task = planted\n  model = "zoo:any"\n'
        f"  prune {{ loss = {loss:.3f} ablate = {ablate} steps = 1 }}\n  verdict {{ samples = {low}..{high} }}\n"
        + "\n".join([*lines, SHARED.strip("\n"), "}\n"])
    )
