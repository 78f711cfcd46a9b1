"""Is all of the circuit needed, and is it the only one? Random sets, further circuits, nodes that do nothing."""

from __future__ import annotations

import torch

from circuitlang.circuit.mask import keeping
from circuitlang.claims.battery_runs import WAYS, Context, Run, counted, over_cases, under, worst_outcome
from circuitlang.claims.check import Answer
from circuitlang.claims.looks import JUDGED, RANDOM_CIRCUITS
from circuitlang.claims.nulls import random_outside
from circuitlang.claims.verdict import Interval
from circuitlang.model import score
from circuitlang.site import Node

FURTHER = 1
"""How often the circuit's nodes are forbidden and another one is searched for. One answers whether it is the only one;
each more costs as long as the circuit did."""
RANKED = 16
"""Datapoints of `select` that every random set is dropped on, to find the ones that the model misses most."""
NEGLIGIBLE = 0.001
"""Nats: under this rise of the loss a node is said to do nothing in the circuit. A hundredth of a small loss target
(0.1 to 0.15) and less; a circuit of 50 such nodes would not lose half of its target with them all."""


def necessity(context: Context) -> Answer:
    """7: dropping the circuit against dropping random sets of other live nodes, as many at every site. None of the
    circuit's own: a set with some of them is missed because of them."""
    batch = context.meter.prompts("select", (), 0)
    drawn = random_outside(context.model, batch, context.nodes, RANDOM_CIRCUITS, context.seed)
    randoms = {f"random set {number}": nodes for number, nodes in enumerate(drawn)}
    few = next(batch.parts(RANKED * batch.cases))

    @torch.no_grad()
    def on_select(name: str) -> float:
        return float(score.loss(_dropping(context, randoms[name])(few, 0), few).double().mean())

    losses_on_select = dict(zip(randoms, context.meter.each(on_select, randoms), strict=True))
    hardest = sorted(randoms, key=lambda name: (-losses_on_select[name], name))[:JUDGED]
    without = context.tables("without the circuit", _dropping(context, context.nodes), WAYS)
    numbers: dict[str, Interval] = {}
    losses: dict[str, Interval] = {}
    for name in hardest:
        other = context.tables(name, _dropping(context, randoms[name]), WAYS)
        numbers[name] = context.interval(over_cases(without["loss"]) - over_cases(other["loss"]), "real")
        losses[name] = context.loss(other)
    outcome, _ = worst_outcome({name: found.outcome(">", 0.0) for name, found in numbers.items()})
    least = min(numbers, key=lambda name: numbers[name].low)
    shown = {
        "loss without the circuit minus without the worst random set": numbers[least],
        "loss without the circuit": context.loss(without),
        "loss without the worst random set": losses[least],
        "loss of the model": context.loss(context.untouched(WAYS)),
    }
    note = f"the {JUDGED} hardest of {len(randoms)} random sets, as ranked on `select`; the worst is {least}"
    return Answer(outcome, shown, note)


def _dropping(context: Context, nodes: tuple[Node, ...]) -> Run:
    return under(context.model, keeping(nodes, context.model.config, context.meter.mean).complement())


def redundancy(context: Context) -> Answer:
    """8: circuits beside this one."""
    if context.again is None:
        return Answer(None, {}, "not run")
    forbidden = context.nodes
    numbers: dict[str, Interval] = {}
    note = f"the search was ended after {FURTHER}"
    reached = 0
    for number in range(1, FURTHER + 1):
        found = context.again(forbidden)
        if found is None:
            note = "not run" if number == 1 else f"not run after circuit {number}"
            break
        if not found.reached:
            circuits = "this circuit" if number == 1 else f"{number} circuits"
            ended = f"stays at a loss of {found.loss:.3g}" if found.stopped is None else str(found.stopped)
            note = f"without the nodes of {circuits} the search {ended}"
            numbers["loss where it ended"] = counted(found.loss)
            break
        reached += 1
        numbers[f"nodes of further circuit {number}"] = counted(len(found.nodes))
        numbers[f"loss of further circuit {number}, on select"] = counted(found.loss)
        forbidden = tuple(sorted({*forbidden, *found.nodes}))
    if note != "not run":
        numbers = {"further circuits": counted(reached), **numbers}
    return Answer(None, numbers, note)


def idle_nodes(context: Context) -> Answer:
    """10: nodes whose ablation inside the circuit costs next to nothing."""
    idle = [found for found in context.graph.nodes if found.cost < NEGLIGIBLE]
    whole = [str(found.node) for found in sorted(idle, key=lambda each: each.cost)]
    numbers = {
        "idle nodes": counted(len(idle)),
        "nodes": counted(len(context.graph.nodes)),
    }
    return Answer(None, numbers, ", ".join(whole) or "none")
