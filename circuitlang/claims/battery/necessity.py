"""Is all of the circuit needed, and is it the only one? Random sets, backup nodes, nodes without effect."""

from __future__ import annotations

import torch

from circuitlang.circuit.eliminate import effects, every_node
from circuitlang.circuit.mask import Mask, keeping
from circuitlang.claims.battery.check_result import Answer
from circuitlang.claims.battery.runs import VARIED, Context, Run, counted, over_cases, under, worst_outcome
from circuitlang.claims.looks import JUDGED, RANDOM_CIRCUITS
from circuitlang.claims.random_circuits import random_outside
from circuitlang.claims.verdict import Interval
from circuitlang.model import score
from circuitlang.site import Node

CANDIDATES = 32
"""Nodes outside the circuit that are ablated one by one beside it."""
BACKUP = 0.01
"""Nats by which a node must be missed more with the circuit ablated than without, to be called a backup."""
SHOWN = 6
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
    without = context.tables("without the circuit", _dropping(context, context.nodes), VARIED)
    numbers: dict[str, Interval] = {}
    losses: dict[str, Interval] = {}
    for name in hardest:
        other = context.tables(name, _dropping(context, randoms[name]), VARIED)
        numbers[name] = context.interval(over_cases(without["loss"]) - over_cases(other["loss"]), "real")
        losses[name] = context.loss(other)
    outcome, _ = worst_outcome({name: found.outcome(">", 0.0) for name, found in numbers.items()})
    least = min(numbers, key=lambda name: numbers[name].low)
    shown = {
        "loss with the circuit ablated, minus that of the worst random set": numbers[least],
        "loss with the circuit ablated": context.loss(without),
        "loss with the worst random set ablated": losses[least],
        "loss of the model": context.loss(context.untouched(VARIED)),
    }
    note = f"the {JUDGED} hardest of {len(randoms)} random sets, as ranked on `select`; the worst is {least}"
    return Answer(outcome, shown, note, {next(iter(shown)): (">", 0.0)})


def _dropping(context: Context, nodes: tuple[Node, ...]) -> Run:
    left = keeping(nodes, context.model.config, context.meter.ablation.mean).complement()
    return under(context.model, left.keep, context.meter.ablation)


def redundancy(context: Context) -> Answer:
    """8: what is left of the task once the circuit is ablated, and which nodes carry it: conditional co-ablation.

    Each of the CANDIDATES that the gradient names is ablated beside the circuit, exactly. A backup is a node that is
    missed more with the circuit ablated than without.
    """
    few = next(context.meter.prompts("select", (), 0).parts(RANKED * context.meter.cases))
    left = keeping(context.nodes, context.model.config, context.meter.ablation.mean).complement()
    others = every_node(context.model, context.nodes)
    _, slopes = effects(context.model, Mask(left.keep, context.meter.ablation.of(few)), few, others)
    first = sorted(range(len(others)), key=lambda i: (-slopes[i], others[i]))[:CANDIDATES]

    @torch.no_grad()
    def loss(nodes: tuple[Node, ...]) -> float:
        return float(score.loss(_dropping(context, nodes)(few, 0), few).double().mean())

    tried = [(), context.nodes]
    tried += [nodes for i in first for nodes in ((others[i],), (*context.nodes, others[i]))]
    whole, without, *both = context.meter.each(loss, tried)
    beyond = {others[i]: (both[2 * k + 1] - without) - (both[2 * k] - whole) for k, i in enumerate(first)}
    backups = sorted((node for node in beyond if beyond[node] > BACKUP), key=lambda node: -beyond[node])
    tables = context.tables("without the circuit", _dropping(context, context.nodes), VARIED)
    numbers = {
        "accuracy with the circuit ablated": context.accuracy(tables),
        "loss with the circuit ablated": context.loss(tables),
        "backup nodes": counted(len(backups)),
        "largest ablation effect beyond the one in the model": counted(max(beyond.values(), default=0.0)),
    }
    note = ", ".join(f"{node} {beyond[node]:+.3f}" for node in backups[:SHOWN]) or "no node takes over"
    return Answer(
        None, numbers, f"{note}; of the {len(first)} nodes that the gradient names, nats on `select`"
    )


def idle_nodes(context: Context) -> Answer:
    """10: nodes whose ablation inside the circuit costs next to nothing."""
    idle = [found for found in context.graph.nodes if found.cost < NEGLIGIBLE]
    whole = [str(found.node) for found in sorted(idle, key=lambda each: each.cost)]
    numbers = {
        "nodes with negligible effect": counted(len(idle)),
        "nodes": counted(len(context.graph.nodes)),
    }
    return Answer(None, numbers, ", ".join(whole) or "none")
