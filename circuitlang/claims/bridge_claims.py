"""Claims about a bridge: the dense model steered by a part of the sparse one, and computations that cross over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
import torch
from torch import Tensor

from circuitlang.circuit.intervene import record
from circuitlang.circuit.match import Match
from circuitlang.circuit.matched_positions import NONE, partners
from circuitlang.circuit.shared_prefix import Trace
from circuitlang.claims.assess import Assessor
from circuitlang.claims.judge import judge_each, not_measured
from circuitlang.claims.kind import kind_of
from circuitlang.claims.look import SCORES, Look, Table, divergence, scores
from circuitlang.claims.looks import Plan
from circuitlang.claims.measure import Meter, Setting, where_of
from circuitlang.claims.metrics import Unbound, View
from circuitlang.claims.verdict import Verdict
from circuitlang.language.program.hypothesis import Port
from circuitlang.language.program.spec import Claim, Intervention, Quantity
from circuitlang.model import score
from circuitlang.model.bridge_maps import Bridge, Joined, Way, measured_over, site_name
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.transformer import Edit, unchanged
from circuitlang.prompts.encode import Batch
from circuitlang.site import Node, Site
from circuitlang.source.diagnostic import Unmeasurable

OVER_TEXT = ("encoder_error", "decoder_error", "to_sparse", "to_dense")
"""Metrics of the bridge itself, measured on its reference text."""
OWN, SHUFFLED, UNTRAINED = "bridge", "shuffled", "untrained"
"""Which bridge is used: the trained one, the one trained on shuffled pairs, the one before its first step."""


@dataclass(frozen=True, slots=True)
class Steer:
    """What is added to the dense model's read at a node's site: `strength` times the node's difference between the
    cases, along a direction: of one of the bridges; `random N`, drawn with that seed; `channel N`, another channel's in
    the trained bridge. All are as long as the trained bridge's own. `to`: as of a swap."""

    node: Node
    strength: float
    to: int | None = None
    direction: str = OWN


@dataclass(frozen=True, slots=True)
class Cross:
    """A computation that changes models in front of a sub-layer, by one of the bridges."""

    way: Way
    number: int
    by: str = OWN


@dataclass(frozen=True, slots=True)
class Bridged(Setting):
    """What is done to the dense model, and on which prompts. A crossing goes by itself."""

    steers: tuple[Steer, ...] = ()
    cross: Cross | None = None


@dataclass(frozen=True)
class Pair:
    """Two models and the bridges between them, by name. `reference`: (row, position) held-out text."""

    dense: Checkpoint
    sparse: Checkpoint
    bridges: Mapping[str, Bridge]
    reference: Tensor

    @property
    def joined(self) -> Joined:
        return Joined(self.dense.model, self.sparse.model)

    @property
    def bridge(self) -> Bridge:
        return self.bridges[OWN]

    def direction(self, node: Node, name: str) -> Tensor:
        """(dense channel) what is added for a change of 1 of the node. Raises Unmeasurable as Bridge.direction does."""
        own = self.bridge.direction(self.joined, node)
        word, _, number = name.partition(" ")
        if word == "random":
            drawn = torch.Generator().manual_seed(int(number))
            other = torch.randn(own.shape, generator=drawn).to(own.device)
        elif word == "channel":
            other = self.bridge.direction(self.joined, Node(node.site, int(number)))
        elif name == OWN:
            return own
        else:
            other = self.bridges[name].direction(self.joined, node)
        return other * (own.norm() / other.norm())

    def difference(self, batch: Batch, node: Node, to: int | None) -> Tensor:
        """(prompt, position): the node's value in the other case minus its own; 0 where there is no counterpart."""
        values = record(self.sparse.model, batch, unchanged, {node.site})[node.site][..., node.index]
        found = partners(batch, to)
        rows = torch.from_numpy(found.row).to(values.device)
        places = torch.from_numpy(found.position.clip(min=0)).to(values.device)
        there = torch.from_numpy(found.position != NONE).to(values.device)
        return torch.where(there, values[rows[:, None], places] - values, 0.0)

    def steering(self, batch: Batch, steers: tuple[Steer, ...]) -> Edit:
        """The edit of the dense model's pass."""
        added: dict[Site, Tensor] = {}
        for each in steers:
            along = self.direction(each.node, each.direction)
            what = each.strength * self.difference(batch, each.node, each.to)[..., None] * along
            site = each.node.site
            added[site] = added[site] + what if site in added else what
        return lambda site, x: x + added[site] if site in added else x


@dataclass
class BridgeMeter(Meter):
    """Measures the dense model of a pair. `key` names the pair, too."""

    pair: Pair | None = None

    def _run(
        self, setting: Setting, look: Look, chunk: int, together: object | None = None
    ) -> dict[str, Table]:
        batch = self.prompts(setting.split, setting.where, chunk)
        with torch.no_grad():
            logits = self._logits(setting, batch)
            if look == SCORES:
                found = scores(logits, batch)
            else:
                assert look.kind == "divergence", look
                found = {look.kind: divergence(score.answer_logits(self.checkpoint.model, batch), logits)}
        return {name: each.reshape(batch.datapoints, batch.cases) for name, each in found.items()}

    def _logits(self, setting: Setting, batch: Batch) -> Tensor:
        """(prompt, vocabulary) where the answer is predicted."""
        assert self.pair is not None
        model = self.checkpoint.model
        if not isinstance(setting, Bridged):
            return score.answer_logits(model, batch)
        if setting.cross is None:
            return score.answer_logits(model, batch, self.pair.steering(batch, setting.steers))
        device, cross = model.embed.device, setting.cross
        tokens, end = (torch.from_numpy(each).to(device) for each in (batch.tokens, batch.end))
        return self.pair.bridges[cross.by].cross(cross.way, cross.number, self.pair.joined, tokens, end)

    def _trace(self, setting: Setting) -> Trace:
        raise Unmeasurable("what a bridge does is measured one setting at a time")


@dataclass
class BridgeAssessor(Assessor):
    """Judges a bridge's claims. `meter` is a BridgeMeter; `graph`: the sparse model's circuit, and `found` which of its
    nodes play the roles. `by`: which bridge crossings and the metrics over text use; `direction`: of every steering."""

    found: Match | None = None
    by: str = OWN
    direction: str = OWN

    @property
    def pair(self) -> Pair:
        assert isinstance(self.meter, BridgeMeter)
        assert self.meter.pair is not None
        return self.meter.pair

    @cached_property
    def match(self) -> Match | None:
        return self.found

    def judge(self, claim: Claim) -> Verdict:
        try:
            return self._of_the_bridge(claim) if claim.left.metric in OVER_TEXT else super().judge(claim)
        except Unmeasurable as why:
            return not_measured(claim, str(why), self.seed)

    def views(self, quantity: Quantity) -> dict[str, View]:
        cases = [case.name for case in self.meter.generator.task.cases]
        case = None if quantity.case is None else cases.index(quantity.case)
        where, each = where_of(quantity), [self._one(act, cases) for act in quantity.interventions]
        views = {}
        for members in product(*(done.items() for done in each)):
            parts = [part for _, group in members for part in group]
            steers = tuple(part for part in parts if isinstance(part, Steer))
            cross = next((part for part in parts if isinstance(part, Cross)), None)
            name = ", ".join(name for name, _ in members if name)
            setting = Bridged(where=where, steers=steers, cross=cross) if parts else Setting(where=where)
            views[name] = View(self.meter, setting, case, quantity.arguments)
        return views

    def _one(self, act: Intervention, cases: list[str]) -> dict[str, tuple[Steer | Cross, ...]]:
        """What one intervention does, by member. Raises Unbound where nothing plays the role."""
        if act.kind == "cross":
            sites = self.pair.bridge.sites if act.value is None else (int(act.value),)
            for number in sites:
                self.pair.bridge.place(number)
            way = "to_sparse" if act.target == "dense -> sparse" else "to_dense"
            layers, one = self.pair.dense.model.config.layers, len(sites) == 1
            return {"" if one else site_name(n, layers): (Cross(way, n, self.by),) for n in sites}
        assert isinstance(act.target, Port)
        assert act.value is not None
        if self.found is None or self.found.binding is None:
            raise Unbound(f"no node of the circuit plays the role `{act.target.role}`")
        to = None if act.to is None else cases.index(act.to)
        nodes = [node for part in self.found.binding.parts[act.target.role] for node in part.nodes]
        steers = {str(node): Steer(node, act.value, to, self.direction) for node in nodes}
        return {name: (each,) for name, each in steers.items()} if act.each else {"": tuple(steers.values())}

    def _of_the_bridge(self, claim: Claim) -> Verdict:
        """One look at all rows of the reference text, at the worst of the sites."""
        pair = self.pair
        rows = measured_over(pair.bridges[self.by], pair.joined, pair.reference)
        layers, total = pair.dense.model.config.layers, len(pair.reference)

        def member(number: int) -> Callable[[int], np.ndarray]:
            return lambda n: rows[number][claim.left.metric][:n].double().cpu().numpy()

        members = {site_name(number, layers): member(number) for number in rows}
        plan = Plan((total, total), self.settings.confidence)
        verdict = judge_each(claim, members, kind_of(claim.left, self.meter.cases), plan, self.seed)
        note = f"over {total} rows of {pair.reference.shape[1] - 1} tokens of held-out text"
        return replace(verdict, note="; ".join(filter(None, (verdict.note, note))))


def steered(claim: Claim) -> bool:
    return any(act.kind == "steer" for side in claim.quantities for act in side.interventions)


def crossed(claim: Claim) -> bool:
    return any(act.kind == "cross" for side in claim.quantities for act in side.interventions)
