"""What a bridge's claims are held against: other directions, other bridges; and what steering does elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from circuitlang.circuit.ablation import Ablation
from circuitlang.claims.battery.check_result import Check
from circuitlang.claims.bridge_claims import (
    OVER_TEXT,
    OWN,
    SHUFFLED,
    UNTRAINED,
    BridgeAssessor,
    Bridged,
    BridgeMeter,
    Pair,
    Steer,
    crossed,
    steered,
)
from circuitlang.claims.interval import interval
from circuitlang.claims.measure import Meter
from circuitlang.claims.metrics import View
from circuitlang.claims.random_circuits import alive_nodes
from circuitlang.claims.verdict import Control, Interval, Outcome
from circuitlang.language.program.spec import Claim
from circuitlang.language.program.task import Task
from circuitlang.model import score
from circuitlang.model.bridge_maps import measured_over, site_name
from circuitlang.model.transformer import Edit
from circuitlang.prompts.admit import admit
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.stream import Stream, derive
from circuitlang.site import Site
from circuitlang.storage.cache import Cache

DRAWN = 5
"""Random directions, and other channels, that a claim is put to; it is void where any of them passes it."""
STRENGTHS = tuple(tenth / 10 for tenth in range(11))
ELSEWHERE = 64
"""Datapoints of every other task that steering is tried on."""


@dataclass(frozen=True)
class Null:
    """`names`: what takes the bridge's place, from a claim's steerings; for `applies` claims."""

    name: str
    text: str
    applies: Callable[[Claim], bool]
    names: Callable[[BridgeAssessor, Sequence[Steer]], Sequence[str]]


def _of_bridges(claim: Claim) -> bool:
    return steered(claim) or crossed(claim) or claim.left.metric in OVER_TEXT


def _channels(assessor: BridgeAssessor, steers: Sequence[Steer]) -> Sequence[str]:
    """Other channels that are alive where the node is, on the first prompts of `select`."""
    node, sparse = steers[0].node, assessor.pair.sparse.model
    alive = alive_nodes(sparse, assessor.meter.prompts("select", (), 0))[node.site]
    others = [index for index in alive if index != node.index and index < sparse.config.width]
    chosen = Stream(derive("channels", str(node))).pick(others, min(DRAWN, len(others)))
    return [f"channel {index}" for index in chosen]


NULLS = (
    Null(
        "random_direction",
        f"{DRAWN} random directions of the same length in place of the decoded one",
        steered,
        lambda *_: [f"random {seed}" for seed in range(DRAWN)],
    ),
    Null(
        "other_channel",
        f"{DRAWN} other channels of the sparse model, decoded to the same length",
        steered,
        _channels,
    ),
    Null(
        "shuffled_pairs",
        "the bridge that was trained with another text in the sparse model than in the dense one",
        _of_bridges,
        lambda *_: [SHUFFLED],
    ),
    Null("untrained", "the bridge before its first step", _of_bridges, lambda *_: [UNTRAINED]),
)


def run_nulls(assessor: BridgeAssessor, claims: Sequence[Claim]) -> list[Control]:
    """`claims`: those that the bridge passes. A claim that a null passes, too, is void."""
    return [
        Control(
            null.name,
            null.text,
            voids=True,
            gates=True,
            reaches=tuple(c.name for c in claims if null.applies(c) and _passes(null, assessor, c)),
        )
        for null in NULLS
    ]


def _passes(null: Null, assessor: BridgeAssessor, claim: Claim) -> bool:
    steers = steers_of(assessor, claim)
    for name in null.names(assessor, steers):
        by = name if name in (SHUFFLED, UNTRAINED) else OWN
        if replace(assessor, by=by, direction=name).judge(claim).outcome is Outcome.PASS:
            return True
    return False


def steers_of(assessor: BridgeAssessor, claim: Claim) -> list[Steer]:
    """All steerings that a claim speaks of."""
    views = [view for side in claim.quantities if steered(claim) for view in assessor.views(side).values()]
    settings = [view.setting for view in views]
    return [steer for setting in settings if isinstance(setting, Bridged) for steer in setting.steers]


def quality(pair: Pair, alpha: float) -> Check:
    """Site by site how well the bridge translates, on its reference text."""
    rows, numbers = measured_over(pair.bridge, pair.joined, pair.reference), {}
    for number, found in rows.items():
        site = site_name(number, pair.dense.model.config.layers)
        values = {name: tensor.double().cpu().numpy() for name, tensor in found.items()}
        for name, kind, each in (
            ("explained sparse", "real", 1 - values["encoder_error"]),
            ("explained dense", "real", 1 - values["decoder_error"]),
            ("loss to sparse", "loss", values["loss_to_sparse"]),
            ("loss to dense", "loss", values["loss_to_dense"]),
        ):
            numbers[f"{name}, {site}"] = interval(each, kind, alpha)  # pyright: ignore[reportArgumentType]
        dead = float(values["dead"])
        numbers[f"dead, {site}"] = Interval(dead, dead, dead, 0, "count")
    text = "how much of the streams the maps explain, the loss in nats per token where a computation crosses over"
    note = f"over {len(pair.reference)} rows of held-out text; dead: channels that the encoder never gives"
    return Check("bridge", text, False, None, numbers, note)


def dose_response(meter: BridgeMeter, steer: Steer, datapoints: int, alpha: float) -> Check:
    """How often the dense model's choice becomes the other case's, and the answer's probability, by strength; by the
    bridge and, for the flips, by a random direction."""
    numbers: dict[str, Interval] = {}
    for strength in STRENGTHS:
        for name in (OWN, "random 0"):
            setting = Bridged(steers=(replace(steer, strength=strength, direction=name),))
            view = View(meter, setting, arguments={} if steer.to is None else {"to": _case(meter, steer.to)})
            for metric in ("flip", "probability") if name == OWN else ("flip",):
                said = (
                    f"{metric} at {strength:g}"
                    if name == OWN
                    else f"{metric} at {strength:g}, random direction"
                )
                numbers[said] = interval(getattr(view, metric)(datapoints), "share", alpha)
    text = f"the dense model's answer by the strength of steering with {steer.node}"
    return Check(f"dose {steer.node}", text, False, None, numbers)


def _case(meter: BridgeMeter, number: int) -> str:
    return meter.generator.task.cases[number].name


def selectivity(meter: BridgeMeter, steer: Steer, tasks: Sequence[Task], alpha: float) -> Check:
    """What steering does where nothing is to be turned: to the loss on held-out text and on other tasks.

    There is no other case there; so what is added is as large as on the task's own prompts (the root mean square of the
    node's difference, where there is one) at every token, once to either side, and the two rises are averaged.
    """
    pair = cast("Pair", meter.pair)
    difference = pair.difference(meter.prompts("select", (), 0), steer.node, steer.to)
    there = difference[difference != 0]
    size = steer.strength * float(there.square().mean().sqrt()) if there.numel() else 0.0
    along = size * pair.direction(steer.node, steer.direction)
    edits = [_adding(steer.node.site, along), _adding(steer.node.site, -along)]
    rises = {"held-out text, nats per token": _over_text(pair, edits)}
    for task in tasks:
        if not admit(task, pair.dense.tokenizer, pair.dense.model.config.context, pair.dense.name):
            rises[f"task {task.name}, nats per prompt"] = _over_task(pair, task, edits)
    numbers = {name: interval(values, "real", alpha) for name, values in rises.items()}
    text = f"rise of the dense model's loss elsewhere, under {steer.node} at strength {steer.strength:g}"
    return Check(f"selectivity {steer.node}", text, False, None, numbers)


def _adding(site: Site, along: Tensor) -> Edit:
    return lambda at, x: x + along if at == site else x


@torch.no_grad()
def _over_text(pair: Pair, edits: Sequence[Edit]) -> np.ndarray:
    """(row) mean rise."""
    model, rows = pair.dense.model, []
    for part in pair.reference.split(8):

        def loss(edit: Edit | None, part: Tensor = part) -> Tensor:
            logits = model(part[:, :-1]) if edit is None else model(part[:, :-1], edit)
            return F.cross_entropy(logits.transpose(1, 2), part[:, 1:], reduction="none").double().mean(1)

        rows.append(torch.stack([loss(edit) for edit in edits]).mean(0) - loss(None))
    return torch.cat(rows).cpu().numpy()


@torch.no_grad()
def _over_task(pair: Pair, task: Task, edits: Sequence[Edit]) -> np.ndarray:
    """(datapoint) mean rise over cases."""
    meter, model, found = (
        Meter(pair.dense, Generator(task, 0), Ablation({}), Cache(None), ""),
        pair.dense.model,
        [],
    )
    for chunk in range(ELSEWHERE // meter.chunk):
        batch = meter.prompts("test", (), chunk)
        before = score.loss(score.answer_logits(model, batch), batch)
        after = torch.stack([score.loss(score.answer_logits(model, batch, edit), batch) for edit in edits])
        found.append((after.mean(0) - before).double().cpu().numpy().reshape(batch.datapoints, -1).mean(1))
    return np.concatenate(found)


def curves(check: Check) -> Mapping[str, list[tuple[float, float]]]:
    """Of a dose response, by the curve's name: (strength, mean)."""
    found: dict[str, list[tuple[float, float]]] = {}
    for name, measured in check.numbers.items():
        metric, _, rest = name.partition(" at ")
        strength, _, what = rest.partition(", ")
        found.setdefault(f"{metric}, {what}" if what else metric, []).append(
            (float(strength), measured.value)
        )
    return found
