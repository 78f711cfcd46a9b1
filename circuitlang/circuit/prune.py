"""Model + prompts to the smallest mask that keeps the score (Gao et al. 2025, section 2.2, A.5).

Two stages. First every node has a number tau; it is kept where tau >= 0, and tau is learnt by gradient descent on the
task's loss plus a penalty per node, through a sigmoid's slope in place of the step's. Then the survivors are put into
an order by leaving out, again and again, the node that is missed least on `train` prompts, and the shortest prefix of
that order that reaches the target on `select` prompts is the circuit. The order is strict, so ties among saturated taus
(the authors' search clamps them to [-1, 1]) cannot make "k nodes" mean more than k.

Where the circuit misses the target by little, nodes are taken back in and the second stage begins with those; if that
does not help, the target stays missed. Where the first stage lost what is needed, the second starts from all nodes
instead. That happens in a circuit without redundancy: all taus sink together under the penalty, a link of the chain
falls out, and behind a broken chain no gradient says which link it was (benchmarks/planted has four such circuits; they
are found in this way).

What stands in for the nodes outside the circuit is what the spec ablates with. Where that is drawn anew (`resample`),
no node is left out because one value happens to serve; no head keeps values without a key, and half of the datapoints
are under attack (adversary.py).

Where there is nothing to find, neither stage has an end of its own: without a loss near the target there is no penalty,
and no node goes. Such a search stops early and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from circuitlang.circuit.ablation import Ablation
from circuitlang.circuit.adversary import Adversary, allowed, attacked, worst_part
from circuitlang.circuit.eliminate import ROUGH, STEADY, Draw, by_return, eliminate, every_node
from circuitlang.circuit.losses import chance, loss_and_error, losses_and_errors
from circuitlang.circuit.mask import Mask, keeping
from circuitlang.language.program.spec import PruneSettings
from circuitlang.model import score
from circuitlang.model.config import Config
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import Batch
from circuitlang.site import Node, Place, Site

INITIAL, NOISE = 0.1, 0.01
"""tau starts at N(INITIAL, NOISE): just above the threshold, so that every node is kept at first (Table 2)."""
SMOOTH = 0.1
"""Weight of the newest batch in the running mean of the loss that the penalty follows."""
MARGIN = 3.0
"""The target must be met on `select` by so many standard errors, so that it is met on fresh prompts too."""
BESIDE = 3
"""Sizes on each side of the one in question that are measured with it on all of `select`."""
GROWN = 4
"""A circuit that misses the target by little is looked for among so many times as many nodes."""
GENTLE = 0.25
"""Share of the step size and of the penalty that a search under `resample` has. At the whole of them nodes
go faster than the gradient, which the noise drowns, can say which are needed, and the loss does not come back."""
PATIENCE = 0.4
"""Share of the steps after which a search that has not come near its target ends. The rate falls to 0, so that the
steps that are left would move tau 0.36 times as far as all of them: half as far again as it has gone."""
LATEST = 0.6
"""Share of the steps by which a search without a fallback must have met its target. The model itself meets the target
of a task that it can do, and so does a search from its first step; one that has not is of a null."""
NEAR = 2.0
"""Near: a running loss of at most so many times the target, and at most half-way from chance to the target. The second
stage gives up at 1.6 times the target, so a search from all nodes would not begin where this one ends."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where a search without a prospect ended: after `step` of `steps`, the running mean of the loss on `train` (nats
    per prompt) being `loss`, and never having come under `near`."""

    step: int
    steps: int
    loss: float
    near: float

    def __str__(self) -> str:
        return (
            f"stopped after {self.step} of {self.steps} steps at a loss of {self.loss:.3g}: it did not converge below "
            f"{self.near:.3g}"
        )


@dataclass(frozen=True)
class Pruned:
    """`nodes`: the circuit. `loss`: mean nats per prompt on `select`; `error`: its standard error.
    `curve`: (nodes, loss on `select`) for the sizes that were looked at. `reached`: whether the target was met.
    `stopped`: the search ended early; then there is no circuit, `nodes` is empty, `loss` is that of keeping nothing,
    and `order` is no more than the survivors by tau."""

    nodes: tuple[Node, ...]
    loss: float
    error: float
    reached: bool
    penalty: float
    curve: tuple[tuple[int, float], ...]
    order: tuple[Node, ...] = ()  # the most needed first; every circuit of the search is a prefix of it
    stopped: Stopped | None = None


@dataclass(frozen=True)
class Learnt:
    """The first stage's end: the kept nodes in order of computation; by tau, largest first, where it `stopped`."""

    nodes: list[Node] = field(default_factory=list)
    stopped: Stopped | None = None


class _Step(torch.autograd.Function):
    """Heaviside forward (1 at 0), the sigmoid's derivative backward. Static: the temperature rides along."""

    @staticmethod
    def forward(ctx, tau: Tensor, temperature: float) -> Tensor:  # pyright: ignore
        ctx.save_for_backward(tau)
        ctx.temperature = temperature
        return (tau >= 0).to(tau.dtype)

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor, None]:  # pyright: ignore
        (tau,) = ctx.saved_tensors
        share = torch.sigmoid(tau / ctx.temperature)
        return slope * share * (1 - share) / ctx.temperature, None


def step(tau: Tensor, temperature: float) -> Tensor:
    """1 where tau >= 0, else 0; differentiable by the surrogate."""
    result = _Step.apply(tau, temperature)
    assert isinstance(result, Tensor)
    return result


def prune(
    model: Transformer,
    ablation: Ablation,
    draw: Draw,
    select: Batch,
    settings: PruneSettings,
    seed: int,
    report: Callable[[str, float], None] = lambda stage, share: None,
    without: Sequence[Node] = (),
    fallback: bool = True,
) -> Pruned:
    """Searches with every penalty of the settings; the smallest circuit that reaches the target on `select` wins.

    `without`: nodes that may not be kept. `fallback` no: where learning taus lost what is needed, that is the end; from
    all nodes it takes minutes. Deterministic for equal arguments and thread counts. Raises ValueError for a node that
    the model does not have.
    """
    results, strict = [], settings.resamples and not fallback
    for number, penalty in enumerate(settings.penalty):
        share = number / len(settings.penalty)

        def told(stage: str, done: float, share: float = share) -> None:
            report(stage, share + done / len(settings.penalty))

        learnt = learn(model, ablation, draw, settings, penalty, seed, told, without, strict)
        if strict and learnt.stopped is None:
            learnt = _converged(model, ablation, select, settings, learnt)
        if learnt.stopped is not None:  # no penalty has counted yet, so that all of them would end here
            return _nothing(model, ablation, select, learnt, penalty)
        order = eliminate(model, ablation, draw, settings, learnt.nodes, told)
        results.append(_shortest(model, ablation, select, settings, order, penalty))
    best = min(results, key=_rank)
    if best.reached or not fallback:
        return best
    if best.loss <= _near(settings.loss, chance(select)):  # nothing that is needed was lost
        if settings.resamples:  # under noise the gradient of a node's return says little
            return best
        grown = _grown(model, ablation, draw, select, settings, best, without)
        if not grown.reached:
            return best
        order = eliminate(model, ablation, draw, settings, grown.nodes, report)
        return min(grown, _shortest(model, ablation, select, settings, order, best.penalty), key=_rank)
    order = eliminate(model, ablation, draw, settings, every_node(model, without), report)
    return min(best, _shortest(model, ablation, select, settings, order, 0.0), key=_rank)


def _converged(
    model: Transformer, ablation: Ablation, select: Batch, settings: PruneSettings, learnt: Learnt
) -> Learnt:
    """The same, or stopped where the kept nodes miss the target on `select`: fewer of them would miss it, too."""
    few = next(iter(select.parts(ROUGH * select.cases)))
    loss, _ = loss_and_error(model, ablation, learnt.nodes, few)
    if loss <= settings.loss:
        return learnt
    return replace(learnt, stopped=Stopped(settings.steps, settings.steps, loss, settings.loss))


def _grown(
    model: Transformer,
    ablation: Ablation,
    draw: Draw,
    select: Batch,
    settings: PruneSettings,
    best: Pruned,
    without: Sequence[Node],
) -> Pruned:
    """A circuit that misses the target by little, with as many other nodes as it takes to reach it: those first whose
    return lowers the loss most by its gradient."""
    order = [*best.order, *by_return(model, ablation, draw, settings, best.order, without)]
    return _shortest(model, ablation, select, settings, order[: GROWN * len(best.order)], best.penalty)


def _rank(result: Pruned) -> tuple[bool, int, float]:
    return not result.reached, len(result.nodes) if result.reached else 0, result.loss


def _nothing(model: Transformer, ablation: Ablation, select: Batch, learnt: Learnt, penalty: float) -> Pruned:
    """What a search that stopped early has found."""
    loss, error = loss_and_error(model, ablation, (), select)
    return Pruned((), loss, error, False, penalty, ((0, loss),), tuple(learnt.nodes), learnt.stopped)


def pressure(loss: float, target: float) -> float:
    """How much of the penalty counts: all of it up to 0.6 of the target loss, none at the target itself.

    With a fixed penalty the search ends wherever its balance lies, far above the target or far below it.
    """
    return min(1.0, max(0.0, (1.0 - loss / target) / 0.4))


def learn(
    model: Transformer,
    ablation: Ablation,
    draw: Draw,
    settings: PruneSettings,
    penalty: float,
    seed: int,
    report: Callable[[str, float], None],
    without: Sequence[Node] = (),
    strict: bool = False,
) -> Learnt:
    """The first stage: the kept nodes, none of `without` among them, or that it stopped early. `strict`: also where the
    target itself was not met by LATEST of the steps."""
    sites = model.config.sites()
    sizes = [model.config.size(site) for site in sites]
    device = model.embed.device
    permitted = _allowed(model, ablation, without) if without else None
    # Not before the running mean is one.
    patience = max(math.ceil(PATIENCE * settings.steps), round(1 / SMOOTH))
    latest = max(math.ceil(LATEST * settings.steps), patience + 1)
    generator, donors = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    start = INITIAL + NOISE * torch.randn(sum(sizes), generator=generator)
    tau = start.clamp(-1, 1).to(device).requires_grad_()

    def chosen(tau: Tensor) -> Tensor:
        """(node) 1 where it is kept, else 0."""
        keep = step(tau, settings.temperature)
        keep = keep if permitted is None else keep * permitted
        return with_keys(keep, model.config) if settings.resamples else keep

    ease = GENTLE if settings.resamples else 1.0
    rate = settings.learning_rate * ease
    optimizer = torch.optim.AdamW([tau], lr=rate, betas=(0.9, 0.95), weight_decay=1e-3)
    adversary = Adversary(donors) if settings.resamples else None
    recent, best, under_attack, stopped = 0.0, math.inf, 0.0, None
    for i in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - i / settings.steps)
        keep = chosen(tau)
        batch = draw(i * settings.batch, settings.batch)
        values = ablation.drawn(batch, donors)
        masks = keep if adversary is None else adversary.masks(keep, batch).unsqueeze(1)
        masks.retain_grad()
        mask = Mask(dict(zip(sites, masks.split(sizes, -1), strict=True)), values)
        losses = score.loss(score.answer_logits(model, batch, mask), batch)
        seen = losses.detach()
        attack = (
            attacked(batch).to(device) if adversary is not None else torch.zeros_like(seen, dtype=torch.bool)
        )
        plain = float(seen[~attack].mean())
        recent += SMOOTH * (plain - recent) if i else plain
        best = min(best, recent)
        if adversary is not None:
            under_attack += SMOOTH * (float(seen[attack].mean()) - under_attack)
        hardest = max(recent, under_attack * settings.loss / allowed(settings.loss, chance(batch)))
        objective = losses.mean() + ease * penalty * pressure(hardest, settings.loss) * keep.sum()
        optimizer.zero_grad(set_to_none=True)
        objective.backward()
        if adversary is not None and masks.grad is not None:
            adversary.see(masks.grad.squeeze(1), batch)
        torch.nn.utils.clip_grad_norm_([tau], 1.0)
        optimizer.step()
        with torch.no_grad():
            tau.clamp_(-1, 1)
        report("learning the mask", 0.7 * (i + 1) / settings.steps)
        near = math.inf
        if i + 1 == patience:
            near = _near(settings.loss, chance(batch))
        elif strict and i + 1 == latest:
            near = settings.loss
        if best > near:
            stopped = Stopped(i + 1, settings.steps, recent, near)
            break
    kept = chosen(tau.detach()).split(sizes)
    nodes = [
        Node(site, int(i)) for site, part in zip(sites, kept, strict=True) for i in part.nonzero().flatten()
    ]
    if stopped is not None:
        values = dict(zip(sites, tau.detach().split(sizes), strict=True))
        nodes.sort(key=lambda node: -float(values[node.site][node.index]))
    return Learnt(nodes, stopped)


def with_keys(keep: Tensor, config: Config) -> Tensor:
    """(node) the same, but for the values of heads that keep no key: such a head attends evenly whatever the prompt,
    which is seldom what it does in the model."""
    parts = dict(zip(config.sites(), keep.split([config.size(site) for site in config.sites()]), strict=True))
    for layer in range(config.layers):
        keyed = parts[Site(layer, Place.K)].view(config.heads, -1).amax(1)
        values = Site(layer, Place.V)
        parts[values] = parts[values] * keyed.repeat_interleave(config.head_width)
    return torch.cat(list(parts.values()))


def _near(target: float, chance: float) -> float:
    """The running loss that counts as a prospect. A target that chance meets is near from the start."""
    return math.inf if target >= chance else min(NEAR * target, (target + chance) / 2)


def _allowed(model: Transformer, ablation: Ablation, without: Sequence[Node]) -> Tensor:
    """(node) 0 at the nodes of `without`, else 1, in the order of computation."""
    out = keeping(without, model.config, ablation.mean)
    return 1 - torch.cat([out.keep[site] for site in model.config.sites()])


def _least_under_attack(
    model: Transformer,
    ablation: Ablation,
    select: Batch,
    settings: PruneSettings,
    order: Sequence[Node],
    k: int,
) -> int:
    """The shortest prefix of at least k nodes whose loss on the first datapoints of `select` stays low whichever part
    of the complement comes back; all of the order where none does."""
    few = next(iter(select.parts(score.PROMPTS_AT_ONCE)))
    values, bound = ablation.of(few), allowed(settings.loss, chance(few))
    while k < len(order):
        loss, _ = worst_part(model, keeping(order[:k], model.config, values), few)
        if loss <= bound:
            break
        k = min(len(order), k + max(1, k // 16))
    return k


def _shortest(
    model: Transformer,
    ablation: Ablation,
    select: Batch,
    settings: PruneSettings,
    order: Sequence[Node],
    penalty: float,
) -> Pruned:
    """The shortest prefix of the order whose loss on `select` is under the target by the margin.

    Bisection over k, on the first datapoints alone; then on all of them, from where that ended up to the first k that
    meets the target there and down while the next smaller does too.
    """
    rough = next(iter(select.parts(ROUGH * select.cases)))
    low, high = 0, len(order)
    while high - low > 1:
        middle = (low + high) // 2
        now, _ = loss_and_error(model, ablation, order[:middle], rough)
        low, high = (low, middle) if now <= settings.loss else (middle, high)
    seen: dict[int, tuple[float, float]] = {}

    def meets(k: int, pace: int) -> bool:
        if k not in seen:  # with its neighbours, for which the values of ablated nodes are then at hand
            near = (k + away * pace for away in range(-BESIDE, BESIDE + 1))
            wanted = sorted({each for each in near if 0 < each <= len(order)} - seen.keys() | {k})
            circuits = [order[:each] for each in wanted]
            seen.update(zip(wanted, losses_and_errors(model, ablation, circuits, select), strict=True))
        return seen[k][0] + MARGIN * seen[k][1] <= settings.loss

    k, least = high, 0
    if settings.resamples:
        k = least = _least_under_attack(model, ablation, select, settings, order, high)
    while not meets(k, up := max(1, k // 16)) and k < len(order):
        k = min(len(order), k + up)
    pace = max(1, k // STEADY) if settings.resamples else 1
    while meets(k, pace) and k - pace >= max(1, least) and meets(k - pace, pace):
        k -= pace
    loss, error = seen[k]
    curve = tuple((k, seen[k][0]) for k in sorted(seen))
    return Pruned(tuple(sorted(order[:k])), loss, error, meets(k, pace), penalty, curve, tuple(order))
